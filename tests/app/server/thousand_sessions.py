"""A thousand sessions, ended in every way, in a process of their own.

`python -m tests.app.server.thousand_sessions` prints, as JSON, what there was in it after the first
ones and what after the last. What else tests leave in a process would hide what these do.
"""

import asyncio
import contextlib
import dataclasses
import gc
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from unittest import mock

from loguru import logger

from agents import Assistants, discover
from app.loopback import serve_on_loopback
from app.server import running_server
from app.server.serving import SessionServer
from proxy import line_task
from tests.app.server.counts import Counts
from tests.app.server.endings import (
    LONG_S,
    ROUND,
    SEND_TIMEOUT_S,
    Server,
    one_round,
    settings,
)
from tests.app.server.recipes import RECIPES, clumsy_script
from tests.emulators.openai import OpenAIEmulator

ROUNDS, FIRST_ROUNDS = 1000 // ROUND + 1, 5

# A single session kept whole is several hundred objects; a thousand of them, hundreds of thousands.
FEW_OBJECTS = 500


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """Run the servers of all ways to end."""
    assistants = Assistants([*discover().values(), *RECIPES])
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


def kinds() -> Counter[str]:
    """Count the objects of each type, without what is garbage."""
    gc.collect()
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


async def hold() -> dict[str, object]:
    """Hold the sessions, and tell what there was."""
    # The tasks of the servers and of the program; of everything else there may be any number.
    async with serving() as server:
        idle = Counts(len(asyncio.all_tasks()), 1000, 1000, objects=0, resident_bytes=0)
        # The first of each kind brings up what the process keeps: connections, threads, room.
        for _ in range(FIRST_ROUNDS):
            await one_round(server)
        before = await settled(server, idle)
        await one_round(server)
        first, had = await settled(server, before), kinds()
        for _ in range(ROUNDS):
            await one_round(server)
        last = await settled(server, before, first, had)
        return {
            "sessions": ROUNDS * ROUND,
            "first": dataclasses.asdict(first),
            "last": dataclasses.asdict(last),
            "listed": sum(len(one.sessions) for one in server.all),
            "slots": sum(one.state.slots.taken for one in server.all),
        }


def main() -> None:
    """Be the program."""
    logger.remove()
    with mock.patch.object(line_task, "SEND_TIMEOUT_S", SEND_TIMEOUT_S):
        sys.stdout.write(json.dumps(asyncio.run(hold())))


if __name__ == "__main__":
    main()
