"""A WebSocket client with nothing around it, so that one process can hold very many."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.extensions.base import ClientExtensionFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

OPEN_TIMEOUT_S = 60.0

# Takes a message and gives what is to be answered at once.
OnMessage = Callable[[bytes], Sequence[bytes]]


class RawSocket(asyncio.Protocol):
    """One connection: every message goes to a function, and sending never waits.

    Attributes:
        opened: Done when the handshake is over.
        gone: Set when the connection is gone.
    """

    def __init__(self, protocol: ClientProtocol, on_message: OnMessage) -> None:
        """Prepare; see `open_socket`."""
        self.gone = asyncio.Event()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocol = protocol
        self._on_message = on_message
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Pass messages on."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.BINARY:
                    for reply in self._on_message(bytes(event.data)):
                        self.send(reply)
            elif isinstance(event, Response) and not self.opened.done():
                self._answered(event)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.gone.set()
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("the server closed the connection"))

    def send(self, data: bytes) -> None:
        """Send one binary message; nothing is sent on a connection that is gone."""
        if not self.gone.is_set() and self._protocol.state is State.OPEN:
            self._protocol.send_binary(data)
            self._flush()

    def stop_reading(self) -> None:
        """Leave everything that comes from now on to the network."""
        if self._transport is not None and not self.gone.is_set():
            self._transport.pause_reading()

    def ping(self) -> None:
        """Ask for a pong, as client halves do now and then; it is not waited for."""
        if not self.gone.is_set() and self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def hang_up(self) -> None:
        """Close as a caller does who is done, without waiting for the server's answer."""
        if not self.gone.is_set() and self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()

    def _answered(self, response: Response) -> None:
        error = self._protocol.handshake_exc
        if error is None:
            self.opened.set_result(None)
        else:
            status = f"the server answered {response.status_code}"
            self.opened.set_exception(InvalidHandshake(status))

    def _flush(self) -> None:
        assert self._transport is not None
        data = b"".join(self._protocol.data_to_send())
        if data and not self.gone.is_set():
            self._transport.write(data)


async def open_socket(
    url: str,
    on_message: OnMessage,
    *,
    subprotocol: str | None = None,
    extensions: Sequence[ClientExtensionFactory] = (),
) -> RawSocket:
    """Open a connection.

    Args:
        url: The server's URL.
        on_message: What to call with every binary message.
        subprotocol: What to ask for, or None.
        extensions: What to offer.

    Raises:
        OSError: If the server cannot be reached or closes the connection.
        InvalidHandshake: If it refuses.
    """
    address = parse_uri(url)
    protocol = ClientProtocol(
        address,
        subprotocols=None if subprotocol is None else [Subprotocol(subprotocol)],
        extensions=list(extensions) or None,
        max_size=None,
    )
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(
        lambda: RawSocket(protocol, on_message), address.host, address.port
    )
    async with asyncio.timeout(OPEN_TIMEOUT_S):
        await socket.opened
    return socket
