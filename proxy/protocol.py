"""One end of a line in the dialect `trunkline.v1`, without input or output.

Envelopes and ticks go in, envelopes and events come out. A session outlives its connections: every
envelope is numbered, kept until the other end has it, and written again on the next connection, so
that each message arrives once and in order however often the network drops. `docs/wire.md` is the
specification.
"""

import time
from collections import deque
from collections.abc import Callable

from loguru import logger
from pipecat.bus.messages import BusMessage

from proxy.carrier import Carrier, RefusedEnvelopeError
from proxy.close_codes import CloseCode, may_resume
from proxy.codec.deltas import ContextMismatchError
from proxy.codec.trunk import TrunkCodec, read_envelope
from proxy.crossing import Crossing
from proxy.dialect import (
    Direction,
    Event,
    LineState,
    MustClose,
    Opened,
    PeerEnded,
    PeerReady,
    Queued,
    Received,
    ResumeGap,
    Role,
    check_move,
)
from proxy.errors import CodecError, UnknownTypeError
from proxy.filter import DropReason, Filter
from proxy.handshake import Handshake, TrunkOptions
from proxy.outbox import Kind, kind_of
from proxy.outflow import Outflow
from proxy.pulse import Pulse
from proxy.sequence import ACK_BYTES, Receiver, Sender, SequenceError
from proxy.wire import (
    MAX_REASON_LENGTH,
    Ack,
    End,
    Envelope,
    FrameEnvelope,
    Gap,
    Hello,
    MessageEnvelope,
    Numbered,
    Ready,
    Resend,
    Waiting,
    Welcome,
    encode,
)

_IN, _OUT = Direction.IN, Direction.OUT


