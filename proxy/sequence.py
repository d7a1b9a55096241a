"""Numbers, acknowledgements and windows: what makes a line whole over many connections.

A `Sender` numbers each envelope as it is written and keeps it until the other end has it. A
`Receiver` takes each number once, in order. Both live as long as the session.
"""

from collections import deque

from proxy.close_codes import CloseCode
from proxy.errors import LineError
from proxy.outbox import Kind, Outbox, OutboxLimits, Waiting
from proxy.wire import Ack, Gap, encode, numbered

# System messages do not wait for the window, up to this much.
SYSTEM_OVERSHOOT_BYTES = 64 * 1024

# An acknowledgement for every so many envelopes, such a share of the window, or so many bytes,
# whichever comes first: often enough that the sender never waits for one, seldom enough to cost
# nothing. A sender may use a smaller window than it was given, but none below so many bytes.
ACK_EVERY = 64
ACK_WINDOW_SHARE = 4
ACK_BYTES = 64 * 1024


class SequenceError(LineError):
    """The other end counts differently.

    Attributes:
        code: What to close the connection with.
    """

    def __init__(self, code: CloseCode, message: str) -> None:
        """Remember what to close with.

        Args:
            code: The close code.
            message: What is wrong.
        """
        super().__init__(message)
        self.code = code


class Sender:
    """One direction of a session, at the end that sends.

    Attributes:
        outbox: What was not written yet.
        window_bytes: How much may be under way that the other end has not handled.
        sent: The number of the last envelope written.
        kind: Its kind.
    """

    def __init__(self, limits: OutboxLimits | None = None) -> None:
        """Start with nothing sent.

        Args:
            limits: How much may wait to be written.
        """
        self.outbox = Outbox(limits or OutboxLimits())
        self.window_bytes = 0
        self.sent = 0
        self.kind = Kind.DATA
        self._sent_bytes = 0
        self._handled_bytes = 0
        self._kept_bytes = 0
        self._unacknowledged: deque[bytes] = deque()
        self._again: deque[bytes] = deque()

    @property
    def under_way_bytes(self) -> int:
        """How much was sent that the other end has not handled."""
        return self._sent_bytes - self._handled_bytes

    @property
    def acknowledged(self) -> int:
        """The number of the last envelope that the other end has."""
        return self.sent - len(self._unacknowledged)

    def next(self) -> bytes | None:
        """Return the next envelope to write, or None if nothing waits or nothing more may go."""
        if self._again:
            return self._again.popleft()
        if self.under_way_bytes < self.window_bytes:
            waiting = self.outbox.take()
        elif self.under_way_bytes < self.window_bytes + SYSTEM_OVERSHOOT_BYTES:
            waiting = self.outbox.take(system_only=True)
        else:
            return None
        return None if waiting is None else self._number(waiting)

    def acknowledge(self, received: int, handled_bytes: int) -> bool:
        """Take in how far the other end has come.

        Args:
            received: The number of the last envelope that it has.
            handled_bytes: How much of what was sent it has handled.

        Returns:
            Whether it has handled more.

        Raises:
            SequenceError: If that cannot be.
        """
        if received > self.sent:
            raise SequenceError(CloseCode.PROTOCOL_ERROR, "more was acknowledged than was sent")
        while self.acknowledged < received:
            self._kept_bytes -= len(self._unacknowledged.popleft())
        # What was not received cannot have been handled; it would be kept without a bound.
        if not 0 <= handled_bytes <= self._sent_bytes - self._kept_bytes:
            raise SequenceError(CloseCode.PROTOCOL_ERROR, "more was handled than was received")
        moved = handled_bytes > self._handled_bytes
        self._handled_bytes = max(handled_bytes, self._handled_bytes)
        return moved

    def rewind(self, received: int) -> None:
        """Write again, on a new connection, what the other end does not have.

        Args:
            received: The number of the last envelope that it has.

        Raises:
            SequenceError: If what it needs is not here any more.
        """
        if not self.acknowledged <= received <= self.sent:
            raise SequenceError(CloseCode.PROTOCOL_ERROR, "the numbers do not fit")
        self.acknowledge(received, self._handled_bytes)
        self._again = deque(self._unacknowledged)
        self.outbox.reconnected()

    def clear(self) -> None:
        """Forget everything."""
        self.outbox.clear()
        self._unacknowledged.clear()
        self._kept_bytes = 0
        self._again.clear()

    def _number(self, waiting: Waiting) -> bytes:
        self.sent += 1
        self.kind = waiting.kind
        if waiting.lost:
            data = encode(Gap(self.sent, waiting.lost))
        else:
            data = numbered(waiting.data, self.sent)
        self._sent_bytes += len(data)
        self._kept_bytes += len(data)
        self._unacknowledged.append(data)
        return data

    def put(self, data: bytes, kind: Kind) -> None:
        """Add an envelope that was written with number 0.

        Args:
            data: The envelope.
            kind: What becomes of it when the line is too slow.
        """
        self.outbox.put(data, kind)


class Receiver:
    """One direction of a session, at the end that receives.

    Attributes:
        received: The number of the last envelope taken.
        handled_bytes: How much of what was taken has been handled.
    """

    def __init__(self, window_bytes: int, allowance_bytes: int) -> None:
        """Start with nothing received.

        Args:
            window_bytes: How much the other end may send ahead of what was handled.
            allowance_bytes: The largest message, which may begin in the last byte of the window.
        """
        self.received = 0
        self.handled_bytes = 0
        self._taken_bytes = 0
        self._ack_bytes = min(window_bytes / ACK_WINDOW_SHARE, ACK_BYTES)
        self._bound_bytes = window_bytes + allowance_bytes + SYSTEM_OVERSHOOT_BYTES
        self._told = Ack(0, 0)

    def take(self, seq: int, size_bytes: int) -> bool:
        """Take in the next envelope.

        Args:
            seq: Its number.
            size_bytes: Its size.

        Returns:
            False if it was taken before.

        Raises:
            SequenceError: If one is missing before it, or more came than the window allows.
        """
        if seq <= self.received:
            return False
        if seq != self.received + 1:
            raise SequenceError(CloseCode.RESYNC, "an envelope is missing")
        self.received = seq
        self._taken_bytes += size_bytes
        if self._taken_bytes - self.handled_bytes > self._bound_bytes:
            raise SequenceError(CloseCode.WINDOW_EXCEEDED, "more came than was allowed")
        return True

    def handled(self, size_bytes: int) -> None:
        """Note that what was taken has been handled; lets the other end send as much again."""
        self.handled_bytes += size_bytes

    @property
    def ack_due(self) -> bool:
        """Whether the other end should be told how far this end has come."""
        return (
            self.received - self._told.received >= ACK_EVERY
            or self.handled_bytes - self._told.handled_bytes >= self._ack_bytes
        )

    def ack(self) -> bytes:
        """Write how far this end has come."""
        self._told = Ack(self.received, self.handled_bytes)
        return encode(self._told)
