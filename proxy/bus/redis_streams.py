"""Redis, or Valkey, as a broker: a stream for each direction of a session.

Redis 6.2 or newer, or any Valkey. Everything that is stored has a time to live, so that nothing
stays behind even if every process is killed. Streams have no consumer groups: each has one reader,
which knows its own place and removes what it has read.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import RedisError

from proxy.bus.redis_wire import (
    ANSWER_TIMEOUT_S,
    Command,
    Connect,
    Connection,
    RedisWire,
    ask_alone,
    connector,
    down,
    guarded,
)
from proxy.bus.streams import (
    MAX_STREAM_ITEMS,
    NOTICE_TTL_S,
    STREAM_TTL_S,
    BrokerDownError,
    StreamGoneError,
)
from proxy.dial import public_url
from proxy.errors import ConnectError

# A reader that waits asks so often whether its stream is still there.
BLOCK_S = 1.0

# Items that are read at a time; a line has fewer under way.
READ_COUNT = 512

# Redis takes a timeout of 0 for one without an end.
_SHORTEST_S = 0.01

# A board is forgotten when nobody has put up anything for so long.
_BOARD_TTL_S = 2 * NOTICE_TTL_S


class Connections:
    """The connections of one process on which somebody waits for what others do."""

    def __init__(self, connect: Connect) -> None:
        """Prepare, closed.

        Args:
            connect: Makes connections.
        """
        self._connect = connect
        self._made: set[Connection] = set()
        self._open = False

    def open(self) -> None:
        """Let connections be made."""
        self._open = True

    def usable(self, connection: Connection | None = None) -> Connection:
        """Return a connection that may be asked, connected or not.

        Args:
            connection: One that was made here; None for a new one.

        Raises:
            BrokerDownError: If this process has disconnected.
        """
        if not self._open:
            raise BrokerDownError("the broker is not connected")
        if connection is not None:
            return connection
        connection = self._connect()
        self._made.add(connection)
        return connection

    async def drop(self, connection: Connection) -> None:
        """Close a connection, and whoever waits on it is told."""
        self._made.discard(connection)
        await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Close every connection; safe to call again."""
        self._open = False
        for connection in list(self._made):
            await self.drop(connection)