class TrunkLine:
    """One end of a line that speaks `trunkline.v1`.

    Attributes:
        filter: What may cross.
        stats: What crossed and what did not.
        state: How far this end has come.
        ended: Whether this end has said that the conversation is over.
        windowed: The other end keeps a window.
    """

    windowed = True

    def __init__(
        self,
        role: Role,
        filter_: Filter,
        *,
        session: str = "",
        options: TrunkOptions | None = None,
        codec: TrunkCodec | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare one end of a session.

        Args:
            role: Which end this is.
            filter_: What may cross.
            session: The session's id, where this is the assistant's end.
            options: What this end allows.
            codec: How messages are written; over the process's own table by default.
            clock: Gives the time in seconds.
        """
        self._options = options or TrunkOptions()
        self._crossing = Crossing(role, filter_, clock, self._options.tap)
        self.filter = filter_
        self.stats = self._crossing.stats
        self.state = LineState.CONNECTING
        self.ended = False
        self._carrier = Carrier(codec or TrunkCodec(), filter_)
        self._clock = clock
        self._pulse = Pulse(self._options.patience, clock)
        self._sender = Sender(self._options.outbox)
        self.stats.outbox = self._sender.outbox
        self._receiver = Receiver(self._options.window_bytes, self._options.max_message_bytes)
        self._control: deque[bytes] = deque()
        self._handshake = Handshake(session, filter_, self._carrier, self._options)
        self._outflow = Outflow(
            self._carrier, self._sender, self.stats, self._options.max_message_bytes
        )
        self._failed = False
        self._unconfirmed = False
        self._asked = 0
        self._lost_at = 0.0

    @property
    def tick_s(self) -> float:
        """How often to call `tick`, so that nothing is noticed much too late."""
        return self._pulse.tick_s

    @property
    def ample(self) -> bool:
        """Whether so much waits that whoever sends should wait."""
        return self._sender.outbox.ample

    @property
    def drained(self) -> bool:
        """Whether nothing waits to be written."""
        return not self._control and not len(self._sender.outbox)

    @property
    def silent_s(self) -> float:
        """How long nothing has come from the other end."""
        return self._pulse.silent_s

    @property
    def session(self) -> str:
        """The session's id; empty before the other end has told it."""
        return self._handshake.session

    def connected(self) -> None:
        """Begin a connection, at the caller's end: the hello is the first thing to write."""
        self.state = check_move(self.state, LineState.GREETING)
        self._begin(self._handshake.hello(self._receiver.received))

    def knows(self, hello: Hello) -> bool:
        """Tell whether a caller that comes back belongs to this session.

        Args:
            hello: What it said.
        """
        return self.state is not LineState.CLOSED and self._handshake.knows(hello)

    def welcome(self, hello: Hello) -> list[Event]:
        """Begin a connection, at the assistant's end: the welcome is the first thing to write.

        Args:
            hello: What the caller said; on any connection but the first, `knows` has agreed.
        """
        resumed = self._handshake.peer is not None
        self.state = check_move(self.state, LineState.OPEN)
        self._unconfirmed = True
        self._begin(self._handshake.welcome(hello, self._receiver.received))
        self._meet(hello)
        try:
            self._sender.rewind(hello.received)
        except SequenceError as error:
            return self._fail(error.code)
        if resumed:
            # The last one may have been lost with its connection, and the caller may wait for it.
            self._control.append(self._acknowledgement())
        return [Opened(resumed)]

    def disconnected(self, code: int) -> list[Event]:
        """Take in that the connection is gone; see `Dialect.disconnected`."""
        if self.state is LineState.CLOSED:
            return []
        self._control.clear()
        handshake = self._handshake
        known = handshake.peer is not None and self._asked > 1  # nobody comes back without a token
        if not known or not may_resume(code) or not handshake.resume_window_s:
            return self.close()
        if self.state is LineState.OPEN:  # and not when a dial came to nothing
            self._lost_at = self._clock()
        if self.state is not LineState.DETACHED:
            self.state = check_move(self.state, LineState.DETACHED)
        return []

    def close(self) -> list[Event]:
        """Give up and release everyone who waits; may be called again."""
        if self.state is not LineState.CLOSED:
            self.state = check_move(self.state, LineState.CLOSED)
        self._control.clear()
        self._outflow.clear()
        return [Received(message) for message in self._crossing.settle()]

    def receive(self, data: bytes | str) -> list[Event]:
        """Take in one WebSocket message; see `Dialect.receive`."""
        if self._failed or self.state not in (LineState.OPEN, LineState.GREETING):
            return []
        if isinstance(data, str):
            return self._fail(CloseCode.UNSUPPORTED_DATA)
        if len(data) > self._options.max_message_bytes:
            return self._fail(CloseCode.MESSAGE_TOO_BIG)
        self._pulse.heard()
        try:
            envelope = read_envelope(data)
            if self.state is LineState.GREETING:
                return self._greeted(envelope)
            return self._take(envelope, len(data))
        except SequenceError as error:
            return self._fail(error.code)
        except CodecError as error:
            logger.warning(f"Line closed: {error}")
            return self._fail(CloseCode.INVALID_PAYLOAD)

    def handled(self, size_bytes: int) -> bool:
        """Note that a received message is on this side's bus; see `Dialect.handled`."""
        self._receiver.handled(size_bytes)
        return self._receiver.ack_due

    def _greeted(self, envelope: Envelope) -> list[Event]:
        if isinstance(envelope, Waiting):
            return [Queued(envelope.position)]
        if not isinstance(envelope, Welcome):
            return self._fail(CloseCode.PROTOCOL_ERROR)
        resumed = self._handshake.peer is not None
        if not self._handshake.greeted(envelope):
            return self._fail(CloseCode.SESSION_GONE)
        if not self.filter.remote:
            return self._fail(CloseCode.PROTOCOL_ERROR)
        self._meet(envelope)
        self._sender.rewind(envelope.received)
        self.state = check_move(self.state, LineState.OPEN)
        # The other end learns from it that its new token arrived.
        self._control.append(self._acknowledgement())
        return [Opened(resumed)]

    def _take(self, envelope: Envelope, size_bytes: int) -> list[Event]:
        if self._unconfirmed:
            self._unconfirmed = False
            self._handshake.confirm()
        if isinstance(envelope, Ack):
            if self._sender.acknowledge(envelope.received, envelope.handled_bytes):
                self._pulse.moved()
            return []
        if isinstance(envelope, (Hello, Welcome, Waiting)):
            return self._fail(CloseCode.PROTOCOL_ERROR)
        if not self._receiver.take(envelope.seq, size_bytes):
            return []
        events = self._read(envelope, size_bytes)
        if not events or not isinstance(events[-1], Received):
            self._receiver.handled(size_bytes)
        return events

    def _read(self, envelope: Numbered, size_bytes: int) -> list[Event]:
        match envelope:
            case FrameEnvelope() | MessageEnvelope():
                return self._message(envelope, size_bytes)
            case Ready(tasks=tasks):
                names = self._carrier.named(tasks)
                return [PeerReady(names)] if names else []
            case End(reason=reason):
                return [PeerEnded(reason)]
            case Gap(lost=lost):
                return [ResumeGap(lost, _IN)]
            case Resend():
                return self._resend()

    def _message(self, envelope: FrameEnvelope | MessageEnvelope, size_bytes: int) -> list[Event]:
        try:
            message = self._carrier.read(envelope)
        except ContextMismatchError:
            self._outflow.put(encode(Resend(0)), Kind.DATA)
            return self._refuse(DropReason.CODEC)
        except RefusedEnvelopeError as refused:
            return self._refuse(refused.reason)
        except UnknownTypeError:
            return self._refuse(DropReason.TYPE)
        return self._arrived(message, size_bytes, self._carrier.weigh(message, size_bytes))

    def _arrived(self, message: BusMessage, size_bytes: int, weight_bytes: int) -> list[Event]:
        arrived = self._crossing.arriving(message)
        for reply in arrived.replies:
            self._outflow.write(reply)
        kind = kind_of(message)
        if arrived.refused is not None:
            return self._refuse(arrived.refused, kind)
        self.stats.crossed(_IN, size_bytes, kind)
        return arrived.events(size_bytes, weight_bytes) or self._overflow()

    def _resend(self) -> list[Event]:
        """Send the last conversation whole; who asks for it too often is refused."""
        if not self._crossing.refuse(DropReason.CODEC):
            return self._fail(CloseCode.POLICY_VIOLATION)
        self._outflow.write_whole()
        return self._overflow()

    def send(self, message: BusMessage) -> list[Event]:
        """Take in one message from this side's bus; see `Dialect.send`."""
        if self.state is LineState.CLOSED or self.ended or self._handshake.peer is None:
            return []
        leaving = self._crossing.leaving(message)
        if leaving is None:
            return []
        if not self._outflow.write(leaving):
            instead = self._crossing.instead_of(leaving)
            if instead is None or not self._outflow.write(instead):
                return [Received(answer) for answer in self._crossing.undeliverable(leaving)]
        return self._overflow()

    def announce(self, names: tuple[str, ...]) -> list[Event]:
        """Tell the other end that tasks of this side are ready."""
        exported = list(self.filter.exported)
        places = tuple(exported.index(name) for name in names if name in exported)
        if places and not self.ended and self.state is not LineState.CLOSED:
            self._outflow.put(encode(Ready(0, places)), Kind.DATA)
        return []

    def end(self, reason: str | None) -> list[Event]:
        """Tell the other end that the conversation is over, after everything sent so far."""
        if not self.ended and self.state is not LineState.CLOSED:
            self.ended = True
            short = None if reason is None else reason[:MAX_REASON_LENGTH]
            self._outflow.put(encode(End(0, short)), Kind.DATA)
        return []

    def next_outgoing(self) -> bytes | None:
        """Remove and return the next envelope to write; see `Dialect.next_outgoing`."""
        self._asked += self._asked < 2  # who asks again has written the greeting
        if self._control:
            return self._control.popleft()
        if self.state is not LineState.OPEN:
            return None
        if self._receiver.ack_due:
            return self._acknowledgement()
        sent = self._sender.sent
        data = self._sender.next()
        if data is not None and self._sender.sent != sent:
            self.stats.crossed(_OUT, len(data), self._sender.kind)
        elif data is None and len(self._sender.outbox):
            self._pulse.blocked()
        return data

    def _overflow(self) -> list[Event]:
        outbox = self._sender.outbox
        if self.state is LineState.OPEN:
            return self._fail(CloseCode.PEER_TOO_SLOW) if outbox.overwhelms() else []
        if not outbox.overflows():
            return []
        lost = self._outflow.give_up()
        if outbox.overflows():
            return self._fail(CloseCode.PEER_TOO_SLOW)
        return [ResumeGap(lost, _OUT)]

    def tick(self) -> list[Event]:
        """Look at the clock; see `Dialect.tick`."""
        if self.state is LineState.DETACHED:
            late = self._clock() - self._lost_at >= self._handshake.resume_window_s
            return self._fail(CloseCode.ABNORMAL) if late else []
        if self._failed or self.state not in (LineState.OPEN, LineState.GREETING):
            return []
        code = self._pulse.check()
        if code is not None:
            return self._fail(code)
        if self.state is LineState.OPEN and self._pulse.sign_due:
            self._control.append(self._acknowledgement())
        return []

    def busy(self) -> CloseCode:
        """Say whether the other end is alive and slow, or gone."""
        return CloseCode.PEER_SILENT if self._pulse.silent else CloseCode.PEER_TOO_SLOW

    def _acknowledgement(self) -> bytes:
        self._pulse.told()
        return self._receiver.ack()

    def _begin(self, greeting: Hello | Welcome) -> None:
        self._failed = False
        self._pulse.begin()
        self._control.clear()
        self._control.append(encode(greeting))

    def _meet(self, peer: Hello | Welcome) -> None:
        self._pulse.meet(peer.heartbeat_s)
        # What is under way is kept here, so that a window is no larger than what may be kept.
        most_bytes = max(self._options.outbox.ample_bytes, ACK_BYTES)
        self._sender.window_bytes = min(peer.window_bytes, most_bytes)
        self._outflow.max_message_bytes = peer.max_message_bytes

    def _refuse(self, reason: DropReason, kind: Kind | None = None) -> list[Event]:
        if self._crossing.refuse(reason, kind):
            return []
        return self._fail(CloseCode.POLICY_VIOLATION)

    def _fail(self, code: CloseCode) -> list[Event]:
        """Take nothing more from this connection."""
        self._failed = True
        return [MustClose(code)]
