"""A Redis server of a test's own: on a free port, its data in a folder, and it can be killed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from app.bench.local_redis import LocalRedis, carried, find_redis

# Answering takes milliseconds; reading the log of what was written, too.
ANSWER_TIMEOUT_S = 30.0

# What was acknowledged is on the disk.
DURABLE = ("--appendfsync", "always")


def servers() -> dict[str, Path]:
    """Find the servers on this machine, by name: the oldest and the newest that we support."""
    return dict(carried()) or {"system": find_redis()}


@dataclass
class RedisServer:
    """One server.

    Attributes:
        local: The server.
    """

    local: LocalRedis

    @property
    def port(self) -> int:
        return self.local.port

    @property
    def url(self) -> str:
        """Its address."""
        return self.local.url()

    async def start(self) -> None:
        """Start it on the data that there is, and wait until it answers."""
        await asyncio.to_thread(self.local.start)

    async def kill(self) -> None:
        """Kill it as `kill -9` does; may be called again."""
        await asyncio.to_thread(self.local.kill)

    async def command(self, *words: str) -> bytes:
        """Send a command, and return what is answered, as it is."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(" ".join(words).encode() + b"\r\nQUIT\r\n")
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await reader.read()
        finally:
            writer.close()

    async def keys(self) -> list[str]:
        """Return the names of everything that is stored."""
        lines = (await self.command("KEYS", "*")).decode().split("\r\n")
        count = int(lines[0].removeprefix("*"))
        return lines[2 : 2 + 2 * count : 2]


@contextlib.asynccontextmanager
async def redis_server(
    folder: Path, *options: str, program: Path | None = None
) -> AsyncIterator[RedisServer]:
    """Run a server while the block runs.

    Args:
        folder: An empty folder for its data.
        *options: Further options of its command line.
        program: Which server; the newest by default.
    """
    program = program or next(iter(servers().values()))
    server = RedisServer(LocalRedis(folder, program, (*DURABLE, *options)))
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
