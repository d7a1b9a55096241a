"""The files that the build of the page leaves behind, served as they are."""

from http import HTTPStatus
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.page.security import headers_of
from app.server.state import state_of

STATIC = Path(__file__).parent / "static"

# What the build has beside a file, compressed once and well, and how a browser asks for it.
COMPRESSED = ((".br", "br"), (".gz", "gzip"))

# The name of an asset has the hash of what is in it. A page's has not.
IMMUTABLE = "public, max-age=31536000, immutable"
NO_CACHE = "no-cache"


def is_built() -> bool:
    """Tell whether there is a page to be served."""
    return (STATIC / "index.html").is_file()


class BuiltFiles(StaticFiles):
    """A directory of the build, for whoever may reach the server at all."""

    def __init__(self, directory: Path, *, caching: str) -> None:
        """Serve a directory, which need not be there yet.

        Args:
            directory: The directory.
            caching: How long its files may be kept, as `Cache-Control` says it.
        """
        super().__init__(directory=directory, check_dir=False)
        self._root = directory
        self._caching = caching

    async def check_config(self) -> None:
        """Check nothing: a directory that is not there is no failure, see `get_response`."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, compressed if it is there and may be so.

        Args:
            path: The file.
            scope: The request.

        Raises:
            HTTPException: 404 if there is no such file.
            TurnedAwayError: 403 for a page or a name that may not reach this server.
        """
        state = state_of(HTTPConnection(scope))
        state.door.check_origin(HTTPConnection(scope))
        if not self._root.is_dir():
            raise HTTPException(HTTPStatus.NOT_FOUND)
        response = await self._smallest(path, scope)
        response.headers.update(headers_of(state.settings))
        response.headers["Cache-Control"] = self._caching
        response.headers["Vary"] = "Accept-Encoding"
        return response

    async def _smallest(self, path: str, scope: Scope) -> Response:
        asked = {
            one.partition(";")[0].strip()
            for one in Headers(scope=scope).get("accept-encoding", "").lower().split(",")
            if not one.replace(" ", "").endswith(";q=0")
        }
        for suffix, coding in COMPRESSED:
            if coding in asked and self.lookup_path(path + suffix)[1] is not None:
                response = await super().get_response(path + suffix, scope)
                response.headers["Content-Encoding"] = coding
                return response
        return await super().get_response(path, scope)
