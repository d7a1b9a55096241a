"""One end of a line in the stock dialect, without input or output.

The stock dialect has no hello, no sequence numbers and no resume: it is what an unmodified Pipecat
bot speaks. This end still does what the stock one does not: it takes only what the filter passes,
keeps flush events at home, tells the caller when an assistant ends, answers jobs that nobody will,
and gives up on a peer that sends rubbish.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

from loguru import logger
from pipecat.bus.messages import (
    BusEndMessage,
    BusMessage,
    BusWorkerRegistryMessage,
)
from pipecat.registry.types import WorkerRegistryEntry

from proxy.close_codes import CloseCode
from proxy.codec.stock import StockCodec
from proxy.crossing import Crossing
from proxy.dialect import (
    Direction,
    Event,
    LineState,
    MustClose,
    PeerEnded,
    PeerReady,
    Received,
    Role,
    check_move,
)
from proxy.errors import CodecError, UnknownTypeError
from proxy.filter import CALLER_SUFFIX, DropReason, Filter, valid_name
from proxy.outbox import Kind, Outbox, OutboxLimits, kind_of, kind_of_frame
from proxy.tap import FrameTap

_IN, _OUT = Direction.IN, Direction.OUT


class StockLine:
    """One end of a line that speaks Pipecat's own JSON.

    Attributes:
        filter: What may cross.
        stats: What crossed and what did not.
        state: How far this end has come.
        windowed: The other end knows no window.
        ended: Whether this end has said that the conversation is over.
    """

    windowed = False

    def __init__(
        self,
        role: Role,
        filter_: Filter,
        *,
        codec: StockCodec | None = None,
        limits: OutboxLimits | None = None,
        max_message_bytes: int = 4 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
        tap: FrameTap | None = None,
    ) -> None:
        """Open one end.

        Args:
            role: Which end this is.
            filter_: What may cross. Without a remote name, the first valid source that arrives
                becomes the other end's name.
            codec: How messages are written; the process's own table by default.
            limits: How much may wait to be written.
            max_message_bytes: The largest message that is taken or sent.
            clock: Gives the time in seconds.
            tap: Looks at frames that cross.
        """
        self._crossing = Crossing(role, filter_, clock, tap)
        self.filter = filter_
        self.stats = self._crossing.stats
        self.state = LineState.OPEN
        self.ended = False
        self._role = role
        self._learns = not filter_.remote
        self._met = False
        self._codec = codec or StockCodec()
        self._outbox = self.stats.outbox = Outbox(limits or OutboxLimits())
        self._max_message_bytes = max_message_bytes
        # The other end's name on the wire, where this side calls it something else.
        self._wire_names: dict[str | None, str] = {}

    @property
    def tick_s(self) -> float:
        """How often to call `tick`: there is no need to."""
        return math.inf

    @property
    def ample(self) -> bool:
        """Whether so much waits that whoever sends should wait."""
        return self._outbox.ample

    @property
    def drained(self) -> bool:
        """Whether nothing waits to be written."""
        return not len(self._outbox)

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
            self.stats.dropped(_IN, DropReason.HOME, kind_of_frame(frame))
            return []
        try:
            message = self._codec.decode(data)
        except UnknownTypeError:
            return self._refuse(DropReason.TYPE)
        except CodecError as error:
            logger.warning(f"Line closed: {error}")
            return [MustClose(CloseCode.INVALID_PAYLOAD)]
        return self._received(message, len(data))

    def handled(self, size_bytes: int) -> bool:
        """Do nothing: the stock dialect has no window."""
        return False

    def send(self, message: BusMessage) -> list[Event]:
        """Take in one message from this side's bus; see `Dialect.send`."""
        if self.state is LineState.CLOSED or self.ended:
            return []
        leaving = self._crossing.leaving(message)
        if leaving is not None and not self._put(leaving):
            instead = self._crossing.instead_of(leaving)
            if instead is None or not self._put(instead):
                return [Received(answer) for answer in self._crossing.undeliverable(leaving)]
        return self._overflow()

    def announce(self, names: tuple[str, ...]) -> list[Event]:
        """Tell a stock peer with the registry message that it expects."""
        entries = [WorkerRegistryEntry(name=name) for name in names if name in self.filter.exported]
        if not entries or self.state is LineState.CLOSED or self.ended:
            return []
        source = self.filter.exported[0]
        message = BusWorkerRegistryMessage(source=source, runner=f"{source}@line", workers=entries)
        self._put(message)
        return self._overflow()

    def end(self, reason: str | None) -> list[Event]:
        """Tell the other end with an end message addressed to it, which a stock peer obeys."""
        if self.state is LineState.CLOSED or self.ended:
            return []
        self.ended = True
        target = self.filter.remote[0] if self.filter.remote else None
        self._put(BusEndMessage(source=self.filter.exported[0], target=target, reason=reason))
        return self._overflow()

    def next_outgoing(self) -> bytes | None:
        """Remove and return the next message to write to the link, or None."""
        waiting = self._outbox.take()
        if waiting is None:
            return None
        self.stats.crossed(_OUT, len(waiting.data), waiting.kind)
        return waiting.data

    def tick(self) -> list[Event]:
        """Do nothing: a stock peer gives no signs of life."""
        return []

    def busy(self) -> CloseCode:
        """Say that the other end is too slow."""
        return CloseCode.PEER_TOO_SLOW

    def disconnected(self, code: int) -> list[Event]:
        """Take in that the connection, and with it the session, is gone."""
        return self.close()

    def close(self) -> list[Event]:
        """Give up and release everyone who waits; may be called again."""
        if self.state is not LineState.CLOSED:
            self.state = check_move(self.state, LineState.CLOSED)
        self._outbox.clear()
        return [Received(message) for message in self._crossing.settle()]

    def _received(self, message: BusMessage, size_bytes: int) -> list[Event]:
        if self._role is Role.CALLER:
            if isinstance(message, BusWorkerRegistryMessage):
                return self._peer_ready(message)
            if isinstance(message, BusEndMessage):
                self.stats.crossed(_IN, size_bytes, kind_of(message))
                return [PeerEnded(message.reason)]
        if not self._know_peer(message.source):
            return self._refuse(DropReason.SOURCE)
        arrived = self._crossing.arriving(message)
        for reply in arrived.replies:
            self._put(reply)
        kind = kind_of(message)
        if arrived.refused is not None:
            return self._refuse(arrived.refused, kind)
        self.stats.crossed(_IN, size_bytes, kind)
        events = arrived.events(size_bytes, size_bytes) or self._overflow()
        return [*self._meet(), *events] if events else []

    def _peer_ready(self, message: BusWorkerRegistryMessage) -> list[Event]:
        names = [entry.name for entry in message.workers]
        if self._learns:
            self.filter.learn([*self.filter.remote, *names])
        known = tuple(name for name in dict.fromkeys(names) if name in self.filter.remote)
        return [PeerReady(known)] if known else []

    def _know_peer(self, source: str) -> bool:
        if self.filter.remote:
            return True
        if not valid_name(source):
            return False
        name = source + CALLER_SUFFIX if self._role is Role.ASSISTANT else source
        self._wire_names = {name: source}
        self.filter.remote = [name]
        return True

    def _meet(self) -> list[Event]:
        """Say once that the caller's task can be asked; a stock caller does not announce it."""
        if self._met or self._role is Role.CALLER:
            return []
        self._met = True
        return [PeerReady((self.filter.remote[0],))]

    def _refuse(self, reason: DropReason, kind: Kind | None = None) -> list[Event]:
        if self._crossing.refuse(reason, kind):
            return []
        return [MustClose(CloseCode.POLICY_VIOLATION)]

    def _put(self, message: BusMessage) -> bool:
        wire_name = self._wire_names.get(message.target)
        if wire_name is not None:
            message = replace(message, target=wire_name)
        try:
            data = self._codec.encode(message)
        except CodecError as error:
            logger.error(f"A message cannot cross: {error}")
            self.stats.dropped(_OUT, DropReason.CODEC, kind_of(message))
            return False
        if len(data) > self._max_message_bytes:
            logger.error(f"A message of {len(data)} bytes cannot cross")
            self.stats.dropped(_OUT, DropReason.TOO_BIG, kind_of(message))
            return False
        dropped_before = self._outbox.dropped_media
        self._outbox.put(data, kind_of(message))
        lost = self._outbox.dropped_media - dropped_before
        self.stats.dropped(_OUT, DropReason.SLOW, Kind.MEDIA, lost)
        return True

    def _overflow(self) -> list[Event]:
        return [MustClose(CloseCode.PEER_TOO_SLOW)] if self._outbox.overwhelms() else []
