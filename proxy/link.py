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
from proxy.errors import LinkClosedError
from proxy.gate import Gate

# The close handshake is one round trip. Longer waits help nobody.
CLOSE_TIMEOUT_S = 2.0

# RFC 6455 section 7.4.1: a close frame without a code.
_NO_STATUS = 1005

# The ASGI extension under which a server hands us its transport's abort, so that a peer that
# reads nothing cannot hold the socket open.
ABORT_EXTENSION = "trunkline.abort"

# The ASGI extension under which a server hands us its connection, see `DirectSocket`.
DIRECT_EXTENSION = "trunkline.direct"


class Link(Protocol):
    """One connection.

    Attributes:
        over: Set once nobody reads or writes it any more.
    """

    over: Gate

    async def send(self, data: bytes) -> None:
        """Write one message; waits as long as the peer does not read.

        Raises:
            LinkClosedError: If the connection is over.
        """

    async def receive(self) -> bytes | str:
        """Wait for one message: binary as bytes, text as str.

        Cancelling loses no message.

        Raises:
            LinkClosedError: If the connection is over; carries the close code.
        """

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """Close with a code, within a bounded time; may be called again."""

    def abort(self) -> None:
        """Drop the connection at once, with whatever is unsent."""


class DirectSocket(Protocol):
    """What a server offers beside ASGI, where every message is an object, and a wait, of its own.

    Either method may decline at any time; the message then goes the way that ASGI prescribes. They
    keep its order and its bounds.

    Source: ours; `app.server.websocket_protocol` says what it saves.
    """

    def send_now(self, data: bytes) -> bool:
        """Write a binary message if the peer reads and the connection is open.

        Returns:
            Whether it was written.
        """

    def take_now(self) -> bytes | None:
        """Return the next message if it is there and binary, or None."""


class ServerLink:
    """A socket that a Starlette or FastAPI route accepted."""

    def __init__(self, websocket: WebSocket) -> None:
        """Wrap an accepted socket.

        Args:
            websocket: The socket; `accept()` was called.
        """
        self.over = Gate()
        self._websocket = websocket
        extensions = websocket.scope.get("extensions") or {}
        self._abort: Callable[[], None] | None = extensions.get(ABORT_EXTENSION)
        self._direct: DirectSocket | None = extensions.get(DIRECT_EXTENSION)

    async def send(self, data: bytes) -> None:
        """Write one binary message; see `Link.send`."""
        if self._direct is not None and self._direct.send_now(data):
            return
        try:
            await self._websocket.send({"type": "websocket.send", "bytes": data})
        except (WebSocketDisconnect, RuntimeError):
            raise LinkClosedError from None

    async def receive(self) -> bytes | str:
        """Wait for one message; see `Link.receive`."""
        if self._direct is not None:
            taken = self._direct.take_now()
            if taken is not None:
                return taken
        try:
            event = await self._websocket.receive()
        except RuntimeError:
            raise LinkClosedError from None
        if event["type"] == "websocket.disconnect":
            code = event.get("code", CloseCode.ABNORMAL)
            # uvicorn says so of a connection that was lost, too.
            code = CloseCode.ABNORMAL if code == _NO_STATUS else code
            raise LinkClosedError(code, event.get("reason") or "")
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

    def __init__(self, connection: ClientConnection) -> None:
        """Wrap an open connection.

        Args:
            connection: The connection of the `websockets` library.
        """
        self.over = Gate()
        self._connection = connection

    @property
    def subprotocol(self) -> str | None:
        """The dialect that the server chose; None for the stock one."""
        return self._connection.subprotocol

    async def send(self, data: bytes) -> None:
        """Write one binary message; see `Link.send`."""
        try:
            await self._connection.send(data)
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
            self.abort()

    def abort(self) -> None:
        """Drop the connection at once, with whatever is unsent."""
        self._connection.transport.abort()


def _closed(error: websockets.ConnectionClosed) -> LinkClosedError:
    if error.rcvd is not None:
        return LinkClosedError(error.rcvd.code, error.rcvd.reason)
    # The library gives up a connection without signs of life with a code that nobody receives.
    if error.sent is not None and error.sent.code != CloseCode.INTERNAL_ERROR:
        return LinkClosedError(error.sent.code, error.sent.reason)
    return LinkClosedError()
