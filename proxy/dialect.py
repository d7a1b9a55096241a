"""What every dialect of the line has in common: states, events, counters, and the contract.

A dialect is one end of a line without any input or output: bytes and bus messages go in, events
and bytes come out. The proxy tasks drive it with a real connection, the tests with none.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Protocol

from loguru import logger
from pipecat.bus.messages import BusMessage

from proxy.close_codes import CloseCode
from proxy.filter import DropReason
from proxy.outbox import Kind, Outbox


class Role(StrEnum):
    """Which end of the line this is."""

    CALLER = "caller"
    ASSISTANT = "assistant"


class LineState(Enum):
    """How far one end has come."""

    CONNECTING = auto()  # there was no connection yet
    GREETING = auto()  # a connection is up, the other end has not answered yet
    OPEN = auto()  # a connection is up
    DETACHED = auto()  # the connection is lost, the session is not
    CLOSED = auto()


LEGAL_MOVES: dict[LineState, frozenset[LineState]] = {
    LineState.CONNECTING: frozenset({LineState.GREETING, LineState.OPEN, LineState.CLOSED}),
    LineState.GREETING: frozenset({LineState.OPEN, LineState.DETACHED, LineState.CLOSED}),
    LineState.OPEN: frozenset({LineState.OPEN, LineState.DETACHED, LineState.CLOSED}),
    LineState.DETACHED: frozenset({LineState.GREETING, LineState.OPEN, LineState.CLOSED}),
    LineState.CLOSED: frozenset(),
}


def check_move(before: LineState, after: LineState) -> LineState:
    """Return the state to go to.

    Raises:
        RuntimeError: If there is no way from one to the other.
    """
    if after not in LEGAL_MOVES[before]:
        raise RuntimeError(f"a line cannot go from {before.name} to {after.name}")
    logger.debug(f"Line: {before.name} to {after.name}")
    return after


class Direction(StrEnum):
    """Which way a message went, seen from this end."""

    IN = "in"
    OUT = "out"


@dataclass(slots=True)
class Tally:
    """Messages of one kind that crossed one way.

    Attributes:
        messages: How many.
        size_bytes: How large they were together.
    """

    messages: int = 0
    size_bytes: int = 0


@dataclass
class LineStats:
    """What one end counted.

    Attributes:
        tallies: What crossed, by direction and kind.
        losses: Messages that did not cross, by direction, kind and reason; the kind is None for
            one that could not be read.
        outbox: What waits to be written; None before there is a line.
    """

    tallies: defaultdict[tuple[Direction, Kind], Tally] = field(
        default_factory=lambda: defaultdict(Tally)
    )
    losses: Counter[tuple[Direction, Kind | None, DropReason]] = field(default_factory=Counter)
    outbox: Outbox | None = None

    @property
    def messages(self) -> Counter[Direction]:
        """Messages that crossed, by direction."""
        return self._sum(lambda tally: tally.messages)

    @property
    def crossings(self) -> int:
        """Messages that crossed, both ways together; asked of every session every second."""
        return sum(tally.messages for tally in self.tallies.values())

    @property
    def shown(self) -> int:
        """Messages of those that were for the caller's screen."""
        tally = self.tallies.get((Direction.OUT, Kind.SHOWN))
        return 0 if tally is None else tally.messages

    @property
    def size_bytes(self) -> Counter[Direction]:
        """Bytes of those messages, by direction."""
        return self._sum(lambda tally: tally.size_bytes)

    @property
    def drops(self) -> Counter[tuple[Direction, DropReason]]:
        """Messages that did not cross, by direction and reason."""
        drops: Counter[tuple[Direction, DropReason]] = Counter()
        for (direction, _, reason), count in self.losses.items():
            drops[direction, reason] += count
        return drops

    @property
    def waiting_bytes(self) -> int:
        """How much waits to be written."""
        return 0 if self.outbox is None else self.outbox.size_bytes

    def crossed(self, direction: Direction, size_bytes: int, kind: Kind) -> None:
        """Count a message that crossed."""
        tally = self.tallies[direction, kind]
        tally.messages += 1
        tally.size_bytes += size_bytes

    def dropped(
        self, direction: Direction, reason: DropReason, kind: Kind | None = None, count: int = 1
    ) -> None:
        """Count messages that did not cross."""
        if count:
            self.losses[direction, kind, reason] += count

    def add(self, other: "LineStats") -> None:
        """Count what another line counted, which is over."""
        for key, tally in other.tallies.items():
            mine = self.tallies[key]
            mine.messages += tally.messages
            mine.size_bytes += tally.size_bytes
        self.losses.update(other.losses)

    def _sum(self, of: Callable[[Tally], int]) -> Counter[Direction]:
        found: Counter[Direction] = Counter()
        for (direction, _), tally in self.tallies.items():
            found[direction] += of(tally)
        return found


