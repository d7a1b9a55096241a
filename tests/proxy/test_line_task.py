"""The shell around a dialect: a worker on a bus, over a link that does what a test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pipecat.bus.local import AsyncQueueBus
from pipecat.bus.messages import (
    BusEndMessage,
    BusFrameMessage,
    BusJobCancelMessage,
    BusTTSSpeakMessage,
)
from pipecat.frames.frames import InputAudioRawFrame, TextFrame
from pipecat.workers.runner import WorkerRunner

from proxy import line_task
from proxy.bus.direct import DirectBus
from proxy.close_codes import CloseCode
from proxy.dialect import (
    Direction,
    Event,
    LineState,
    LineStats,
    MustClose,
    Opened,
    PeerEnded,
    PeerReady,
    ResumeGap,
)
from proxy.errors import LinkClosedError
from proxy.filter import FROM_ASSISTANT, Filter
from proxy.line_task import LineTask
from tests.proxy.bus.test_direct import Listener
from tests.proxy.conversation import within
from tests.proxy.fakes import FakeDialect, FakeLink, received, said


class Line(LineTask):
    """A line to nobody.

    Attributes:
        link: Its connection.
        dialect: Its dialect.
        told: What its events were called with, in order.
    """

    def __init__(self) -> None:
        filter_ = Filter(exported=("acme",), remote=["assistant"], inbound_frames=FROM_ASSISTANT)
        super().__init__("line", filter_, active=True)
        self.link = FakeLink()
        self.dialect = FakeDialect()
        self.told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.up = asyncio.Event()
        for event in (
            "on_line_connected",
            "on_line_disconnected",
            "on_line_interrupted",
            "on_line_resumed",
            "on_resume_gap",
        ):
            self.add_event_handler(event, self._teller(event))

    def _teller(self, event: str) -> Any:
        async def tell(_: LineTask, argument: Any) -> None:
            self.told.put_nowait((event, argument))

        return tell

    async def connect(self) -> None:
        self._delivery.open()
        self._dialect = self.dialect
        await self._attach(self.link)
        await self.happens(Opened(resumed=False))

    async def happens(self, *events: Event) -> None:
        await self._act(list(events))

    async def next_told(self, event: str) -> Any:
        while True:
            name, argument = await within(self.told.get())
            if name == event:
                return argument

    @property
    def texts(self) -> list[str]:
        """What it was given to send."""
        frames = [m.frame for m in self.dialect.taken if isinstance(m, BusFrameMessage)]
        return [frame.text for frame in frames]  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def running(bus: Any = None, *, connected: bool = True) -> AsyncIterator[Line]:
    line, started = Line(), asyncio.Event()
    runner = WorkerRunner(bus=bus or DirectBus(), handle_sigint=False)
    await runner.add_workers(line)

    async def on_started(_: object) -> None:
        started.set()

    await runner.registry.watch("line", on_started)
    task = asyncio.create_task(runner.run(auto_end=False))
    await within(started.wait())
    if connected:
        await line.connect()
    yield line
    await runner.cancel()
    await within(task)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_line_that_was_never_up_has_counted_nothing() -> None:
    line = Line()
    assert line.stats == LineStats()
    assert (line.connected, line.interrupted, line.ending) == (False, False, False)


async def test_what_is_said_before_there_is_a_line_waits_for_it() -> None:
    async with running(connected=False) as line:
        for text in ("one", "two"):
            await line.bus.send(said(text))
        await line.bus.send(said("not ours", source="other"))
        await line.bus.send(BusTTSSpeakMessage(source="acme", target="other", text="local"))
        await settled()
        assert line.dialect.taken == []
        await line.connect()
        assert line.texts == ["one", "two"]
        await line.bus.send(said("three"))
        await settled()
        assert line.texts == ["one", "two", "three"]
        assert await line.next_told("on_line_connected") is line.link


async def test_what_is_said_after_it_is_gone_goes_nowhere() -> None:
    async with running() as line:
        line.link.incoming.put_nowait(LinkClosedError(CloseCode.ENDED))
        assert (await line.next_told("on_line_disconnected")).code == CloseCode.ENDED
        await line.bus.send(BusTTSSpeakMessage(source="acme", target="assistant", text="hello?"))
        await settled()
        assert line.dialect.taken == []
        assert not line.claims("assistant")
        await within(line.wait_disconnected())


async def test_senders_wait_while_the_line_is_far_behind() -> None:
    async with running() as line:
        line.dialect.ample = True
        await line.bus.send(said("waits"))
        await settled()
        assert line.texts == []
        line.dialect.ample = False
        line.dialect.outgoing.append(b"data")
        line._signals.changed()
        await settled()
        assert line.texts == ["waits"]


async def test_urgent_messages_do_not_wait_with_them() -> None:
    async with running() as line:
        line.dialect.ample = True
        await line.bus.send(said("waits"))
        cancel = BusJobCancelMessage(source="acme", target="assistant", job_id="1")
        await line.bus.send(cancel)
        await settled()
        assert line.dialect.taken == [cancel]


async def test_on_a_bus_without_bounds_nobody_waits() -> None:
    async with running(AsyncQueueBus()) as line:
        line.dialect.ample = True
        await line.on_bus_message(said("goes at once"))
        line.dialect.ample = False
        await line.on_bus_message(said("and so does this"))
        assert line.texts == ["goes at once", "and so does this"]


async def test_whoever_waits_is_let_go_when_the_line_is_gone() -> None:
    async with running() as line:
        line.dialect.ample = True
        waiting = asyncio.create_task(line.on_bus_message(said("too late")))
        await settled()
        assert not waiting.done()
        line.link.incoming.put_nowait(LinkClosedError())
        await within(waiting)
        assert line.texts == []


async def test_what_follows_from_a_frame_is_acted_on() -> None:
    async with running() as line:
        line.dialect.after = [MustClose(CloseCode.PEER_TOO_SLOW)]
        await line.bus.send(said())
        assert (await line.next_told("on_line_disconnected")).code == CloseCode.PEER_TOO_SLOW
        assert line.link.closed is CloseCode.PEER_TOO_SLOW


async def test_a_peer_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_task, "SEND_TIMEOUT_S", 0.04)
    monkeypatch.setattr(line_task, "STUCK_S", 0.0)
    async with running() as line:
        line.link.reading.clear()
        line.dialect.outgoing.append(b"data")
        line._signals.changed()
        assert (await line.next_told("on_line_disconnected")).code == CloseCode.PEER_TOO_SLOW
        assert line.link.aborted
        assert line.link.closed is None


async def test_what_a_look_at_the_clock_says_is_done() -> None:
    async with running() as line:
        line.dialect.ticks = [MustClose(CloseCode.PEER_SILENT)]
        assert (await line.next_told("on_line_disconnected")).code == CloseCode.PEER_SILENT
        assert line.link.aborted  # nobody would read a close frame
        await within(_ended(line._ticking))


async def _ended(task: "asyncio.Task[None] | None") -> None:
    assert task is not None
    await asyncio.wait({task})


async def test_a_gap_is_told() -> None:
    async with running() as line:
        gap = ResumeGap(3, Direction.IN)
        await line.happens(gap)
        assert await line.next_told("on_resume_gap") == gap


async def test_a_lost_connection_is_told_and_so_is_the_next() -> None:
    async with running() as line:
        line.dialect.resumes = True
        line.link.incoming.put_nowait(LinkClosedError())
        assert (await line.next_told("on_line_interrupted")).code == CloseCode.ABNORMAL
        assert (line.interrupted, line.connected) == (True, False)
        line.link = FakeLink()
        line.dialect.state = LineState.OPEN
        await line._attach(line.link)
        await line.happens(Opened(resumed=True))
        assert await line.next_told("on_line_resumed") is line.link
        assert (line.interrupted, line.connected) == (False, True)


async def test_a_connection_that_is_lost_before_it_carries_on_is_not_told() -> None:
    async with running() as line:
        line.dialect.resumes = True
        line.link.incoming.put_nowait(LinkClosedError())
        await line.next_told("on_line_interrupted")
        line.link = FakeLink()
        await line._attach(line.link)
        line.link.incoming.put_nowait(LinkClosedError())
        while line.connected:
            await settled()
        line.link = FakeLink()
        line.dialect.state = LineState.OPEN
        await line._attach(line.link)
        await line.happens(Opened(resumed=True))
        assert (await within(line.told.get()))[0] == "on_line_resumed"
        line.link.incoming.put_nowait(LinkClosedError())
        assert (await within(line.told.get()))[0] == "on_line_interrupted"


async def test_a_session_that_waited_in_vain_is_over() -> None:
    async with running() as line:
        line.dialect.resumes = True
        line.link.incoming.put_nowait(LinkClosedError())
        await line.next_told("on_line_interrupted")
        await line.give_up(CloseCode.ABNORMAL)
        assert (await line.next_told("on_line_disconnected")).code == CloseCode.ABNORMAL


async def test_a_message_that_is_handled_may_call_for_an_acknowledgement() -> None:
    async with running() as line:
        line.dialect.ack_due = True
        line.dialect.outgoing.append(b"ack")
        await line.happens(received(size_bytes=7))
        await settled()
        assert line.dialect.handled_bytes == 7
        assert line.link.sent == [b"ack"]
    line = Line()
    line.handled(5)  # before there is a line


async def test_whoever_waits_for_an_answer_gets_it_when_the_line_is_gone() -> None:
    async with running() as line:
        listener = Listener("acme")
        await line.bus.subscribe(listener)
        line.dialect.answers = [PeerReady(("assistant",)), received("for want of a better answer")]
        line.link.incoming.put_nowait(LinkClosedError())
        await line.next_told("on_line_disconnected")
        assert any(isinstance(message, BusFrameMessage) for message in listener.heard)


async def test_the_first_to_close_decides_the_code() -> None:
    async with running() as line:
        closing = [
            asyncio.create_task(line.close(code)) for code in (CloseCode.RESYNC, CloseCode.ENDED)
        ]
        await within(asyncio.gather(*closing))
        assert line.link.closed is CloseCode.RESYNC
        assert (await line.next_told("on_line_disconnected")).code == CloseCode.RESYNC
        assert line.is_closing()
        assert line.told.empty()


async def test_a_line_that_was_never_up_closes_without_a_word() -> None:
    async with running(connected=False) as line:
        await within(line.close(CloseCode.ENDED))
        assert line.told.empty()


async def test_whoever_stops_it_may_be_cancelled_and_it_stops_all_the_same() -> None:
    async with running() as line:
        line.dialect.drained = False  # so that the way out takes a while
        stopping = asyncio.create_task(line.stop())
        await settled()
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        line._signals.drained.set()
        await within(line.wait_disconnected())
        assert line.link.closed is CloseCode.ENDED


async def test_an_end_of_the_other_side_ends_this_runner_after_what_came_before() -> None:
    async with running() as line:
        listener = Listener("acme")
        await line.bus.subscribe(listener)
        await line.happens(received("last word"), PeerEnded("goodbye"))
        await listener.wait_for(2)
        word, end = listener.heard[:2]
        assert isinstance(word, BusFrameMessage)
        assert isinstance(end, BusEndMessage)
        assert (end.source, end.reason, line.ending) == ("line", "goodbye", True)


async def test_tasks_of_the_other_side_become_known_on_this_one() -> None:
    async with running() as line:
        known = asyncio.Event()

        async def on_known(_: object) -> None:
            known.set()

        await line.registry.watch("assistant", on_known)
        await line.happens(PeerReady(("assistant",)))
        await within(known.wait())


def test_what_the_other_side_does_not_want_stays() -> None:
    line = Line()
    assert line.stays(InputAudioRawFrame)
    assert not line.stays(TextFrame)
