"""Asking a session server as its administrator."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from app.addresses import is_loopback, problem_of, shown_url
from app.errors import AppError
from app.settings import Settings

# An answer takes milliseconds; a server that is this busy has to be looked at by other means.
TIMEOUT_S = 10.0

_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


class Administration:
    """The administration of one server."""

    def __init__(self, url: str | None, token: str | None, settings: Settings) -> None:
        """Prepare; nothing is asked yet.

        Args:
            url: The server's address, of any of its pages or lines; None for the one that these
                settings start on this machine.
            token: An administrator's token; None for the one in the settings.
            settings: The settings.

        Raises:
            AppError: If the address is none, or there is no token.
        """
        self._base = _base_of(url or f"http://127.0.0.1:{settings.port}")
        held = settings.token or next(iter(settings.admin_tokens), None)
        token = token or (held.get_secret_value() if held is not None else None)
        if token is None:
            raise AppError("set TRUNKLINE_TOKEN to a token with the rights of an administrator")
        self._client = httpx.Client(
            base_url=self._base,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            trust_env=not is_loopback(self._base),
        )

    def __enter__(self) -> "Administration":
        """Begin to ask."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.close()

    def ask(self, method: str, path: str, **parameters: str | int | None) -> Any:
        """Ask once.

        Args:
            method: The HTTP method.
            path: The path.
            **parameters: The query; None leaves one out.

        Raises:
            AppError: If the server cannot be reached or refuses; says why.
        """
        query = {name: value for name, value in parameters.items() if value is not None}
        try:
            answer = self._client.request(method, path, params=query)
            said = answer.json()
        except httpx.HTTPError as error:
            where = shown_url(self._base)
            raise AppError(f"{where} cannot be reached ({type(error).__name__})") from None
        except ValueError:
            raise AppError(f"{shown_url(self._base)} is no session server") from None
        if answer.is_success:
            return said
        detail = said.get("detail", "") if isinstance(said, dict) else ""
        raise AppError(f"{answer.status_code}: {detail}")


def _base_of(url: str) -> str:
    if problem := problem_of(url, _SCHEMES):
        raise AppError(f"the server's address {problem}")
    parts = urlsplit(url)
    # A line's address leads to the administration of its server.
    before = parts.path.partition("/ws")[0].rstrip("/")
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{before}"
