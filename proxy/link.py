"""The connection under a line: whole messages in both directions, and a close code.

A `Link` hides who made the connection. `ServerLink` wraps a socket that a FastAPI route accepted,
`ClientLink` one that we dialled. Only one task reads a link and only one writes it.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import websockets
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.asyncio.client import ClientConnection

from proxy.close_codes import CloseCode, reason_for
from proxy.errors import LinkBusyError, LinkClosedError

# A peer that has read nothing for this long is gone or hostile; a mobile hand-over takes less.
SEND_TIMEOUT_S = 10.0

# The close handshake is one round trip. Longer waits help nobody.
CLOSE_TIMEOUT_S = 2.0

# The ASGI extension under which a server hands us its transport's abort, so that a peer that
# reads nothing cannot hold the socket open.
ABORT_EXTENSION = "trunkline.abort"


class Link(Protocol):
    """One connection."""

    async def send(self, data: bytes) -> None:
        """Write one message.

        Raises:
            LinkClosedError: If the connection is over.
            LinkBusyError: If the peer did not read within the send deadline; the link is aborted.
        """

    async def receive(self) -> bytes | str:
        """Wait for one message: binary as bytes, text as str.

        Cancelling loses no message.

        Raises:
            LinkClosedError: If the connection is over; carries the close code.
        """

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """Close with a code, within a bounded time; may be called again."""


class ServerLink:
    """A socket that a Starlette or FastAPI route accepted."""

    def __init__(self, websocket: WebSocket, *, send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        """Wrap an accepted socket.

        Args:
            websocket: The socket; `accept()` was called.
            send_timeout_s: How long one write may wait for the peer to read.
        """
        self._websocket = websocket
        self._send_timeout_s = send_timeout_s
        extensions = websocket.scope.get("extensions") or {}
        self._abort: Callable[[], None] | None = extensions.get(ABORT_EXTENSION)

    async def send(self, data: bytes) -> None:
        """Write one binary message; see `Link.send`."""
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await self._websocket.send({"type": "websocket.send", "bytes": data})
        except TimeoutError:
            self.abort()
            raise LinkBusyError("the peer does not read") from None
        except (WebSocketDisconnect, RuntimeError):
            raise LinkClosedError from None

    async def receive(self) -> bytes | str:
        """Wait for one message; see `Link.receive`."""
        try:
            event = await self._websocket.receive()
        except RuntimeError:
            raise LinkClosedError from None
        if event["type"] == "websocket.disconnect":
            raise LinkClosedError(event.get("code", CloseCode.ABNORMAL), event.get("reason") or "")
        data = event.get("bytes")
        if data is not None:
            return bytes(data)
        return str(event["text"])

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """Send a close frame; see `Link.close`."""
        if self._websocket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._websocket.close(code, reason or reason_for(code))
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            self.abort()

    def abort(self) -> None:
        """Drop the connection at once, with whatever is unsent."""
        if self._abort is not None:
            self._abort()


class ClientLink:
    """A socket that we dialled."""

    def __init__(
        self, connection: ClientConnection, *, send_timeout_s: float = SEND_TIMEOUT_S
    ) -> None:
        """Wrap an open connection.

        Args:
            connection: The connection of the `websockets` library.
            send_timeout_s: How long one write may wait for the peer to read.
        """
        self._connection = connection
        self._send_timeout_s = send_timeout_s

    async def send(self, data: bytes) -> None:
        """Write one binary message; see `Link.send`."""
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await self._connection.send(data)
        except TimeoutError:
            self._connection.transport.abort()
            raise LinkBusyError("the peer does not read") from None
        except websockets.ConnectionClosed as closed:
            raise _closed(closed) from None

    async def receive(self) -> bytes | str:
        """Wait for one message; see `Link.receive`."""
        try:
            return await self._connection.recv()
        except websockets.ConnectionClosed as closed:
            raise _closed(closed) from None

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """Run the close handshake; see `Link.close`."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close(code, reason or reason_for(code))
        except TimeoutError:
            self._connection.transport.abort()


def _closed(error: websockets.ConnectionClosed) -> LinkClosedError:
    if error.rcvd is not None:
        return LinkClosedError(error.rcvd.code, error.rcvd.reason)
    if error.sent is not None:
        return LinkClosedError(error.sent.code, error.sent.reason)
    return LinkClosedError()
