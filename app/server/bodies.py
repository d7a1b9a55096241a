"""Bodies of requests: small, and there in time, before anybody looks at them."""

import asyncio
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Most requests here are a few names long. A browser's offer of a call has up to twenty kilobytes.
MAX_BODY_BYTES = 64 * 1024

# As for the head of a request, see `http_protocol`.
BODY_TIMEOUT_S = 10.0


class BodyLimit:
    """Middleware that answers 413 to bodies that are too large, and 408 to those that do not come.

    FastAPI reads a body before it asks who sent it.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application.

        Args:
            app: The application.
        """
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            receive = _Bounded(receive)
        await self._app(scope, receive, send)


class _Bounded:
    """What an application receives of one request."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left_bytes = MAX_BODY_BYTES
        self._until: float | None = asyncio.get_running_loop().time() + BODY_TIMEOUT_S

    async def __call__(self) -> Message:
        try:
            async with asyncio.timeout_at(self._until):
                message: dict[str, Any] = dict(await self._receive())
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, headers=_CLOSE) from None
        if message["type"] == "http.request":
            self._left_bytes -= len(message.get("body", b""))
            if self._left_bytes < 0:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, headers=_CLOSE)
            if not message.get("more_body", False):
                self._until = None
        return message


_CLOSE = {"Connection": "close"}
