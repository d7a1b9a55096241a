"""One server for a corpus of attacks, and somebody else's conversation on it."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from agents import Assistants
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, asking
from tests.app.server.recipes import RECIPES
from tests.app.server.test_sessions import hear_words, opened, ready, say

# A server says so in a few lines, whatever is sent to it and however often.
MAX_LOG_BYTES = 64 * 1024

SECRETS = (TOKEN, "a-guess-of-somebody", "xylophone")


@dataclass(frozen=True)
class Held:
    """What this process holds."""

    tasks: int
    threads: int
    descriptors: int

    @classmethod
    def now(cls) -> "Held":
        descriptors = len(os.listdir(Path("/proc/self/fd")))
        return cls(len(asyncio.all_tasks()), threading.active_count(), descriptors)

    def within(self, other: "Held") -> bool:
        return (
            self.tasks <= other.tasks
            and self.threads <= other.threads
            and self.descriptors <= other.descriptors
        )


class Log:
    """What was logged, at every level that anybody sets."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.lines))


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    ours = {"app", "proxy", "agents"}
    sink = logger.add(
        log.lines.append,
        level="DEBUG",
        filter=lambda record: (record["name"] or "").split(".")[0] in ours,
    )
    yield log
    logger.remove(sink)
    assert log.size_bytes < MAX_LOG_BYTES
    for secret in SECRETS:
        assert secret not in "".join(log.lines)


@pytest.fixture
async def server(log: Log) -> AsyncIterator[Asking]:
    """A server on which somebody else talks before, during and after whatever a test does."""
    options: dict[str, Any] = {"tokens": TOKEN, "default_assistant": "parrot"}
    # A session whose connection was lost is there for as long as its caller may come back.
    async with asking(Assistants(RECIPES), resume_window_s=2.0, **options) as server:
        # The first of everything brings up what a process keeps.
        async with opened(server.url, "parrot") as socket:
            await ready(socket)
        await asyncio.wait_for(server.server.sessions.wait_empty(), 60)
        await server.client.get("/livez")
        async with conversation(server):
            before = Held.now()
            yield server
            await back_to(server, before)


@contextlib.asynccontextmanager
async def conversation(server: Asking) -> AsyncIterator[None]:
    """Hold a conversation while the block runs, and some of it afterwards."""
    async with opened(server.url, "parrot") as socket:
        await ready(socket)
        over = asyncio.Event()

        async def converse() -> None:
            number = 0
            while number < 20 or not over.is_set():
                await say(socket, f"word-{number}")
                assert await hear_words(socket, 1) == [f"word-{number}"]
                number += 1
                await asyncio.sleep(0.01)  # as a person would, only faster

        conversing = asyncio.create_task(converse())
        try:
            yield
        finally:
            over.set()
            await asyncio.wait_for(conversing, 60)


async def back_to(server: Asking, before: Held) -> None:
    """Wait until everything that came in has gone, and left nothing."""
    for _ in range(600):
        if len(server.server.sessions) == 1 and Held.now().within(before):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{Held.now()} is not back to {before}")
