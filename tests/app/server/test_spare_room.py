"""Events and queues do as before after their room was given back, and the room is given back."""

import asyncio
from collections import deque
from typing import Any

import pytest
from websockets.asyncio.client import connect

from agents import Assistants, discover
from app.server import running_server
from app.server.parts import processors_of, workers_of
from app.server.session import Session
from app.server.spare_room import trim
from app.server.states import SessionState
from app.settings import Settings
from tests.app.server.test_sessions import hear, ready
from tests.proxy.conversation import within


async def started(*coroutines: Any) -> list["asyncio.Task[Any]"]:
    """Start tasks, and let each come to where it waits."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    await asyncio.sleep(0)
    return tasks


async def test_who_waited_for_an_event_before_and_after_hears_of_it() -> None:
    event = asyncio.Event()
    early = await started(event.wait())
    trim(event)
    late = await started(event.wait())
    event.set()
    assert await within(asyncio.gather(*early, *late)) == [True, True]
    assert event.is_set()


async def test_who_gives_up_waiting_for_an_event_holds_nobody_up() -> None:
    event = asyncio.Event()
    (impatient, patient) = await started(event.wait(), event.wait())
    trim(event)
    impatient.cancel()
    await asyncio.wait([impatient])
    event.set()
    assert await within(patient)


@pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.PriorityQueue])
async def test_who_waits_at_a_queue_is_served_in_order(kind: type["asyncio.Queue[int]"]) -> None:
    queue = kind()
    early = await started(queue.get(), queue.get())
    trim(queue)
    late = await started(queue.get())
    for number in range(3):
        await queue.put(number)
    assert await within(asyncio.gather(*early, *late)) == [0, 1, 2]


async def test_who_gives_up_waiting_at_a_queue_takes_nothing_from_it() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    trim(queue)
    (impatient, patient) = await started(queue.get(), queue.get())
    impatient.cancel()
    await queue.put(1)
    assert await within(patient) == 1
    await asyncio.wait([impatient])
    assert impatient.cancelled()
    assert queue.empty()


async def test_a_queue_says_when_all_was_handled() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    await queue.put(1)
    trim(queue)
    (joined,) = await started(queue.join())
    assert await within(queue.get()) == 1
    assert not joined.done()
    queue.task_done()
    await within(joined)


async def test_a_queue_with_a_bound_keeps_who_waits_to_put() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
    await queue.put(1)
    (putting,) = await started(queue.put(2))
    trim(queue)
    assert not putting.done()
    assert [await within(queue.get()), await within(queue.get())] == [1, 2]
    assert putting.done()


async def test_a_session_at_work_has_given_back_its_room() -> None:
    settings, assistants = Settings(port=0), Assistants(discover().values())
    async with running_server(settings, assistants) as (url, server):
        async with connect(f"{url}/ws/acme") as socket:
            await ready(socket)
            await hear(socket)  # it speaks
            (session,) = server.sessions
            assert session.state is SessionState.READY
            assert waited_at(session) > 40
        await within(server.sessions.wait_empty())


def waited_at(session: Session) -> int:
    """Count the events and queues of a session's runner, none of which has room to spare."""
    (runner,) = {task.worker_runner for task in session._tasks}
    owners: list[Any] = [runner, *workers_of(runner)]
    owners += [each for worker in workers_of(runner) for each in processors_of(worker)]
    kinds = (asyncio.Event, asyncio.Queue)
    found = [each for owner in owners for each in vars(owner).values() if isinstance(each, kinds)]
    for each in found:
        assert not any(isinstance(part, deque) for part in _waits(each))
    return len(found)


def _waits(each: Any) -> list[Any]:
    names = ("_waiters", "_getters", "_putters")
    return [getattr(each, name) for name in names if hasattr(each, name)]
