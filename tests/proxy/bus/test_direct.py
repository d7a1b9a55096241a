"""The in-process bus: who gets what, in which order, and what happens when one is slow."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusCancelMessage,
    BusFrameMessage,
    BusJobRequestMessage,
    BusMessage,
)
from pipecat.bus.subscriber import BusSubscriber
from pipecat.frames.frames import TextFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.asyncio.task_manager import TaskManager
from pipecat.workers.base_worker import BaseWorker

from proxy.bus import BusOverflowError, DirectBus
from proxy.bus.direct import MAX_WAITING
from tests.proxy.conversation import within


class Listener(BusSubscriber):
    """Writes down what it gets, and can be held up."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.heard: list[BusMessage] = []
        self.free = asyncio.Event()
        self.free.set()
        self.news = asyncio.Event()

    @property
    def name(self) -> str:
        return self._name

    async def on_bus_message(self, message: BusMessage) -> None:
        self.heard.append(message)
        self.news.set()
        if not isinstance(message, BusCancelMessage):
            await self.free.wait()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                self.news.clear()
                await self.news.wait()


class Seen:
    """A display that keeps what it notices."""

    def __init__(self) -> None:
        self.noticed_targets: list[str | None] = []

    def noticed(self, message: BusMessage) -> None:
        self.noticed_targets.append(message.target)

    def show(self, data: object, *, task: str) -> None:
        raise AssertionError(f"{task} shows {data}")


def test_a_display_notices_every_message_but_frames() -> None:
    bus, seen = DirectBus(), Seen()
    bus.display = seen
    bus.hand(BusFrameMessage(source="a", frame=TextFrame(""), direction=FrameDirection.DOWNSTREAM))
    bus.hand(BusActivateWorkerMessage(source="a", target="b"))
    assert seen.noticed_targets == ["b"]


async def test_who_watches_sees_every_message_but_frames() -> None:
    bus = DirectBus()
    seen: list[BusMessage] = []
    bus.watch = seen.append
    bus.hand(BusFrameMessage(source="a", frame=TextFrame(""), direction=FrameDirection.DOWNSTREAM))
    bus.hand(BusActivateWorkerMessage(source="a", target="b"))
    bus.hand(BusActivateWorkerMessage(source="a", target="c"), skip="c")
    assert [message.target for message in seen] == ["b", "c"]


class Task(BaseWorker):
    """A plain worker that counts the messages its handler is called with."""

    def __init__(self, name: str, *, active: bool = True) -> None:
        super().__init__(name, active=active)
        self.jobs: list[str] = []
        self.done = asyncio.Event()

    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        self.jobs.append(message.job_id)
        self.done.set()


@pytest.fixture
async def bus() -> AsyncIterator[DirectBus]:
    bus = DirectBus()
    await bus.setup(TaskManager(loop=asyncio.get_running_loop()))
    await bus.start()
    yield bus
    await bus.stop()


def job(target: str | None, number: int = 0) -> BusJobRequestMessage:
    return BusJobRequestMessage(source="test", target=target, job_id=str(number))


async def test_a_broadcast_reaches_everyone(bus: DirectBus) -> None:
    listeners = [Listener("one"), Listener("two")]
    for listener in listeners:
        await bus.subscribe(listener)
    await bus.send(job(None))
    for listener in listeners:
        await listener.wait_for(1)


async def test_a_worker_is_not_woken_for_messages_to_another(bus: DirectBus) -> None:
    one, two, watcher = Task("one"), Task("two"), Listener("watcher")
    for subscriber in (one, two, watcher):
        await bus.subscribe(subscriber)
        if isinstance(subscriber, Task):
            await subscriber.setup(bus.task_manager)
    await bus.send(job("one", 1))
    await within(one.done.wait())
    await watcher.wait_for(1)  # looks at the messages of others, as the proxy tasks do
    assert two.jobs == []


async def test_messages_arrive_in_order(bus: DirectBus) -> None:
    listener = Listener("one")
    await bus.subscribe(listener)
    for number in range(500):
        await bus.send(job("one", number))
    await listener.wait_for(500)
    assert [m.job_id for m in listener.heard if isinstance(m, BusJobRequestMessage)] == [
        str(number) for number in range(500)
    ]


async def test_system_messages_overtake_one_that_is_held_up(bus: DirectBus) -> None:
    listener = Listener("one")
    await bus.subscribe(listener)
    listener.free.clear()
    await bus.send(job("one", 1))
    await listener.wait_for(1)
    await bus.send(job("one", 2))
    await bus.send(BusCancelMessage(source="test"))
    await listener.wait_for(2)
    assert isinstance(listener.heard[1], BusCancelMessage)
    listener.free.set()
    await listener.wait_for(3)


async def test_what_follows_an_activation_closely_is_not_lost(bus: DirectBus) -> None:
    task = Task("one", active=False)
    await bus.subscribe(task)
    await task.setup(bus.task_manager)
    await task.start()
    await bus.send(job("one", 1))  # too early: the task is not active
    await bus.send(BusActivateWorkerMessage(source="test", target="one"))
    await bus.send(job("one", 2))
    await within(task.done.wait())
    assert task.jobs == ["2"]


async def test_what_is_sent_before_the_start_is_delivered_after_it() -> None:
    bus, listener = DirectBus(), Listener("one")
    await bus.setup(TaskManager(loop=asyncio.get_running_loop()))
    await bus.subscribe(listener)
    await bus.send(job("one", 1))
    assert listener.heard == []
    await bus.start()
    await listener.wait_for(1)
    await bus.stop()


async def test_a_subscriber_that_fails_gets_the_next_message(bus: DirectBus) -> None:
    class Failing(Listener):
        async def on_bus_message(self, message: BusMessage) -> None:
            await super().on_bus_message(message)
            if len(self.heard) == 1:
                raise ValueError("no")

    listener = Failing("one")
    await bus.subscribe(listener)
    await bus.send(job("one", 1))
    await bus.send(job("one", 2))
    await listener.wait_for(2)


async def test_a_subscriber_that_left_gets_nothing(bus: DirectBus) -> None:
    listener, other = Listener("one"), Listener("two")
    await bus.subscribe(listener)
    await bus.subscribe(listener)
    await bus.subscribe(other)
    await bus.unsubscribe(listener)
    await bus.unsubscribe(listener)
    await bus.send(job(None))
    await other.wait_for(1)
    assert listener.heard == []


async def test_a_subscriber_too_far_behind_is_an_error_for_the_sender(bus: DirectBus) -> None:
    slow, quick = Listener("slow"), Listener("quick")
    await bus.subscribe(slow)
    await bus.subscribe(quick)
    slow.free.clear()
    message = BusFrameMessage(
        source="test", frame=TextFrame("x"), direction=FrameDirection.DOWNSTREAM
    )
    await bus.send(message)
    await slow.wait_for(1)
    for number in range(MAX_WAITING):
        await bus.send(message)
        if number % 100 == 0:
            await quick.wait_for(number + 2)
    await quick.wait_for(MAX_WAITING + 1)
    with pytest.raises(BusOverflowError, match="slow is 10000 messages behind"):
        await bus.send(message)
    await quick.wait_for(MAX_WAITING + 2)


async def test_nothing_runs_after_the_stop(bus: DirectBus) -> None:
    listener = Listener("one")
    await bus.subscribe(listener)
    await bus.send(job("one"))
    await listener.wait_for(1)
    await bus.stop()
    assert list(bus.task_manager.current_tasks()) == []
