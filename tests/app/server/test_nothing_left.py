"""After sessions that ended in every way, nothing of them is left."""

import asyncio
import gc
import logging
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents import Assistants
from app.loopback import serve_on_loopback
from app.server import running_server
from app.server.serving import SessionServer
from proxy import line_task
from tests.app.server.endings import (
    LONG_S,
    ROUND,
    SEND_TIMEOUT_S,
    Server,
    one_round,
    settings,
)
from tests.app.server.recipes import clumsy_script
from tests.emulators.openai import OpenAIEmulator


@pytest.fixture
async def server(assistants: Assistants, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(line_task, "SEND_TIMEOUT_S", SEND_TIMEOUT_S)
    model = OpenAIEmulator(clumsy_script)
    async with serve_on_loopback(model.app) as url:
        forgets = {"start_timeout_s": LONG_S, "resume_window_s": 0.2, "heartbeat_s": 1.0}
        crowd = {"start_timeout_s": LONG_S, "max_sessions": 1, "max_waiting_callers": 1}
        async with (
            running_server(settings(url, start_timeout_s=LONG_S), assistants) as patient,
            running_server(settings(url, start_timeout_s=0.5), assistants) as hurried,
            running_server(settings(url, **forgets), assistants) as forgetful,
            running_server(settings(url, **crowd), assistants) as crowded,
        ):

            def another() -> AbstractAsyncContextManager[tuple[str, SessionServer]]:
                return running_server(settings(url), assistants)

            yield Server(patient, hurried, forgetful, crowded, model, another)
        model.release()


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Where a test has let libraries speak of every connection, pytest keeps all that they say."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


# Idle connections to the model, which the process keeps for the next session.
POOLED = 4

# A single session kept whole is several hundred objects; a thousand of them, hundreds of thousands.
FEW_OBJECTS = 500
FEW_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class Counts:
    """What there is in this process."""

    tasks: int
    threads: int
    sockets: int
    objects: int
    resident_bytes: int

    @classmethod
    def now(cls) -> "Counts":
        """Count, without what is garbage."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            sockets=len(list(Path("/proc/self/fd").iterdir())),
            objects=len(gc.get_objects()),
            resident_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        )

    def are_back_to(self, before: "Counts") -> bool:
        """Tell whether there is nothing that was not there before."""
        return (
            self.tasks <= before.tasks
            and self.threads <= before.threads
            and self.sockets <= before.sockets + POOLED
        )


def kinds() -> Counter[str]:
    """Count the objects of each type."""
    return Counter(type(each).__qualname__ for each in gc.get_objects())


async def settled(
    server: Server, before: Counts, like: Counts | None = None, had: Counter[str] | None = None
) -> Counts:
    """Let callbacks of closed sockets run until everything is as it was.

    What a session leaves to a timer of some seconds goes meanwhile; what is kept never does.
    """
    for _ in range(400):
        now = Counts.now()
        back = now.are_back_to(before) and not server.model.hanging
        if back and (like is None or now.objects - like.objects < FEW_OBJECTS):
            return now
        await asyncio.sleep(0.05)
    more = (kinds() - had).most_common(20) if had else "not looked at"
    raise AssertionError(
        f"{server.model.hanging} requests hang, {now} is not back to {before}, nor like {like}; "
        f"of each type there are more: {more}"
    )


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_thousand_sessions_leave_nothing(server: Server, unlogged: None) -> None:
    # The tasks of the servers and of the test; of everything else there may be any number.
    idle = Counts(len(asyncio.all_tasks()), threads=1000, sockets=1000, objects=0, resident_bytes=0)
    # The first of each kind brings up what the process keeps: a pool of connections, of threads.
    await one_round(server)
    before = await settled(server, idle)
    await one_round(server)
    first = await settled(server, before)
    had = kinds()
    for _ in range(1000 // ROUND):
        await one_round(server)
    last = await settled(server, before, first, had)
    assert last.resident_bytes - first.resident_bytes < FEW_BYTES
    for one in server.all:
        assert not len(one.sessions)
        assert one.state.slots.taken == 0
