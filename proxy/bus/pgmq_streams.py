"""`Streams` on Postgres: rows for streams and notices, queues of PGMQ for claims, `LISTEN`.

One pool of connections a process, and one more that listens; see `proxy.bus.pgmq_sql` for what is
stored and why. Nobody polls but as a safety net.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy.bus import pgmq_sql as sql
from proxy.bus.bells import Bells
from proxy.bus.pgmq_pool import Borrowed, Database
from proxy.bus.streams import MAX_STREAM_ITEMS, BrokerDownError, StreamGoneError
from proxy.errors import ConnectError

if TYPE_CHECKING:
    from proxy.bus.pgmq_pool import Row

# Who was not told looks by themselves, so rarely that it costs nothing. A line notices a silent
# peer sooner, and dials again.
POLL_S = 5.0

# Between two looks at a queue; a claim that somebody else gave back is not told.
TAKE_POLL_S = 1.0

# What we tell ourselves when we connect arrives in a millisecond.
PROBE_TIMEOUT_S = 2.0

# Counting what a stream holds takes long where it holds much, so it is done once for so many.
_COUNT_EVERY = 1_000

# Leaving removes what is old and the queues that nobody uses; who is away is not waited for.
_TIDY_TIMEOUT_S = 2.0


@dataclass
class _Writer:
    """Where the writing of a stream is: every item has a number, higher than any before it."""

    n: int = field(default_factory=lambda: time.time_ns() // 1_000)
    uncounted: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class PgmqStreams:
    """A broker on Postgres; see `Streams`."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is connected.

        Args:
            url: A `postgresql://` URL, `sslmode` and all.
        """
        self._database = Database(url)
        self._bells = Bells(self._database)
        self._writers: dict[str, _Writer] = {}
        self._queues: set[str] = set()

    async def open(self) -> None:
        """Connect, and create what is missing; see `Streams.open`."""
        await self._database.open()
        self._bells.open()
        try:
            await self._prepare()
        except BrokerDownError as error:
            await self.close()
            raise ConnectError(str(error)) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect; see `Streams.close`."""
        await self._bells.close()
        queues, self._queues = self._queues, set()
        with contextlib.suppress(BrokerDownError, TimeoutError):
            async with asyncio.timeout(_TIDY_TIMEOUT_S):
                await self._sweep()
                for queue in queues:
                    await self._drop_unused(queue)
        await self._database.close()

    async def create(self, names: Sequence[str]) -> None:
        """Create streams; see `Streams.create`."""
        await self._sweep()
        await self._database.fetch(sql.CREATE, list(names))

    async def refresh(self, names: Sequence[str]) -> None:
        """Put off their end; see `Streams.refresh`."""
        await self._database.fetch(sql.REFRESH, list(names))

    async def remove(self, names: Sequence[str]) -> None:
        """Remove streams; see `Streams.remove`."""
        for name in names:
            self._writers.pop(name, None)
        await self._database.run(
            (sql.REMOVE, list(names)),
            (sql.REMOVE_ITEMS, list(names)),
            (sql.RING_ALL, [sql.bell_of(name) for name in names]),
        )

    async def append(self, name: str, items: Sequence[bytes]) -> None:
        """Append items; see `Streams.append`. What is tried again is never there twice.

        Raises:
            BrokerDownError: Also where nobody has read the stream for very long, and it is full.
            StreamGoneError: If the stream is gone.
        """
        if not items:
            return
        writer = self._writers.setdefault(name, _Writer())
        async with writer.turn:
            if writer.uncounted >= _COUNT_EVERY:
                await self._refuse_when_full(name)
                writer.uncounted = 0
            numbers = range(writer.n + 1, writer.n + 1 + len(items))
            writer.n += len(items)
            writer.uncounted += len(items)
            bell = sql.bell_of(name)
            rows = await self._database.fetch(sql.APPEND, name, list(numbers), list(items), bell)
        if not rows:
            self._writers.pop(name, None)
            raise StreamGoneError("the stream is gone")

    def reader(self, name: str) -> "PgmqReader":
        """Return a reader; see `Streams.reader`."""
        return PgmqReader(name, self._database, self._bells)

    async def put(self, queue: str, item: bytes, *, ttl_s: float) -> None:
        """Put an item into a queue; see `Streams.put`."""
        name = sql.queue_of(queue)
        self._queues.add(name)
        await self._database.run_once(
            (sql.USE_QUEUE, name),
            (sql.CREATE_QUEUE, name),
            (sql.PUT, name, item, ttl_s, sql.bell_of(queue)),
        )

    async def take(self, queue: str, *, wait_s: float) -> bytes | None:
        """Take an item; see `Streams.take`. Cancelling takes none."""
        name, bell = sql.queue_of(queue), sql.bell_of(queue)
        self._queues.add(name)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while True:
            told = await self._bells.hang(bell)
            item = await self._pop(name, bell)
            left_s = until - loop.time()
            if item is not None or left_s <= 0:
                return item
            await _heard(told, min(left_s, TAKE_POLL_S))

    async def post(self, board: str, key: str, value: bytes) -> None:
        """Put up a notice; see `Streams.post`."""
        await self._database.fetch(sql.POST, board, key, value)

    async def unpost(self, board: str, key: str) -> None:
        """Take a notice down; see `Streams.unpost`."""
        await self._database.fetch(sql.UNPOST, board, key)

    async def notices(self, board: str) -> Mapping[str, bytes]:
        """Return a board's notices; see `Streams.notices`."""
        rows = await self._database.fetch(sql.NOTICES, board)
        return {row["key"]: row["value"] for row in rows}

    async def reap(self) -> int:
        """Remove streams that nobody holds, and queues that nobody uses; see `Streams.reap`."""
        count = await self._sweep()
        await self._database.fetch(sql.SWEEP_ITEMS)
        for row in await self._database.fetch(sql.QUEUES):
            count += await self._drop_unused(row["name"])
        return count

    async def _prepare(self) -> None:
        where = self._database.where
        if not (await self._database.fetch(sql.HAS_PGMQ))[0][0]:
            raise ConnectError(
                f"{where} has no PGMQ: run CREATE EXTENSION pgmq in that database, or, where the"
                " extension cannot be installed, the file pgmq.sql of its source"
            )
        await self._create_tables()
        probe = sql.bell_of(f"probe {id(self)} {time.time_ns()}")
        told = await self._bells.hang(probe)
        ringing = self._database.fetch(sql.RING, probe)
        heard, _ = await asyncio.gather(_heard(told, PROBE_TIMEOUT_S), ringing)
        if not heard:
            raise ConnectError(
                f"{where} does not pass notifications on: connect to the server itself, or to a"
                " pooler in session mode"
            )
        await self._bells.take_down(probe)

    async def _create_tables(self) -> None:
        if not (await self._database.fetch(sql.READY))[0][0]:
            await self._database.run((sql.PREPARE,))

    async def _sweep(self) -> int:
        await self._database.fetch(sql.SWEEP_NOTICES)
        return len(await self._database.fetch(sql.SWEEP_STREAMS))

    async def _refuse_when_full(self, name: str) -> None:
        rows = await self._database.fetch(sql.COUNT, name, MAX_STREAM_ITEMS)
        if rows[0][0] >= MAX_STREAM_ITEMS:
            raise BrokerDownError("a stream is full: nobody reads it")

    async def _pop(self, name: str, bell: str) -> bytes | None:
        while True:
            popping = asyncio.ensure_future(self._database.fetch_once(sql.TAKE, name))
            try:
                rows = await asyncio.shield(popping)
            except asyncio.CancelledError:
                await self._give_back(popping, name, bell)
                raise
            if not rows:
                return None
            if rows[0]["fresh"]:
                return bytes(rows[0]["item"])

    async def _give_back(self, popping: "asyncio.Future[list[Row]]", name: str, bell: str) -> None:
        """Put back what is about to be taken for somebody who was cancelled."""
        with contextlib.suppress(BrokerDownError):
            for row in await popping:
                await self._database.fetch(sql.GIVE_BACK, name, row["message"], bell)

    async def _drop_unused(self, name: str) -> bool:
        """Drop a queue in which nothing waits; tell whether it was dropped."""

        async def drop(connection: Borrowed) -> bool:
            if await connection.fetchrow(sql.LOCK_QUEUE, name) is None:
                return False
            there = await connection.fetchval("SELECT to_regclass($1)", f"pgmq.q_{name}")
            if there is not None and await connection.fetchval(sql.has_claims(name)):
                return False
            await connection.execute(sql.DROP_QUEUE, name)
            await connection.execute(sql.FORGET_QUEUE, name)
            return True

        return await self._database.together(drop)


