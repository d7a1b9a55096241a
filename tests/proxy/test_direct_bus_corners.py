"""Corners of the in-process bus that a line relies on."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pipecat.bus.messages import (
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusMessage,
)
from pipecat.pipeline.job_context import JobStatus
from pipecat.utils.asyncio.task_manager import TaskManager

from proxy.bus.direct import HIGH_WATER, DirectBus
from proxy.jobs import UNREACHABLE
from tests.proxy.bus.test_direct import Listener
from tests.proxy.conversation import within
from tests.proxy.fakes import said


@pytest.fixture
async def bus() -> AsyncIterator[DirectBus]:
    bus = DirectBus()
    await bus.setup(TaskManager(loop=asyncio.get_running_loop()))
    await bus.start()
    yield bus
    await bus.stop()


class Outlet(Listener):
    """A subscriber through which messages leave."""

    def offer(self, message: BusMessage) -> bool:
        return False

    def claims(self, name: str) -> bool:
        return name == "far away"


class Deaf(Listener):
    """A subscriber that takes no message."""

    def accepts_bus_message(self, message: BusMessage) -> bool:
        return False


def job(target: str) -> BusJobRequestMessage:
    return BusJobRequestMessage(source="asker", target=target, job_id="1")


async def test_a_job_for_nobody_fails_at_once(bus: DirectBus) -> None:
    asker = Listener("asker")
    await bus.subscribe(asker)
    await bus.send(job("nobody"))
    await asker.wait_for(2)
    answer = asker.heard[-1]
    assert isinstance(answer, BusJobResponseMessage)
    assert (answer.status, answer.response) == (JobStatus.FAILED, {"error": UNREACHABLE})


async def test_a_job_for_somebody_far_away_is_left_to_the_line(bus: DirectBus) -> None:
    asker, line = Listener("asker"), Outlet("line")
    for subscriber in (asker, line):
        await bus.subscribe(subscriber)
    await bus.send(job("far away"))
    await line.wait_for(1)
    assert [type(message) for message in asker.heard] == [BusJobRequestMessage]


async def test_a_job_for_a_task_that_takes_none_fails_and_other_messages_vanish(
    bus: DirectBus,
) -> None:
    asker, deaf = Listener("asker"), Deaf("deaf")
    for subscriber in (asker, deaf):
        await bus.subscribe(subscriber)
    await bus.send(said("to whom it may concern"))
    await bus.send(job("deaf"))
    await asker.wait_for(3)
    assert isinstance(asker.heard[-1], BusJobResponseMessage)
    assert deaf.heard == []


async def test_a_subscriber_that_leaves_in_its_own_handler_gets_nothing_more(
    bus: DirectBus,
) -> None:
    class Leaving(Listener):
        async def on_bus_message(self, message: BusMessage) -> None:
            self.heard.append(message)
            await bus.unsubscribe(self)
            left.set()

    left, leaving, other = asyncio.Event(), Leaving("leaving"), Listener("other")
    for subscriber in (leaving, other):
        await bus.subscribe(subscriber)
    for _ in range(3):
        await bus.send(said())
    await within(left.wait())
    await other.wait_for(3)
    assert len(leaving.heard) == 1


async def test_senders_that_wait_for_a_line_are_let_go_when_it_leaves(bus: DirectBus) -> None:
    line = Outlet("line")
    await bus.subscribe(line)
    line.free.clear()
    for _ in range(HIGH_WATER + 1):
        await bus.send(said())
    waiting = asyncio.create_task(bus.send(said()))
    await asyncio.sleep(0)
    assert not waiting.done()
    await bus.unsubscribe(line)
    await within(waiting)


async def test_nobody_waits_for_a_line_on_a_bus_that_does_not_run(bus: DirectBus) -> None:
    await bus.stop()
    line = Outlet("line")
    await bus.subscribe(line)
    for _ in range(HIGH_WATER + 10):
        await within(bus.send(said()))
    assert line.heard == []
    await bus.start()
    await line.wait_for(HIGH_WATER + 10)


async def test_nobody_waits_to_say_something_urgent_or_for_a_line_that_speaks_itself(
    bus: DirectBus,
) -> None:
    line = Outlet("line")
    await bus.subscribe(line)
    line.free.clear()
    for _ in range(HIGH_WATER + 1):
        await bus.send(said())
    urgent = BusJobCancelMessage(source="acme", target="far away", job_id="1")
    for message in (said(source="line"), urgent):
        await within(bus.send(message))
    line.free.set()
    await line.wait_for(HIGH_WATER + 3)
