"""A link and a dialect that do what a test says, for the shells around them."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import TextFrame
from pipecat.processors.frame_processor import FrameDirection

from proxy.close_codes import CloseCode
from proxy.dialect import Event, LineState, LineStats, Received
from proxy.errors import LinkClosedError
from proxy.gate import Gate


def said(text: str = "x", source: str = "acme") -> BusFrameMessage:
    """Wrap a word as a bridge does."""
    return BusFrameMessage(
        source=source, frame=TextFrame(text), direction=FrameDirection.DOWNSTREAM
    )


@dataclass
class FakeLink:
    """A connection to nobody.

    Attributes:
        incoming: What the peer writes; an exception is raised by `receive`.
        sent: What was written.
        closed: The code that it was closed with.
        aborted: Whether it was dropped.
        reading: Whether the peer reads; cleared, `send` waits.
        failing: What `send` raises.
    """

    incoming: "asyncio.Queue[bytes | str | Exception]" = field(default_factory=asyncio.Queue)
    sent: list[bytes] = field(default_factory=list)
    closed: CloseCode | None = None
    aborted: bool = False
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    failing: Exception | None = None
    over: Gate = field(default_factory=Gate)

    def __post_init__(self) -> None:
        self.reading.set()

    async def send(self, data: bytes) -> None:
        await self.reading.wait()
        if self.failing is not None:
            raise self.failing
        self.sent.append(data)

    async def receive(self) -> bytes | str:
        data = await self.incoming.get()
        if isinstance(data, Exception):
            raise data
        return data

    async def close(self, code: CloseCode, reason: str = "") -> None:
        self.closed = self.closed or code
        self.incoming.put_nowait(LinkClosedError(code))
        for _ in range(20):  # the reader hears of it first
            await asyncio.sleep(0)

    def abort(self) -> None:
        self.aborted = True
        self.incoming.put_nowait(LinkClosedError())


@dataclass
class FakeDialect:
    """A dialect that gives the events that it is told to.

    Attributes:
        follows: What follows from the next messages received; nothing where it is empty.
        outgoing: What waits to be written.
        handled_bytes: What was handled.
        taken: What this side sent.
        after: What follows from anything sent.
    """

    follows: "deque[list[Event] | Exception]" = field(default_factory=deque)
    outgoing: "deque[bytes | Exception]" = field(default_factory=deque)
    handled_bytes: int = 0
    taken: list[BusMessage] = field(default_factory=list)
    after: list[Event] = field(default_factory=list)
    ticks: list[Event] = field(default_factory=list)
    answers: list[Event] = field(default_factory=list)
    stats: LineStats = field(default_factory=LineStats)
    state: LineState = LineState.OPEN
    windowed: bool = True
    ample: bool = False
    drained: bool = True
    ended: bool = False
    ack_due: bool = False
    tick_s: float = 0.01
    resumes: bool = False

    def receive(self, data: bytes | str) -> list[Event]:
        events = self.follows.popleft() if self.follows else []
        if isinstance(events, Exception):
            raise events
        return events

    def handled(self, size_bytes: int) -> bool:
        self.handled_bytes += size_bytes
        return self.ack_due

    def send(self, message: BusMessage) -> list[Event]:
        self.taken.append(message)
        return self.after

    def announce(self, names: tuple[str, ...]) -> list[Event]:
        return []

    def end(self, reason: str | None) -> list[Event]:
        self.ended = True
        return []

    def next_outgoing(self) -> bytes | None:
        data = self.outgoing.popleft() if self.outgoing else None
        if isinstance(data, Exception):
            raise data
        return data

    def tick(self) -> list[Event]:
        ticks, self.ticks = self.ticks, []
        return ticks

    def busy(self) -> CloseCode:
        return CloseCode.PEER_TOO_SLOW

    def disconnected(self, code: int) -> list[Event]:
        self.state = LineState.DETACHED if self.resumes else LineState.CLOSED
        return [] if self.resumes else self.close()

    def close(self) -> list[Event]:
        self.state = LineState.CLOSED
        answers, self.answers = self.answers, []
        return answers


def received(text: str = "x", *, size_bytes: int = 1, weight_bytes: int = 1) -> Received:
    """Say that a word came."""
    return Received(said(text, "assistant"), size_bytes, weight_bytes)
