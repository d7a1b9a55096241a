"""One connection and a dialect: bytes both ways, and what ends it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from proxy.close_codes import CloseCode
from proxy.delivery import Delivery
from proxy.dialect import Event, PeerReady, Received
from proxy.errors import LinkClosedError
from proxy.pump import BURST, Pump, Signals
from tests.proxy.conversation import within
from tests.proxy.fakes import FakeDialect, FakeLink, received


@dataclass
class Waiting:
    """What stands for the place where received messages wait."""

    events: list[Received] = field(default_factory=list)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, event: Received) -> None:
        self.events.append(event)

    async def wait_room(self) -> None:
        self.asked.set()
        await self.room.wait()


@dataclass
class Bench:
    """A pump with everything around it."""

    link: FakeLink = field(default_factory=FakeLink)
    dialect: FakeDialect = field(default_factory=FakeDialect)
    signals: Signals = field(default_factory=Signals)
    delivery: Waiting = field(default_factory=Waiting)
    acted: list[Event] = field(default_factory=list)
    acting: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.pump = Pump(self.link, self.dialect, self.signals)

    async def act(self, events: list[Event]) -> None:
        self.acted += events
        self.acting.set()

    async def run(self) -> LinkClosedError:
        return await self.pump.run(self.act, cast(Delivery, self.delivery))

    @contextlib.asynccontextmanager
    async def running(self) -> "AsyncIterator[asyncio.Task[LinkClosedError]]":
        task = asyncio.create_task(self.run())
        await settled()
        yield task
        self.link.incoming.put_nowait(LinkClosedError(CloseCode.ENDED))
        await within(task)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_messages_wait_to_be_delivered_and_everything_else_is_acted_on() -> None:
    bench = Bench()
    one, ready = received("one"), PeerReady(("assistant",))
    bench.dialect.follows.append([one, ready])
    async with bench.running():
        bench.link.incoming.put_nowait(b"data")
        await within(bench.acting.wait())
    assert bench.delivery.events == [one]
    assert bench.acted == [ready]


async def test_what_ends_the_connection_is_told() -> None:
    bench = Bench()
    bench.link.incoming.put_nowait(LinkClosedError(4100, "a message was missing"))
    error = await within(bench.run())
    assert (error.code, error.reason) == (4100, "a message was missing")
    assert bench.link.over.is_set()


async def test_everything_that_waits_is_written_in_order() -> None:
    bench = Bench()
    bench.dialect.outgoing.extend([b"one", b"two"])
    async with bench.running():
        assert bench.link.sent == [b"one", b"two"]
        bench.dialect.outgoing.append(b"three")
        bench.signals.changed()
        await settled()
        assert bench.link.sent[-1] == b"three"
        assert bench.signals.drained.is_set()


async def test_a_line_with_a_full_window_is_not_drained() -> None:
    bench = Bench()
    bench.dialect.drained = False
    async with bench.running():
        assert not bench.signals.drained.is_set()


@pytest.mark.parametrize("ample", [False, True])
async def test_senders_go_on_when_there_is_room(ample: bool) -> None:
    bench = Bench()
    bench.dialect.ample = ample
    bench.dialect.outgoing.append(b"data")
    async with bench.running():
        assert bench.signals.room.is_set() is not ample


async def test_a_write_that_waits_is_timed() -> None:
    bench = Bench()
    bench.link.reading.clear()
    bench.dialect.outgoing.append(b"data")
    assert bench.pump.writing_s == 0.0
    async with bench.running():
        before = bench.pump.writing_s
        await asyncio.sleep(0.001)
        assert bench.pump.writing_s > before >= 0.0
        bench.link.reading.set()
        await settled()
        assert bench.pump.writing_s == 0.0


async def test_a_failure_while_reading_closes_with_1011() -> None:
    bench = Bench()
    bench.dialect.follows.append(RuntimeError("a bug"))
    bench.link.incoming.put_nowait(b"data")
    assert (await within(bench.run())).code == CloseCode.INTERNAL_ERROR
    assert bench.link.closed is CloseCode.INTERNAL_ERROR
    assert bench.link.over.is_set()


async def test_a_failure_while_writing_drops_the_connection() -> None:
    bench = Bench()
    bench.dialect.outgoing.append(RuntimeError("a bug"))
    assert (await within(bench.run())).code == CloseCode.ABNORMAL
    assert bench.link.aborted


async def test_a_connection_that_is_lost_while_writing_is_noticed_by_the_reader() -> None:
    bench = Bench()
    bench.link.failing = LinkClosedError(4101)
    bench.dialect.outgoing.append(b"data")
    async with bench.running() as running:
        assert not running.done()
        assert not bench.link.aborted


async def test_the_reader_waits_for_a_peer_that_knows_no_window() -> None:
    bench = Bench()
    bench.dialect.windowed = False
    bench.dialect.follows.extend([[received("one")], [received("two")]])
    async with bench.running():
        for _ in range(2):
            bench.link.incoming.put_nowait(b"data")
        await within(bench.delivery.asked.wait())
        await settled()
        assert len(bench.delivery.events) == 1
        bench.delivery.room.set()
        await settled()
        assert len(bench.delivery.events) == 2


async def test_a_flood_leaves_others_their_turn() -> None:
    bench = Bench()
    for _ in range(3 * BURST):
        bench.link.incoming.put_nowait(b"data")
    running = asyncio.create_task(bench.run())
    left: list[int] = []
    while not left or left[-1]:
        await asyncio.sleep(0)
        left.append(bench.link.incoming.qsize())
    assert left == [2 * BURST, BURST, 0]
    bench.link.incoming.put_nowait(LinkClosedError())
    await within(running)


async def test_a_link_that_was_released_is_not_over_with_the_pump() -> None:
    for failing in (False, True):
        bench = Bench()
        if failing:
            bench.dialect.follows.append(RuntimeError("a bug"))
            bench.link.incoming.put_nowait(b"data")
        bench.pump.release()
        async with bench.running():
            pass
        assert not bench.link.over.is_set()


async def test_cancelled_it_leaves_no_task_behind() -> None:
    bench = Bench()
    before = asyncio.all_tasks()
    task = asyncio.create_task(bench.run())
    await settled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert asyncio.all_tasks() == before
    assert bench.link.over.is_set()
