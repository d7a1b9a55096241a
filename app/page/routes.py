"""Where the page is: open to everybody who may reach the server, as nothing in it is secret."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from app.page.built import IMMUTABLE, NO_CACHE, STATIC, BuiltFiles
from app.page.security import headers_of
from app.server.state import state_of

# The address of each page, and its file.
PAGES = {"/": "index.html", "/operator": "operator.html"}
ASSETS = "assets"

NOT_BUILT = (
    "The page is not built here: run scripts/web in Trunkline's source, and load this page again.\n"
)


def serve(app: FastAPI) -> None:
    """Serve the page from an application; it is no part of the described interface.

    Args:
        app: The application.
    """
    pages = BuiltFiles(STATIC, caching=NO_CACHE)
    for path, name in PAGES.items():
        app.add_route(path, _page(pages, name), methods=["GET"], include_in_schema=False)
    app.mount(f"/{ASSETS}", BuiltFiles(STATIC / ASSETS, caching=IMMUTABLE))


def _page(pages: BuiltFiles, name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        try:
            return await pages.get_response(name, request.scope)
        except HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND:
                raise
        settings = state_of(request).settings
        headers = {**headers_of(settings), "Cache-Control": NO_CACHE}
        return PlainTextResponse(NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, headers)

    return page
