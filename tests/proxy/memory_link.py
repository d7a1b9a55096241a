"""Two ends of a line in one place: no sockets, no event loop, a clock that only the test moves.

Connections break where the test says. Whatever was on its way is gone then, as it is when a TCP
connection dies: each side may have written more than the other got to read. `break_after` breaks
one at any byte: what was whole by then arrives, and what was cut in half never was a message, as
under a WebSocket. What was written waits on its way for as long as the test lets it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import Frame
from pipecat.processors.frame_processor import FrameDirection

from proxy.close_codes import CloseCode
from proxy.dialect import (
    Direction,
    Event,
    LineState,
    MustClose,
    Opened,
    PeerEnded,
    PeerReady,
    Received,
    ResumeGap,
    Role,
)
from proxy.filter import FROM_ASSISTANT, FROM_CALLER, Filter
from proxy.handshake import TrunkOptions
from proxy.outbox import Kind
from proxy.protocol import TrunkLine
from proxy.sequence import SYSTEM_OVERSHOOT_BYTES
from proxy.wire import Hello, read_hello

CALLER, ASSISTANT = "acme", "assistant"


def carried(
    frame: Frame, source: str, direction: FrameDirection = FrameDirection.DOWNSTREAM
) -> BusFrameMessage:
    """Wrap a frame as a bridge does."""
    return BusFrameMessage(source=source, frame=frame, direction=direction)


@dataclass
class End:
    """One end of the line, and everything that happened at it.

    Attributes:
        line: The end.
        name: Its task.
        messages: What arrived, in order.
        gaps: What was reported missing.
        opened: Each time that the other end answered; whether the session was there before.
        ready: The tasks that the other end announced.
        ended: The reasons of the other end's end.
        closing: The code with which it wants the connection closed.
        unhandled: Sizes of what arrived and was not handled; handled at once unless `slow`.
    """

    line: TrunkLine
    name: str
    messages: list[BusMessage] = field(default_factory=list)
    gaps: list[ResumeGap] = field(default_factory=list)
    opened: list[bool] = field(default_factory=list)
    ready: list[str] = field(default_factory=list)
    ended: list[str | None] = field(default_factory=list)
    closing: CloseCode | None = None
    slow: bool = False
    unhandled: deque[int] = field(default_factory=deque)

    def act(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Received(message, size_bytes):
                    self.messages.append(message)
                    self.unhandled.append(size_bytes)
                case Opened(resumed):
                    self.opened.append(resumed)
                case PeerReady(names):
                    self.ready += names
                case PeerEnded(reason):
                    self.ended.append(reason)
                case ResumeGap():
                    self.gaps.append(event)
                case MustClose(code):
                    self.closing = code
        if not self.slow:
            self.handle()

    def handle(self, count: int | None = None) -> None:
        """Handle what arrived, or some of it."""
        for _ in range(len(self.unhandled) if count is None else min(count, len(self.unhandled))):
            self.line.handled(self.unhandled.popleft())

    def send(self, message: BusMessage | Frame) -> None:
        if isinstance(message, Frame):
            message = carried(message, self.name)
        self.act(self.line.send(message))

    @property
    def frames(self) -> list[Frame]:
        return [m.frame for m in self.messages if isinstance(m, BusFrameMessage)]

    def lost(self, direction: Direction) -> int:
        return sum(gap.lost for gap in self.gaps if gap.direction is direction)


class MemoryLink:
    """Joins two ends.

    Attributes:
        caller: The caller's end.
        assistant: The assistant's end.
        now: The time, in seconds.
        up: Whether there is a connection.
        connections: How many there were.
    """

    def __init__(
        self,
        *,
        caller: TrunkOptions | None = None,
        assistant: TrunkOptions | None = None,
        exported: tuple[str, ...] = (ASSISTANT,),
    ) -> None:
        self.now = 1000.0
        clock: Callable[[], float] = lambda: self.now  # noqa: E731
        self._caller_filter = Filter(
            exported=(CALLER,), remote=list(exported), inbound_frames=FROM_ASSISTANT
        )
        self._assistant_filter = Filter(
            exported=exported, remote=[], inbound_frames=FROM_CALLER, may_switch=True
        )
        self.caller = End(
            TrunkLine(Role.CALLER, self._caller_filter, options=caller, clock=clock), CALLER
        )
        self.assistant = End(
            TrunkLine(
                Role.ASSISTANT,
                self._assistant_filter,
                session="a-session",
                options=assistant,
                clock=clock,
            ),
            exported[0],
        )
        self.up = False
        self.connections = 0
        self.to_assistant: deque[bytes] = deque()
        self.to_caller: deque[bytes] = deque()
        self.hello: Hello | None = None

    def dial(self) -> Hello:
        """Open a connection; the hello is on its way."""
        assert not self.up
        self.caller.line.connected()
        self.up = True
        self.connections += 1
        self.pump(self.caller)
        self.hello = read_hello(self.to_assistant.popleft())
        return self.hello

    def answer(self) -> bool:
        """Let the hello arrive, as a server does; tell whether the session is known there."""
        assert self.hello is not None
        first = self.assistant.line.state is LineState.CONNECTING
        if not first and not self.assistant.line.knows(self.hello):
            self.cut(CloseCode.SESSION_GONE)
            return False
        if self.assistant.line.state is LineState.OPEN:
            # The server has not noticed yet that the last connection is gone.
            self.assistant.act(self.assistant.line.disconnected(CloseCode.ABNORMAL))
        self.assistant.closing = None
        self.assistant.act(self.assistant.line.welcome(self.hello))
        return True

    def connect(self) -> None:
        """Open a connection and let both greetings arrive."""
        self.dial()
        assert self.answer()
        self.carry()

    def pump(self, end: End) -> None:
        """Write what an end has to write."""
        way = self.to_assistant if end is self.caller else self.to_caller
        while self.up and (data := self._next_of(end)) is not None:
            way.append(data)

    def _next_of(self, end: End) -> bytes | None:
        """Take what an end writes next, which must have room in the other end's window."""
        sender = end.line._sender
        before_bytes = sender.under_way_bytes
        data = end.line.next_outgoing()
        if sender.under_way_bytes > before_bytes:
            beyond_bytes = SYSTEM_OVERSHOOT_BYTES if sender.kind is Kind.SYSTEM else 0
            assert before_bytes < sender.window_bytes + beyond_bytes, "no room in the window"
        return data

    def arrive(self, end: End, count: int = 1) -> int:
        """Let messages arrive at an end; tell how many did."""
        way = self.to_caller if end is self.caller else self.to_assistant
        done = 0
        while self.up and way and done < count:
            end.act(end.line.receive(way.popleft()))
            done += 1
            if end.closing is not None:
                self.cut(end.closing)
        return done

    def carry(self) -> None:
        """Write and let arrive until nothing moves any more."""
        moved = 1
        while moved and self.up:
            self.pump(self.caller)
            self.pump(self.assistant)
            moved = self.arrive(self.assistant, 10_000) + self.arrive(self.caller, 10_000)

    def cut(self, code: int = CloseCode.ABNORMAL, *, noticed: bool = True) -> None:
        """Break the connection.

        Args:
            code: What each end hears.
            noticed: Whether the assistant's end notices; the caller's always does.
        """
        if not self.up:
            return
        self.up = False
        self.to_assistant.clear()
        self.to_caller.clear()
        self.caller.closing = None
        self.caller.act(self.caller.line.disconnected(code))
        if noticed:
            self.assistant.closing = None
            if self.assistant.line.state is LineState.OPEN:
                self.assistant.act(self.assistant.line.disconnected(code))

    def break_after(self, to_caller_bytes: int, to_assistant_bytes: int) -> None:
        """Break the connection when so many bytes have arrived, wherever that is in a message.

        Args:
            to_caller_bytes: What still arrives at the caller's end.
            to_assistant_bytes: What still arrives at the assistant's end.
        """
        for end, way, left_bytes in (
            (self.caller, self.to_caller, to_caller_bytes),
            (self.assistant, self.to_assistant, to_assistant_bytes),
        ):
            while self.up and way and len(way[0]) <= left_bytes:
                left_bytes -= len(way[0])
                self.arrive(end)
        self.cut()

    def pass_time(self, seconds: float, *, step: float = 0.25) -> None:
        """Let time pass, with ticks at both ends and messages carried."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + step)
            for end in (self.caller, self.assistant):
                end.act(end.line.tick())
                if end.closing is not None:
                    self.cut(end.closing)
            self.carry()
