"""What every dialect of the line has in common: states, events, counters, and the contract.

A dialect is one end of a line without any input or output: bytes and bus messages go in, events
and bytes come out. The proxy tasks drive it with a real connection, the tests with none.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Protocol

from pipecat.bus.messages import BusMessage

from proxy.close_codes import CloseCode
from proxy.filter import DropReason


class Role(StrEnum):
    """Which end of the line this is."""

    CALLER = "caller"
    ASSISTANT = "assistant"


class LineState(Enum):
    """How far one end has come."""

    OPEN = auto()
    ENDING = auto()  # the end was said, what is in flight still goes through
    CLOSED = auto()


LEGAL_MOVES: dict[LineState, frozenset[LineState]] = {
    LineState.OPEN: frozenset({LineState.ENDING, LineState.CLOSED}),
    LineState.ENDING: frozenset({LineState.CLOSED}),
    LineState.CLOSED: frozenset(),
}


class Direction(StrEnum):
    """Which way a message went, seen from this end."""

    IN = "in"
    OUT = "out"


@dataclass
class LineStats:
    """What one end counted.

    Attributes:
        messages: Messages that crossed, by direction.
        size_bytes: Bytes of those messages, by direction.
        drops: Messages that did not cross, by direction and reason.
    """

    messages: Counter[Direction] = field(default_factory=Counter)
    size_bytes: Counter[Direction] = field(default_factory=Counter)
    drops: Counter[tuple[Direction, DropReason]] = field(default_factory=Counter)

    def crossed(self, direction: Direction, size_bytes: int) -> None:
        """Count a message that crossed."""
        self.messages[direction] += 1
        self.size_bytes[direction] += size_bytes

    def dropped(self, direction: Direction, reason: DropReason, count: int = 1) -> None:
        """Count messages that did not cross."""
        if count:
            self.drops[direction, reason] += count


@dataclass(frozen=True)
class Received:
    """A message of the other end passed the filter; it goes onto this side's bus."""

    message: BusMessage


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
class MustClose:
    """The line has to be closed with this code."""

    code: CloseCode


Event = Received | PeerReady | PeerEnded | MustClose


class Dialect(Protocol):
    """One end of a line, without input or output.

    Implementations: `proxy.stock_line.StockLine`.
    """

    stats: LineStats
    state: LineState

    def receive(self, data: bytes | str) -> list[Event]:
        """Take in one WebSocket message.

        Args:
            data: A binary message as bytes, a text message as str.

        Returns:
            What follows from it, in order.
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
        """Remove and return the next message to write to the link, or None."""

    def close(self) -> None:
        """Give up: nothing is sent or received any more, everyone who waits is released."""
