"""One server for a corpus of attacks, and somebody else's conversation on it."""

import asyncio
import contextlib
import gc
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
from tests.app.server.identity.asking import Asking, asking, bearer
from tests.app.server.recipes import RECIPES
from tests.app.server.test_sessions import hear_words, opened, ready, say
from tests.app.telemetry.logged import everything_logged, keys_made

# What a busy machine does not take, and a server that an attack keeps from its loop does.
STALL_S = 5.0

# A server says so in a few lines, whatever is sent to it and however often.
MAX_LOG_BYTES = 64 * 1024

ADMIN = "an-admin-of-the-tests"

# What looks like one, and gets no further.
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtYWxsb3J5In0.c2lnbmVkLWJ5LW5vYm9keQ"

SECRETS = (TOKEN, ADMIN, JWT, "a-guess-of-somebody", "xylophone")

# What an allocator keeps of what was there, and what a test keeps itself. An attack that left its
# sockets, sessions or messages behind would leave more.
SPARE_BYTES = 64 * 1024 * 1024
SPARE_OBJECTS = 20_000


@dataclass(frozen=True)
class Held:
    """What this process holds."""

    tasks: int
    threads: int
    descriptors: int
    objects: int
    resident_bytes: int

    @classmethod
    def now(cls) -> "Held":
        descriptors = len(os.listdir(Path("/proc/self/fd")))
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            descriptors=descriptors,
            objects=len(gc.get_objects()),
            resident_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        )

    def within(self, other: "Held") -> bool:
        return (
            self.tasks <= other.tasks
            and self.threads <= other.threads
            and self.descriptors <= other.descriptors
            and self.objects <= other.objects + SPARE_OBJECTS
            and self.resident_bytes <= other.resident_bytes + SPARE_BYTES
        )


class Log:
    """What was logged, at every level that anybody sets."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.lines))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    log = Log()
    keys = keys_made(monkeypatch)
    with everything_logged(monkeypatch) as everything:
        yield from _logged(log)
    for secret in (*SECRETS, *keys):
        assert secret not in everything.getvalue()
    assert everything.getvalue()
    assert keys


def _logged(log: Log) -> Iterator[Log]:
    """Note what our own loggers say, which is what is bounded."""
    ours = {"app", "proxy", "agents"}
    sink = logger.add(
        log.lines.append,
        level="DEBUG",
        filter=lambda record: (record["name"] or "").split(".")[0] in ours,
    )
    yield log
    logger.remove(sink)
    assert log.size_bytes < MAX_LOG_BYTES


@pytest.fixture
async def server(log: Log) -> AsyncIterator[Asking]:
    """A server on which somebody else talks before, during and after whatever a test does."""
    options: dict[str, Any] = {
        **{"tokens": TOKEN, "admin_tokens": ADMIN, "default_assistant": "parrot"},
        # So late, that somebody would be called.
        "stall_timeout_s": STALL_S,
    }
    # A session whose connection was lost is there for as long as its caller may come back.
    async with asking(Assistants(RECIPES), resume_window_s=2.0, **options) as server:
        # The first of everything brings up what a process keeps.
        async with opened(server.url, "parrot") as socket:
            await ready(socket)
        await asyncio.wait_for(server.server.sessions.wait_empty(), 60)
        await every_credential_once(server)
        async with conversation(server) as rounds:
            before, heard = Held.now(), rounds.count
            yield server
            # However long it took, somebody else was answered all the while.
            assert rounds.count > heard
            lag = server.server.state.lag
            assert not lag.stalled(asyncio.get_running_loop().time())
            await back_to(server, before)


async def every_credential_once(server: Asking) -> None:
    """Show the server all that it must not log: a ticket and an administrator's token among it."""
    answer = await server.client.post("/v1/sessions", json={}, headers=bearer(TOKEN))
    assert await server.enters_at(answer.json()["url"]) == "token-1"
    listed = await server.client.get("/v1/admin/sessions", headers=bearer(ADMIN))
    assert listed.status_code == 200
    assert await server.code(JWT) == "403 wrong_token"


class Rounds:
    """How often somebody was answered."""

    def __init__(self) -> None:
        self.count = 0


@contextlib.asynccontextmanager
async def conversation(server: Asking) -> AsyncIterator[Rounds]:
    """Hold a conversation while the block runs, and some of it afterwards."""
    async with opened(server.url, "parrot") as socket:
        await ready(socket)
        over = asyncio.Event()
        rounds = Rounds()

        async def converse() -> None:
            number = 0
            while number < 20 or not over.is_set():
                await say(socket, f"word-{number}")
                assert await hear_words(socket, 1) == [f"word-{number}"]
                number += 1
                rounds.count = number
                await asyncio.sleep(0.01)  # as a person would, only faster

        conversing = asyncio.create_task(converse())
        try:
            yield rounds
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