class PgmqReader:
    """A place in a stream; see `StreamReader`."""

    def __init__(self, name: str, database: Database, bells: Bells) -> None:
        """Start at the beginning; see `PgmqStreams.reader`."""
        self._name = name
        self._bell = sql.bell_of(name)
        self._database = database
        self._bells = bells
        # Numbers: up to the first everything is removed, up to the second it was handed out.
        self._removed = self._read = 0
        self._losses: int | None = None
        # What is set when something comes; None if more may be there already.
        self._told: asyncio.Event | None = None

    async def read(self) -> Sequence[bytes]:
        """Wait for items; see `StreamReader.read`.

        Raises:
            BrokerDownError: If the server is away, or was: it may have lost what it held.
            StreamGoneError: If the stream is gone.
        """
        while True:
            told = await self._bells.hang(self._bell)
            self._notice_losses()
            if told is self._told:
                # Nothing came since the last look, unless it was not told.
                self._told = None
                await _heard(told, POLL_S)
                continue
            upto = self._read
            rows = await self._database.fetch(sql.READ, self._name, self._removed, upto)
            if not rows:
                raise StreamGoneError("the stream is gone")
            self._removed = upto
            if rows[0]["n"] is None:
                self._told = told
                continue
            self._read = rows[-1]["n"]
            items = [row["body"] for row in rows]
            cut = len(items) == sql.READ_ITEMS or sum(map(len, items)) >= sql.READ_BYTES
            self._told = None if cut else told
            return items

    async def close(self) -> None:
        """Stop listening; see `StreamReader.close`."""
        await self._bells.take_down(self._bell)

    def _notice_losses(self) -> None:
        before, self._losses = self._losses, self._bells.losses
        if before is not None and before != self._losses:
            raise BrokerDownError(f"{self._database.where} was away")


async def _heard(told: asyncio.Event, timeout_s: float) -> bool:
    """Wait to be told; tell whether we were."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            return await told.wait()
    return False
