"""One end of a line in the stock dialect, without input or output.

The stock dialect has no hello, no sequence numbers and no resume: it is what an unmodified Pipecat
bot speaks. This end still does what the stock one does not: it takes only what the filter passes,
keeps flush events at home, tells the caller when an assistant ends, and gives up on a peer that
sends rubbish.
"""

from dataclasses import replace

from loguru import logger
from pipecat.bus.messages import (
    BusEndMessage,
    BusFrameMessage,
    BusMessage,
    BusSystemMessage,
    BusWorkerRegistryMessage,
)
from pipecat.frames.frames import (
    AudioRawFrame,
    Frame,
    ImageRawFrame,
    PipelineFlushFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.registry.types import WorkerRegistryEntry

from proxy.close_codes import CloseCode
from proxy.codec.stock import StockCodec
from proxy.dialect import (
    LEGAL_MOVES,
    Direction,
    Event,
    LineState,
    LineStats,
    MustClose,
    PeerEnded,
    PeerReady,
    Received,
    Role,
)
from proxy.errors import CodecError, UnknownTypeError
from proxy.filter import DropReason, Filter, valid_name
from proxy.flush import FlushLedger
from proxy.outbox import Outbox, OutboxLimits
from proxy.redact import redacted

# Messages of known form that had to be refused. An honest peer of another version may send a few;
# more than this is an attack or a loop.
REFUSAL_BUDGET = 100

_IN, _OUT = Direction.IN, Direction.OUT


class StockLine:
    """One end of a line that speaks Pipecat's own JSON.

    Attributes:
        role: Which end this is.
        filter: What may cross.
        stats: What crossed and what did not.
        state: How far this end has come.
    """

    def __init__(
        self,
        role: Role,
        filter_: Filter,
        *,
        codec: StockCodec | None = None,
        limits: OutboxLimits | None = None,
        max_message_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        """Open one end.

        Args:
            role: Which end this is.
            filter_: What may cross. Without a remote name, the first valid source that arrives
                becomes the other end's name.
            codec: How messages are written; the process's own table by default.
            limits: How much may wait to be written.
            max_message_bytes: The largest message that is taken or sent.
        """
        self.role = role
        self.filter = filter_
        self.stats = LineStats()
        self.state = LineState.OPEN
        self._codec = codec or StockCodec()
        self._outbox = Outbox(limits or OutboxLimits())
        self._flushes = FlushLedger()
        self._max_message_bytes = max_message_bytes
        self._refusals = 0

    def receive(self, data: bytes | str) -> list[Event]:
        """Take in one WebSocket message; see `Dialect.receive`."""
        if self.state is LineState.CLOSED:
            return []
        if isinstance(data, str):
            return [MustClose(CloseCode.UNSUPPORTED_DATA)]
        if len(data) > self._max_message_bytes:
            return [MustClose(CloseCode.MESSAGE_TOO_BIG)]
        frame = self._codec.peek_frame(data)
        if frame is not None and frame in self.filter.inbound_frames.home:
            self.stats.dropped(_IN, DropReason.HOME)
            return []
        try:
            message = self._codec.decode(data)
        except UnknownTypeError:
            return self._refuse(DropReason.TYPE)
        except CodecError as error:
            logger.warning(f"Line closed: {error}")
            return [MustClose(CloseCode.INVALID_PAYLOAD)]
        return self._received(message, len(data))

    def send(self, message: BusMessage) -> list[Event]:
        """Take in one message from this side's bus; see `Dialect.send`."""
        if self.state is not LineState.OPEN:
            return []
        verdict = self.filter.outbound(message)
        if verdict.dropped is not None:
            self.stats.dropped(_OUT, verdict.dropped)
            return []
        if isinstance(message, BusFrameMessage):
            return self._send_frame(message, message.frame)
        return self._put(message, system=isinstance(message, BusSystemMessage))

    def announce(self, names: tuple[str, ...]) -> list[Event]:
        """Tell a stock peer with the registry message that it expects."""
        entries = [WorkerRegistryEntry(name=name) for name in names if name in self.filter.exported]
        if not entries or self.state is not LineState.OPEN:
            return []
        source = self.filter.exported[0]
        message = BusWorkerRegistryMessage(source=source, runner=f"{source}@line", workers=entries)
        return self._put(message, system=True)

    def end(self, reason: str | None) -> list[Event]:
        """Tell the other end with an end message addressed to it, which a stock peer obeys."""
        if self.state is not LineState.OPEN:
            return []
        target = self.filter.remote[0] if self.filter.remote else None
        source = self.filter.exported[0]
        events = self._put(BusEndMessage(source=source, target=target, reason=reason))
        self._move(LineState.ENDING)
        return events

    def next_outgoing(self) -> bytes | None:
        """Remove and return the next message to write to the link, or None."""
        return self._outbox.take()

    def close(self) -> None:
        """Give up and release everyone who waits; may be called again."""
        if self.state is not LineState.CLOSED:
            self._move(LineState.CLOSED)
        self._outbox.clear()
        self._flushes.settle_all()

    def _received(self, message: BusMessage, size_bytes: int) -> list[Event]:
        if self.role is Role.CALLER:
            if isinstance(message, BusWorkerRegistryMessage):
                return self._peer_ready(message)
            if isinstance(message, BusEndMessage):
                self.stats.crossed(_IN, size_bytes)
                return [PeerEnded(message.reason)]
        if not self._know_peer(message.source):
            return self._refuse(DropReason.SOURCE)
        verdict = self.filter.inbound(message)
        if verdict.dropped is DropReason.HOME:
            self.stats.dropped(_IN, DropReason.HOME)
            return []
        if verdict.dropped is not None:
            return self._refuse(verdict.dropped)
        self.stats.crossed(_IN, size_bytes)
        if isinstance(message, BusFrameMessage) and isinstance(message.frame, PipelineFlushFrame):
            last_leg = self._flushes.answered(message.frame)
            if last_leg is not None:
                return self._answer_probe(message, last_leg)
            self._flushes.returning(message.frame)
        return [Received(passed) for passed in verdict.messages]

    def _peer_ready(self, message: BusWorkerRegistryMessage) -> list[Event]:
        names = tuple(
            entry.name for entry in message.workers if valid_name(entry.name, self.filter.exported)
        )
        self.filter.remote = [*dict.fromkeys([*self.filter.remote, *names])]
        return [PeerReady(names)] if names else []

    def _know_peer(self, source: str) -> bool:
        if self.filter.remote:
            return True
        if not valid_name(source, self.filter.reserved):
            return False
        self.filter.remote = [source]
        return True

    def _refuse(self, reason: DropReason) -> list[Event]:
        self.stats.dropped(_IN, reason)
        self._refusals += 1
        if self._refusals == 1:
            logger.warning(f"Refused a message of the other end ({reason}); counting from here on")
        if self._refusals <= REFUSAL_BUDGET:
            return []
        return [MustClose(CloseCode.POLICY_VIOLATION)]

    def _send_frame(self, message: BusFrameMessage, frame: Frame) -> list[Event]:
        if isinstance(frame, PipelineFlushFrame):
            return self._send_probe(message, frame)
        safe = redacted(frame)
        if safe is not frame:
            message = replace(message, frame=safe)
        return self._put(message, media=isinstance(frame, AudioRawFrame | ImageRawFrame))

    def _send_probe(self, message: BusFrameMessage, probe: PipelineFlushFrame) -> list[Event]:
        self._flushes.leaving(probe)
        last = probe.returning and message.direction is FrameDirection.DOWNSTREAM
        if last and self.role is Role.ASSISTANT:
            return self._put(replace(message, frame=self._flushes.confirm(probe)))
        return self._put(message)

    def _answer_probe(self, message: BusFrameMessage, probe: PipelineFlushFrame) -> list[Event]:
        answer = BusFrameMessage(
            source=self.filter.exported[0],
            frame=probe,
            direction=FrameDirection.DOWNSTREAM,
            bridge=message.bridge,
        )
        return self._put(answer)

    def _put(
        self, message: BusMessage, *, system: bool = False, media: bool = False
    ) -> list[Event]:
        try:
            data = self._codec.encode(message)
        except CodecError as error:
            logger.error(f"A message cannot cross: {error}")
            self.stats.dropped(_OUT, DropReason.CODEC)
            return []
        if len(data) > self._max_message_bytes:
            logger.error(f"A message of {len(data)} bytes cannot cross")
            self.stats.dropped(_OUT, DropReason.TOO_BIG)
            return []
        dropped_before = self._outbox.dropped_media
        self._outbox.put(data, system=system, media=media)
        self.stats.crossed(_OUT, len(data))
        self.stats.dropped(_OUT, DropReason.SLOW, self._outbox.dropped_media - dropped_before)
        return [MustClose(CloseCode.PEER_TOO_SLOW)] if self._outbox.overflowed else []

    def _move(self, state: LineState) -> None:
        if state not in LEGAL_MOVES[self.state]:
            raise RuntimeError(f"a line cannot go from {self.state.name} to {state.name}")
        self.state = state