class RedisReader:
    """One reader's place in a stream, with a connection of its own; see `StreamReader`."""

    def __init__(self, connections: "Connections", name: str) -> None:
        """Begin at the beginning.

        Args:
            connections: Those of this process.
            name: The stream's name.
        """
        self._connections = connections
        self._connection: Connection | None = None
        self._name = name
        self._last = (0, 0)
        self._untrimmed = False

    async def read(self) -> Sequence[bytes]:
        """Wait for what was appended since; see `StreamReader.read`."""
        while True:
            self._connection = self._connections.usable(self._connection)
            asking = ask_alone(self._connection, self._commands())
            answers = await guarded(self._connection, asking, BLOCK_S + ANSWER_TIMEOUT_S)
            self._untrimmed = False
            for answer in answers:
                if isinstance(answer, Exception):
                    await self.close()
                    raise down(answer)
            found, there = answers[-2:]
            if found:
                return self._items(found)
            if not there:
                raise StreamGoneError("the stream was removed")

    async def close(self) -> None:
        """Stop reading; see `StreamReader.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._connections.drop(connection)

    def _commands(self) -> list[Command]:
        ms, serial = self._last
        commands: list[Command] = []
        if self._untrimmed:
            commands.append(("XTRIM", self._name, "MINID", f"{ms}-{serial + 1}"))
        wait_ms = round(BLOCK_S * 1000)
        place = ("STREAMS", self._name, f"{ms}-{serial}")
        commands.append(("XREAD", "COUNT", READ_COUNT, "BLOCK", wait_ms, *place))
        commands.append(("EXISTS", self._name))
        return commands

    def _items(self, answer: Any) -> list[bytes]:
        ((_, entries),) = answer
        ms, serial = entries[-1][0].decode().split("-")
        self._last = (int(ms), int(serial))
        self._untrimmed = True
        return [item for _, fields in entries for item in fields[1::2]]


class RedisStreams:
    """A Redis server as a broker; see `Streams`."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: A `redis://` or `rediss://` URL, which may name a user and a password.

        Raises:
            ConnectError: If it is none.
        """
        self._where = public_url(url)
        connect = connector(url)
        self._wire = RedisWire(connect)
        self._connections = Connections(connect)
        self._idle: list[Connection] = []

    async def open(self) -> None:
        """Connect; see `Streams.open`."""
        self._connections.open()
        connection = self._connections.usable()
        asking = ask_alone(connection, [("PING",)])
        try:
            (answer,) = await guarded(connection, asking, ANSWER_TIMEOUT_S)
            if isinstance(answer, RedisError):
                raise down(answer)
        except BrokerDownError as error:
            await self._connections.close()
            raise ConnectError(f"{self._where} cannot be used: {error}") from None
        finally:
            await self._connections.drop(connection)
        self._wire.open()

    async def close(self) -> None:
        """Disconnect; see `Streams.close`."""
        await self._wire.close()
        await self._connections.close()
        self._idle.clear()

    async def create(self, names: Sequence[str]) -> None:
        """Create empty streams; see `Streams.create`."""
        # The only way to a stream that is empty and has no group of consumers.
        made: list[Command] = [("XADD", name, "MAXLEN", 0, "*", "", "") for name in names]
        await self._wire.ask(*made, *self._expiries(names))

    async def refresh(self, names: Sequence[str]) -> None:
        """Put off the moment at which streams vanish; see `Streams.refresh`."""
        await self._wire.ask(*self._expiries(names))

    async def remove(self, names: Sequence[str]) -> None:
        """Remove streams; see `Streams.remove`."""
        await self._wire.ask(("UNLINK", *names))

    async def append(self, name: str, items: Sequence[bytes]) -> None:
        """Append items as one entry; see `Streams.append`."""
        # Fields need names of their own, as some programs show entries as dictionaries.
        fields = [word for place, item in enumerate(items) for word in (place, item)]
        limit = ("MAXLEN", "~", MAX_STREAM_ITEMS)
        (added,) = await self._wire.ask(("XADD", name, "NOMKSTREAM", *limit, "*", *fields))
        if added is None:
            raise StreamGoneError("the stream was removed")

    def reader(self, name: str) -> RedisReader:
        """Return a reader at the beginning of a stream; see `Streams.reader`."""
        return RedisReader(self._connections, name)

    async def put(self, queue: str, item: bytes, *, ttl_s: float) -> None:
        """Put an item into a queue; see `Streams.put`."""
        key, ttl_ms = uuid.uuid4().hex, round(ttl_s * 1000)
        await self._wire.ask(
            ("SET", f"{queue}:{key}", item, "PX", ttl_ms),
            ("RPUSH", queue, key),
            ("PEXPIRE", queue, ttl_ms),
        )

    async def take(self, queue: str, *, wait_s: float) -> bytes | None:
        """Take the oldest item of a queue; see `Streams.take`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            left_s = deadline - loop.time()
            key = await self._pop(queue, left_s)
            if key is None:
                return None
            (item,) = await self._wire.ask(("GETDEL", f"{queue}:{key.decode()}"))
            if item is not None:
                return bytes(item)
            # Its time has passed; the next may be in time.

    async def post(self, board: str, key: str, value: bytes) -> None:
        """Put up a notice; see `Streams.post`."""
        ttl_ms, board_ttl_ms = round(NOTICE_TTL_S * 1000), round(_BOARD_TTL_S * 1000)
        await self._wire.ask(
            ("SET", f"{board}:{key}", value, "PX", ttl_ms),
            ("SADD", board, key),
            ("PEXPIRE", board, board_ttl_ms),
        )

    async def unpost(self, board: str, key: str) -> None:
        """Take a notice down; see `Streams.unpost`."""
        await self._wire.ask(("UNLINK", f"{board}:{key}"), ("SREM", board, key))

    async def notices(self, board: str) -> Mapping[str, bytes]:
        """Return the notices of a board; see `Streams.notices`."""
        (members,) = await self._wire.ask(("SMEMBERS", board))
        keys = sorted(member.decode() for member in members)
        if not keys:
            return {}
        (values,) = await self._wire.ask(("MGET", *(f"{board}:{key}" for key in keys)))
        found = dict(zip(keys, values, strict=True))
        gone = [key for key, value in found.items() if value is None]
        if gone:
            await self._wire.ask(("SREM", board, *gone))
        return {key: bytes(value) for key, value in found.items() if value is not None}

    async def reap(self) -> int:
        """Do nothing: Redis removes by itself what was left; see `Streams.reap`."""
        return 0

    async def _pop(self, queue: str, wait_s: float) -> bytes | None:
        connection = self._idle.pop() if self._idle else self._connections.usable()
        wait_s = max(wait_s, _SHORTEST_S)
        asking = ask_alone(connection, [("BLPOP", queue, round(wait_s, 3))])
        answered = False
        try:
            (answer,) = await guarded(connection, asking, wait_s + ANSWER_TIMEOUT_S)
            if isinstance(answer, RedisError):
                raise down(answer)
            answered = True
        finally:
            if not answered:
                await self._connections.drop(connection)
        self._idle.append(connection)
        return None if answer is None else bytes(answer[1])

    def _expiries(self, names: Sequence[str]) -> list[Command]:
        ttl_ms = round(STREAM_TTL_S * 1000)
        return [("PEXPIRE", name, ttl_ms) for name in names]
