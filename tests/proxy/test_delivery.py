"""What came over a line, on its way onto the bus."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, cast

import pytest
from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.utils.asyncio.task_manager import TaskManager

from proxy import delivery
from proxy.bus.direct import BURST, HIGH_WATER, DirectBus
from proxy.close_codes import CloseCode
from proxy.delivery import MAX_WAITING_BYTES, Delivery
from proxy.dialect import PeerEnded, Received
from proxy.held import LARGE_BYTES, HeldMessages
from proxy.line_task import LineTask
from tests.proxy.bus.test_direct import Listener
from tests.proxy.conversation import within
from tests.proxy.fakes import received


class Line:
    """What a delivery needs of its line.

    Attributes:
        bus: A bus of ours, or None for any other.
        sent: What was sent over another bus, and ends.
        handled_bytes: What was handled.
        gave_up: The codes with which the line was given up.
        failing: Raised in place of delivering.
        progress: Set with each of these.
    """

    name = "line"

    def __init__(self, bus: DirectBus | None = None) -> None:
        self.bus = bus
        self.sent: list[str] = []
        self.handled_bytes = 0
        self.gave_up: list[CloseCode] = []
        self.failing: Exception | None = None
        self.progress = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    def create_task(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    async def cancel_task(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        await asyncio.wait({task})

    async def peer_ended(self, reason: str | None) -> None:
        self.sent.append(f"end: {reason}")
        self.progress.set()

    async def send_bus_message(self, message: BusMessage) -> None:
        if self.failing is not None:
            raise self.failing
        self.sent.append(text_of(message))

    def handled(self, size_bytes: int) -> None:
        self.handled_bytes += size_bytes
        self.progress.set()

    async def give_up(self, code: CloseCode) -> None:
        self.gave_up.append(code)
        self.progress.set()

    async def wait_handled(self, size_bytes: int) -> None:
        async with asyncio.timeout(10):
            while self.handled_bytes < size_bytes:
                self.progress.clear()
                await self.progress.wait()


def text_of(message: BusMessage) -> str:
    assert isinstance(message, BusFrameMessage)
    return str(message.frame.text)  # type: ignore[attr-defined]


def delivery_to(line: Line) -> Delivery:
    return Delivery(cast(LineTask, line))


@pytest.fixture
async def bus() -> AsyncIterator[DirectBus]:
    bus = DirectBus()
    await bus.setup(TaskManager(loop=asyncio.get_running_loop()))
    await bus.start()
    yield bus
    await bus.stop()


@pytest.fixture
async def listener(bus: DirectBus) -> Listener:
    made = Listener("assistant")
    await bus.subscribe(made)
    return made


def for_(name: str, text: str, **weights: int) -> Received:
    event = received(text, **weights)
    event.message.target = name
    return event


async def test_nothing_is_delivered_before_the_tasks_are_ready() -> None:
    line = Line()
    one = delivery_to(line)
    one.put(received("early", size_bytes=5))
    await asyncio.sleep(0)
    assert line.handled_bytes == 0
    one.open()
    one.open()
    await line.wait_handled(5)
    assert line.sent == ["early"]
    assert len(line.tasks) == 1
    await one.stop()
    assert line.tasks[0].cancelled()


async def test_stopped_before_it_began_it_forgets_what_waits() -> None:
    line = Line()
    one = delivery_to(line)
    one.put(received("early"))
    await one.stop()
    assert line.sent == []


async def test_an_end_comes_after_what_came_before_it() -> None:
    line = Line()
    one = delivery_to(line)
    for event in (received("last word"), PeerEnded("goodbye"), received("after it")):
        one.put(event)
    one.open()
    await line.wait_handled(2)
    assert line.sent == ["last word", "end: goodbye", "after it"]
    await one.stop()


async def test_nothing_waits_for_a_task_that_is_ready(bus: DirectBus, listener: Listener) -> None:
    line = Line(bus)
    one = delivery_to(line)
    one.open()
    one.put(for_("assistant", "hello", size_bytes=7))
    assert line.handled_bytes == 7
    await listener.wait_for(1)
    await one.stop()


async def test_what_comes_later_stays_behind_what_waits(bus: DirectBus, listener: Listener) -> None:
    line = Line(bus)
    one = delivery_to(line)
    one.put(for_("assistant", "first"))
    one.open()
    one.put(for_("assistant", "second"))
    one.put(for_("assistant", "large", weight_bytes=LARGE_BYTES))
    one.put(for_("assistant", "fourth"))
    await line.wait_handled(4)
    await listener.wait_for(4)
    assert list(map(text_of, listener.heard)) == ["first", "second", "large", "fourth"]
    await one.stop()


async def test_it_waits_for_a_task_that_is_far_behind(bus: DirectBus, listener: Listener) -> None:
    line = Line(bus)
    one = delivery_to(line)
    one.open()
    listener.free.clear()
    for number in range(HIGH_WATER + 10):
        one.put(for_("assistant", str(number)))
    await asyncio.sleep(0)
    handled = line.handled_bytes
    assert handled < HIGH_WATER + 10
    listener.free.set()
    await line.wait_handled(HIGH_WATER + 10)
    await listener.wait_for(HIGH_WATER + 10)
    assert list(map(text_of, listener.heard)) == list(map(str, range(HIGH_WATER + 10)))
    await one.stop()


async def test_nothing_overtakes_what_waits_for_such_a_task(
    bus: DirectBus, listener: Listener
) -> None:
    other, line = Listener("other"), Line(bus)
    await bus.subscribe(other)
    one = delivery_to(line)
    one.open()
    listener.free.clear()
    one.put(for_("assistant", "being handled"))
    await listener.wait_for(1)
    for number in range(HIGH_WATER + 2):
        one.put(for_("assistant", str(number)))
    await asyncio.sleep(0)  # the last waits for room, and nothing waits behind it
    handled_bytes = line.handled_bytes
    one.put(for_("other", "later"))
    assert line.handled_bytes == handled_bytes
    listener.free.set()
    await other.wait_for(HIGH_WATER + 4)  # it looks at everything
    assert [text_of(message) for message in other.heard[-2:]] == [str(HIGH_WATER + 1), "later"]
    await one.stop()


async def test_the_reader_waits_while_much_waits_here() -> None:
    line = Line()
    one = delivery_to(line)
    await within(one.wait_room())
    for _ in range(3):
        one.put(received(weight_bytes=MAX_WAITING_BYTES))
    waiting = asyncio.create_task(one.wait_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    one.open()
    await within(waiting)
    await one.stop()


async def test_a_backlog_leaves_others_their_turn() -> None:
    line = Line()
    one = delivery_to(line)
    for _ in range(2 * delivery.BURST):
        one.put(received())
    one.open()
    await asyncio.sleep(0)
    assert line.handled_bytes == delivery.BURST == BURST
    await line.wait_handled(2 * delivery.BURST)
    await one.stop()


async def test_a_message_that_cannot_be_delivered_ends_the_line_with_1011() -> None:
    line = Line()
    line.failing = RuntimeError("a bug")
    one = delivery_to(line)
    one.put(received())
    one.open()
    await within(line.progress.wait())
    assert line.gave_up == [CloseCode.INTERNAL_ERROR]
    await within(line.tasks[0])
    await one.stop()


async def test_a_side_that_holds_too_much_for_too_long_ends_the_line_with_4500(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def in_vain(_: HeldMessages, timeout_s: float) -> bool:
        waited.append(timeout_s)
        return False

    waited: list[float] = []
    monkeypatch.setattr(delivery, "MAX_HELD_BYTES", LARGE_BYTES)
    monkeypatch.setattr(HeldMessages, "wait_room", in_vain)
    line = Line()
    one = delivery_to(line)
    held = [received(weight_bytes=LARGE_BYTES) for _ in range(2)]
    for event in held:
        one.put(event)
    one.open()
    await line.wait_handled(2)
    assert waited == [delivery.HELD_TIMEOUT_S]
    assert line.gave_up == [CloseCode.OVERLOADED]
    await one.stop()
