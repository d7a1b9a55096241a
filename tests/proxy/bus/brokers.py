"""Every broker as one kind of thing, so that the same tests run over all of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from proxy.bus.pgmq_streams import PgmqStreams
from proxy.bus.redis_streams import RedisStreams
from proxy.bus.streams import Streams
from tests.brokers.postgres import Database
from tests.brokers.redis import RedisServer, redis_server, servers
from tests.proxy.bus.memory_streams import MemoryBroker, MemoryStreams

# What everything is called in these tests, so that what is left can be told from what was there.
PREFIX = "acme_"


class Broker(Protocol):
    """A broker that a test has to itself."""

    def streams(self) -> Streams:
        """Return what a process has of it, not open yet."""

    async def age(self, seconds: float) -> None:
        """Make every stream that much older."""

    async def left(self) -> list[str]:
        """Return the names of everything that is there."""

    async def kill(self) -> None:
        """Kill it with SIGKILL."""

    async def start(self) -> None:
        """Start it on what it has kept."""


def filled(found: Mapping[str, Sized]) -> list[str]:
    """Return the names of what is not empty."""
    return [name for name, inside in found.items() if inside]


@dataclass
class Memory:
    """The test double."""

    broker: MemoryBroker = field(default_factory=MemoryBroker)

    def streams(self) -> Streams:
        return MemoryStreams(self.broker)

    async def age(self, seconds: float) -> None:
        self.broker.clock_s += seconds

    async def left(self) -> list[str]:
        return [*self.broker.streams, *filled(self.broker.queues), *filled(self.broker.boards)]

    async def kill(self) -> None:
        await self.broker.kill()

    async def start(self) -> None:
        self.broker.up = True


@dataclass
class Postgres:
    """A database."""

    database: Database

    @property
    def url(self) -> str:
        return self.database.url

    def streams(self) -> Streams:
        return PgmqStreams(self.database.url)

    async def age(self, seconds: float) -> None:
        await self._sql(
            f"UPDATE trunkline.streams SET expires_at = expires_at - '{seconds} s'::interval"
        )

    async def left(self) -> list[str]:
        rows = await self._sql(
            "SELECT 'stream ' || name FROM trunkline.streams"
            " UNION ALL SELECT 'item of ' || stream FROM trunkline.items"
            " UNION ALL SELECT 'notice ' || key FROM trunkline.notices"
            " UNION ALL SELECT 'queue ' || name FROM trunkline.queues"
            " UNION ALL SELECT 'pgmq ' || queue_name FROM pgmq.list_queues()"
            " UNION ALL SELECT 'table ' || relname FROM pg_class"
            "   WHERE relnamespace = 'pgmq'::regnamespace AND relkind = 'r' AND relname ~ '^[qa]_'"
        )
        return rows.splitlines()

    async def kill(self) -> None:
        await asyncio.to_thread(self.database.server.kill)

    async def start(self) -> None:
        await asyncio.to_thread(self.database.server.start)

    async def _sql(self, script: str) -> str:
        return await asyncio.to_thread(self.database.sql, script)


@dataclass
class Redis:
    """A server."""

    server: RedisServer

    @property
    def url(self) -> str:
        return self.server.url

    def streams(self) -> Streams:
        return RedisStreams(self.server.url)

    async def age(self, seconds: float) -> None:
        for key in await self.left():
            answer = await self.server.command("PTTL", key)
            left_ms = int(answer.decode().partition("\r")[0].removeprefix(":"))
            await self.server.command("PEXPIRE", key, str(left_ms - round(seconds * 1000)))

    async def left(self) -> list[str]:
        return await self.server.keys()

    async def kill(self) -> None:
        await self.server.kill()

    async def start(self) -> None:
        await self.server.start()


# The oldest Redis that is supported, and the newest, by the fixtures' names of them.
REDISES = {f"redis-{name}": program for name, program in servers().items()}


@contextlib.asynccontextmanager
async def a_broker(kind: str, folder: Path) -> AsyncIterator[Broker]:
    """Have a broker while the block runs, not Postgres, of which there is a fixture."""
    if kind == "memory":
        yield Memory()
    else:
        async with redis_server(folder, program=REDISES[kind]) as redis:
            yield Redis(redis)


@contextlib.asynccontextmanager
async def opened(broker: Broker) -> AsyncIterator[Streams]:
    """Be a process that is connected while the block runs."""
    streams = broker.streams()
    await streams.open()
    try:
        yield streams
    finally:
        await streams.close()
