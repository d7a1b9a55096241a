"""A WebSocket by hand, for what no library does."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

from tests.app.server.conftest import TOKEN
from tests.proxy.conversation import within

CONT, BINARY, CLOSE, PING, PONG = 0x0, 0x2, 0x8, 0x9, 0xA

# A client masks what it sends, if only with zeros.
MASK = b"\0\0\0\0"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Write one frame."""
    head = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        size = struct.pack("!B", 0x80 | len(payload))
    else:
        size = struct.pack("!BQ", 0x80 | 127, len(payload))
    return head + size + MASK + payload


def request(path: str, *headers: str) -> bytes:
    """Write a request for a WebSocket."""
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        f"Authorization: Bearer {TOKEN}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode()


class RawSocket:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read_frame(self) -> tuple[int, bytes]:
        """Read one frame: its opcode and payload."""
        first, size = await within(self.reader.readexactly(2))
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0xF, await within(self.reader.readexactly(size))

    async def read_until(self, opcode: int) -> bytes:
        """Read frames until one has a certain opcode."""
        while True:
            found, payload = await self.read_frame()
            if found == opcode:
                return payload

    async def close_code(self) -> int:
        """Read until the server closes, and return the code that it gives."""
        code: int = struct.unpack("!H", (await self.read_until(CLOSE))[:2])[0]
        return code

    async def flood(self, data: bytes, times: int) -> None:
        """Write the same again and again until the server has had enough."""
        with contextlib.suppress(ConnectionError):
            for _ in range(times):
                self.writer.write(data)
                await self.writer.drain()


@contextlib.asynccontextmanager
async def connected(url: str, *, receive_bytes: int | None = None) -> AsyncIterator[RawSocket]:
    """Connect, and drop the connection afterwards."""
    host, port = url.removeprefix("ws://").split(":")
    client = socket.socket()
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=client, limit=1024)
    try:
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def upgraded(
    url: str, assistant: str, *, receive_bytes: int | None = None
) -> AsyncIterator[RawSocket]:
    """Open a WebSocket to an assistant."""
    async with connected(url, receive_bytes=receive_bytes) as raw:
        raw.writer.write(request(f"/ws/{assistant}"))
        answer = await within(raw.reader.readuntil(b"\r\n\r\n"))
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        yield raw
