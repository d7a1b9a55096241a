"""A TCP relay that breaks connections where a test says."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK_BYTES = 4096


@dataclass
class Relay:
    """Stands between a caller and a server.

    Attributes:
        target: The server's port.
        url: Where to dial.
        refusing: Drop new connections at once, as if there were no network.
        frozen: Pass nothing on, and say nothing: the network is gone without a FIN.
        connections: How many were made.
        tls: What callers are spoken to with; None for plain TCP.
        cuts: How many were broken.
        was_cut: Set with every cut.
    """

    target: int
    path: str = "/ws"
    url: str = ""
    refusing: bool = False
    tls: ssl.SSLContext | None = None
    connections: int = 0
    cuts: int = 0
    was_cut: asyncio.Event = field(default_factory=asyncio.Event)
    _thawed: asyncio.Event = field(default_factory=asyncio.Event)
    _open: "set[asyncio.StreamWriter]" = field(default_factory=set)
    _cut_after: int | None = None
    _away_at: bytes | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        self._thawed.set()
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0, ssl=self.tls)
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{self.path}"
        try:
            yield self
        finally:
            server.close()
            self._thawed.set()
            self.cut()

    @classmethod
    def to(cls, url: str) -> "Relay":
        """Build a relay to a server's URL."""
        parts = urlsplit(url)
        assert parts.port is not None
        return cls(parts.port, parts.path)

    def cut(self) -> None:
        """Break every connection; what is under way is lost, in both directions."""
        self.cuts += bool(self._open)
        self.was_cut.set()
        for writer in list(self._open):
            writer.transport.abort()
        self._open.clear()

    def cut_after(self, count: int) -> None:
        """Break every connection when so many more bytes have passed, in whichever direction."""
        self._cut_after = count

    def go_away_at(self, words: bytes) -> None:
        """Break every connection when certain words come by, and refuse all from then on."""
        self._away_at = words

    def freeze(self) -> None:
        """Let nothing through any more, without a word to anybody."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Let things through again."""
        self._thawed.set()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        ends = {writer, back}
        self._open |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, back))
                group.create_task(self._copy(there, writer))
        finally:
            for end in ends:
                end.transport.abort()
            self._open -= ends

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                await self._thawed.wait()
                if self._away_at is not None and self._away_at in data:
                    self._away_at, self.refusing = None, True
                    self.cut()
                    return
                if self._cut_after is not None and self._cut_after < len(data):
                    writer.write(data[: self._cut_after])  # a message cut in half
                    await asyncio.sleep(0)
                    self._cut_after = None
                    self.cut()
                    return
                if self._cut_after is not None:
                    self._cut_after -= len(data)
                writer.write(data)
                await writer.drain()
        writer.close()
