"""The network between the two processes: a TCP relay that breaks where a test says."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

CHUNK_BYTES = 4096

# Makes a close a reset: what the peer has not read yet is lost, too.
RESET = struct.pack("ii", 1, 0)


class Way(StrEnum):
    """Which way bytes go."""

    UP = "up"  # to the server
    DOWN = "down"  # to the caller


@dataclass(frozen=True)
class Cut:
    """Where a connection breaks.

    Attributes:
        way: Which way the bytes go that are counted.
        after_bytes: How many of them still pass.
        reset: Break with a reset instead of an orderly close.
    """

    way: Way
    after_bytes: int
    reset: bool = False


class Connection:
    """One connection through the network."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.ends = (near, far)
        self.passed = dict.fromkeys(Way, 0)
        self.cut: Cut | None = None

    def arm(self, cut: Cut | None) -> None:
        """Break at a place, counted from here."""
        self.passed = dict.fromkeys(Way, 0)
        self.cut = cut

    def let_through(self, way: Way, data: bytes) -> tuple[bytes, bool]:
        """Tell how much passes before the connection breaks, and whether it does."""
        cut, before = self.cut, self.passed[way]
        self.passed[way] += len(data)
        if cut is None or cut.way is not way or self.passed[way] <= cut.after_bytes:
            return data, False
        return data[: cut.after_bytes - before], True

    def drop(self, *, reset: bool = False) -> None:
        """Break it."""
        for writer in self.ends:
            connected: socket.socket = writer.get_extra_info("socket")
            if reset and connected.fileno() >= 0:
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


@dataclass
class Network:
    """Stands between a caller and a server.

    Attributes:
        server: The server's URL.
        url: Where to dial.
        refusing: Drop new connections at once.
        connections: How many were made.
        cuts: How many were broken.
    """

    server: str
    url: str = ""
    refusing: bool = False
    connections: int = 0
    cuts: int = 0
    _plan: Iterator[Cut] = field(default_factory=lambda: iter(()))
    _open: "list[Connection]" = field(default_factory=list)
    _thawed: "dict[Way, asyncio.Event]" = field(
        default_factory=lambda: {way: asyncio.Event() for way in Way}
    )
    _copying: "set[asyncio.Task[None]]" = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Network"]:
        """Relay while the block runs."""
        self.thaw()
        listener = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        self.url = urlsplit(self.server)._replace(netloc=f"127.0.0.1:{port}").geturl()
        try:
            yield self
        finally:
            listener.close()
            self.refusing = True
            self.thaw()
            self.cut()
            await asyncio.gather(*self._copying)

    def break_at(self, cuts: Iterable[Cut]) -> None:
        """Break the connection that there is, and then one after the other, at given places."""
        self._plan = iter(cuts)
        for connection in self._open:
            connection.arm(next(self._plan, None))

    def cut(self) -> None:
        """Break every connection now; what is under way is lost."""
        self.cuts += len(self._open)
        for connection in self._open:
            connection.drop()
        self._open.clear()

    def freeze(self, *ways: Way) -> None:
        """Let nothing through any more, not even the end of a connection; by default both ways."""
        for way in ways or Way:
            self._thawed[way].clear()

    def thaw(self) -> None:
        """Let things through again."""
        for way in Way:
            self._thawed[way].set()

    async def _relay(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        await self._thawed[Way.UP].wait()
        if self.refusing:
            near.transport.abort()
            return
        target = urlsplit(self.server)
        there, far = await asyncio.open_connection(target.hostname, target.port)
        connection = Connection(near, far)
        connection.arm(next(self._plan, None))
        self.connections += 1
        self._open.append(connection)
        for way, source, sink in ((Way.UP, reader, far), (Way.DOWN, there, near)):
            copying = asyncio.create_task(self._copy(connection, way, source, sink))
            self._copying.add(copying)
            copying.add_done_callback(self._copying.discard)

    async def _copy(
        self,
        connection: Connection,
        way: Way,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(CHUNK_BYTES):
                await self._thawed[way].wait()
                passing, breaks = connection.let_through(way, data)
                sink.write(passing)
                if breaks and connection in self._open:
                    assert connection.cut is not None
                    self.cuts += 1
                    self._open.remove(connection)
                    connection.drop(reset=connection.cut.reset)
                    return
                await sink.drain()
        await self._thawed[way].wait()
        if connection in self._open:
            self._open.remove(connection)
        # Half of it is over, and so is the rest once it is read.
        sink.close()
