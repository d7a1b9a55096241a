"""What happens to a message at a line, whichever dialect it crosses in.

The filter says what may cross. Beyond that, flush events stay at home, the text of exceptions too,
jobs are remembered until they are answered, and what had to be refused is counted against the
other end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from loguru import logger
from pipecat.bus.messages import (
    BusFrameMessage,
    BusJobRequestMessage,
    BusMessage,
)
from pipecat.frames.frames import PipelineFlushFrame
from pipecat.processors.frame_processor import FrameDirection

from proxy.dialect import Direction, Event, LineStats, Received, Role
from proxy.filter import DropReason, Filter
from proxy.flush import FlushLedger
from proxy.jobs import UNREACHABLE, JobLedger, failure, failure_instead
from proxy.outbox import Kind, kind_of
from proxy.redact import redacted
from proxy.tap import FrameTap

# Messages of known form that had to be refused. An honest peer of another version may send a few
# at a time; more than this is an attack or a loop.
REFUSAL_BUDGET = 100
REFUSALS_FORGIVEN_PER_S = 1.0

_IN, _OUT = Direction.IN, Direction.OUT


@dataclass(slots=True)
class Arrived:
    """What follows from a message that came.

    Attributes:
        messages: What goes onto this side's bus.
        replies: What goes back at once.
        refused: Why it has to be refused, or None.
    """

    messages: Sequence[BusMessage] = ()
    replies: Sequence[BusMessage] = ()
    refused: DropReason | None = None

    def events(self, size_bytes: int, weight_bytes: int) -> list[Event]:
        """Say what is to be put on this side's bus.

        Args:
            size_bytes: How much has been handled once all of it is there.
            weight_bytes: How much memory it is worth, about.
        """
        last = len(self.messages) - 1
        if last == 0:
            return [Received(self.messages[0], size_bytes, weight_bytes)]
        return [
            Received(message, size_bytes if place == last else 0, weight_bytes)
            for place, message in enumerate(self.messages)
        ]


class Crossing:
    """The policy of one line.

    Attributes:
        role: Which end this is.
        filter: What may cross.
        stats: What crossed and what did not.
    """

    def __init__(
        self,
        role: Role,
        filter_: Filter,
        clock: Callable[[], float],
        tap: FrameTap | None = None,
    ) -> None:
        """Begin with nothing crossed.

        Args:
            role: Which end this is.
            filter_: What may cross.
            clock: Gives the time in seconds.
            tap: Looks at frames that cross.
        """
        self.role = role
        self.filter = filter_
        self.stats = LineStats()
        self._flushes = FlushLedger()
        self._jobs = JobLedger()
        self._clock = clock
        self._tap = tap
        self._refusals = 0.0
        self._refused_at = clock()
        self._warned = False

    def leaving(self, message: BusMessage) -> BusMessage | None:
        """Judge a message of this side.

        Returns:
            What is to be written, or None if it stays.
        """
        reason = self.filter.outbound(message)
        if reason is not None:
            self.stats.dropped(_OUT, reason, kind_of(message))
            return None
        if isinstance(message, BusFrameMessage):
            return self._frame_leaving(message)
        self._jobs.leaving(message)
        return message

    def arriving(self, message: BusMessage) -> Arrived:
        """Judge a message of the other end, and say what follows from it."""
        verdict = self.filter.inbound(message)
        if verdict.dropped is not None:
            return self._unwanted(message, verdict.dropped)
        if not isinstance(message, BusFrameMessage):
            if not self._jobs.arriving(message):
                return Arrived(replies=[failure(message, "too many jobs")])  # type: ignore[arg-type]
        elif isinstance(message.frame, PipelineFlushFrame):
            last_leg = self._flushes.answered(message.frame)
            if last_leg is not None:
                return Arrived(replies=[self._probe(message, last_leg)])
            self._flushes.returning(message.frame)
        elif self._tap is not None and type(message.frame) in self._tap.arriving:
            self._tap.arrived(message)
        return Arrived(verdict.messages)

    def instead_of(self, message: BusMessage) -> BusMessage | None:
        """Say what is to be written in place of a message that could not be, or None.

        Args:
            message: What `leaving` gave.
        """
        return failure_instead(message)

    def undeliverable(self, message: BusMessage) -> list[BusMessage]:
        """Say what follows on this side from a message that could not be written after all.

        Args:
            message: What `leaving` gave.

        Returns:
            What to put on this side's bus.
        """
        if not isinstance(message, BusJobRequestMessage):
            return []
        answer = failure(message, UNREACHABLE)
        self._jobs.arriving(answer)
        return [answer]

    def refuse(self, reason: DropReason, kind: Kind | None = None) -> bool:
        """Count a message of the other end that had to be refused.

        Args:
            reason: Why.
            kind: Its kind, where it could be read.

        Returns:
            False if there were too many.
        """
        self.stats.dropped(_IN, reason, kind)
        if not self._warned:
            self._warned = True
            logger.warning(f"Refused a message of the other end ({reason}); counting from here on")
        now = self._clock()
        forgiven = (now - self._refused_at) * REFUSALS_FORGIVEN_PER_S
        self._refusals = max(0.0, self._refusals - forgiven) + 1
        self._refused_at = now
        return self._refusals <= REFUSAL_BUDGET

    def settle(self) -> list[BusMessage]:
        """Release everyone who waits for the other end, which is gone.

        Returns:
            What to put on this side's bus.
        """
        self._flushes.settle_all()
        return self._jobs.settle()

    def _frame_leaving(self, message: BusFrameMessage) -> BusFrameMessage:
        frame = message.frame
        if isinstance(frame, PipelineFlushFrame):
            self._flushes.leaving(frame)
            last = frame.returning and message.direction is FrameDirection.DOWNSTREAM
            if last and self.role is Role.ASSISTANT:
                return replace(message, frame=self._flushes.confirm(frame))
            return message
        if self._tap is not None and type(frame) in self._tap.leaving:
            self._tap.left(message)
        safe = redacted(frame)
        return message if safe is frame else replace(message, frame=safe)

    def _probe(self, message: BusFrameMessage, probe: PipelineFlushFrame) -> BusFrameMessage:
        return BusFrameMessage(
            source=self.filter.exported[0],
            frame=probe,
            direction=FrameDirection.DOWNSTREAM,
            bridge=message.bridge,
        )

    def _unwanted(self, message: BusMessage, reason: DropReason) -> Arrived:
        if reason is DropReason.HOME:
            self.stats.dropped(_IN, reason, kind_of(message))
            return Arrived()
        if reason is DropReason.TARGET and isinstance(message, BusJobRequestMessage):
            return Arrived(replies=[failure(message, UNREACHABLE)], refused=reason)
        return Arrived(refused=reason)
