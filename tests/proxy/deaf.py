"""A caller that shakes hands, says its hello, and never reads again."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from proxy.wire import SUBPROTOCOL, Hello, encode

# So little that the kernel holds next to nothing of what is not read.
RECEIVE_BUFFER_BYTES = 4096

# It wants everything, and as much of it as can be said.
GREEDY = Hello(1, ("acme",), tuple(range(113)), 2**31, 2**31, 600.0)


@contextlib.asynccontextmanager
async def deaf_caller(url: str, *, stock: bool) -> AsyncIterator[Callable[[bytes], None]]:
    """Dial, and read nothing but the handshake; gives what sends a message."""
    parts = urlsplit(url)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, (parts.hostname, parts.port))
    reader, writer = await asyncio.open_connection(sock=made)
    offered = None if stock else [Subprotocol(SUBPROTOCOL)]
    protocol = ClientProtocol(parse_uri(url), subprotocols=offered)
    protocol.send_request(protocol.connect())
    writer.writelines(protocol.data_to_send())
    protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
    writer.transport.pause_reading()  # type: ignore[attr-defined]

    def tell(message: bytes) -> None:
        protocol.send_binary(message)
        writer.writelines(protocol.data_to_send())

    if not stock:
        tell(encode(GREEDY))
    try:
        yield tell
    finally:
        writer.transport.abort()