@dataclass(slots=True)
class Received:
    """A message of the other end passed the filter; it goes onto this side's bus.

    Attributes:
        message: The message.
        size_bytes: What to tell `Dialect.handled` once it is there.
        weight_bytes: How much memory it is worth, about.
    """

    message: BusMessage
    size_bytes: int = 0
    weight_bytes: int = 0


@dataclass(frozen=True)
class Opened:
    """The other end has answered; messages flow.

    Attributes:
        resumed: Whether the session was there before.
    """

    resumed: bool


@dataclass(frozen=True)
class Queued:
    """The other end has no session to spare yet, and this end waits for one.

    Attributes:
        position: How many are served before this one, and itself.
    """

    position: int


@dataclass(frozen=True)
class PeerReady:
    """Tasks of the other end are ready to be addressed."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class PeerEnded:
    """The other end said that the conversation is over; all its output came before.

    Attributes:
        reason: Why, in the words of the task that ended it, or None.
    """

    reason: str | None


@dataclass(frozen=True)
class ResumeGap:
    """Frames are missing, because they could not be kept until the connection was back.

    Attributes:
        lost: How many.
        direction: Which way they were going.
    """

    lost: int
    direction: Direction


@dataclass(frozen=True)
class MustClose:
    """The connection has to be closed with this code."""

    code: CloseCode


Event = Received | Opened | Queued | PeerReady | PeerEnded | ResumeGap | MustClose


class Dialect(Protocol):
    """One end of a line, without input or output.

    Implementations: `proxy.stock_line.StockLine`, `proxy.protocol.TrunkLine`.

    Attributes:
        stats: What crossed and what did not.
        state: How far this end has come.
        windowed: Whether the other end sends no more than a window ahead of what was handled.
    """

    stats: LineStats
    state: LineState
    windowed: bool

    @property
    def tick_s(self) -> float:
        """How often to call `tick`, in seconds."""

    @property
    def ample(self) -> bool:
        """Whether so much waits to be written that whoever sends should wait."""

    @property
    def drained(self) -> bool:
        """Whether nothing waits to be written."""

    @property
    def ended(self) -> bool:
        """Whether this end has said that the conversation is over."""

    def receive(self, data: bytes | str) -> list[Event]:
        """Take in one WebSocket message.

        Args:
            data: A binary message as bytes, a text message as str.

        Returns:
            What follows from it, in order.
        """

    def handled(self, size_bytes: int) -> bool:
        """Note that a received message is on this side's bus.

        Args:
            size_bytes: What the event said.

        Returns:
            Whether there is something to write now.
        """

    def send(self, message: BusMessage) -> list[Event]:
        """Take in one message from this side's bus; what may cross waits in the outbox.

        Returns:
            What follows from it, such as that the line must close because too much waits.
        """

    def announce(self, names: tuple[str, ...]) -> list[Event]:
        """Tell the other end that tasks of this side are ready to be addressed."""

    def end(self, reason: str | None) -> list[Event]:
        """Tell the other end that the conversation is over, after everything sent so far."""

    def next_outgoing(self) -> bytes | None:
        """Remove and return the next message to write to the link, or None.

        Whoever asks has written the last one.
        """

    def tick(self) -> list[Event]:
        """Look at the clock; to be called at least every `tick_s` seconds."""

    def busy(self) -> CloseCode:
        """Say what to close with when the other end does not take what is written."""

    def disconnected(self, code: int) -> list[Event]:
        """Take in that the connection is gone.

        Args:
            code: The close code that either end sent, or 1006.

        Returns:
            What follows; the state says whether another connection can carry on.
        """

    def close(self) -> list[Event]:
        """Give up: nothing is sent or received any more, everyone who waits is released."""
