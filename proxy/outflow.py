"""What one end of a `trunkline.v1` line writes: messages as envelopes, into what waits to go."""

from loguru import logger
from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import InterruptionFrame, LLMContextFrame

from proxy.carrier import Carrier
from proxy.dialect import Direction, LineStats
from proxy.errors import CodecError
from proxy.filter import DropReason
from proxy.outbox import Kind, kind_of
from proxy.sequence import Sender

_OUT = Direction.OUT


class Outflow:
    """The way out of one end.

    Attributes:
        max_message_bytes: The largest envelope that the other end takes.
    """

    def __init__(self, carrier: Carrier, sender: Sender, stats: LineStats, max_bytes: int) -> None:
        """Begin with nothing written.

        Args:
            carrier: Writes messages.
            sender: Takes them.
            stats: Counts what did not go.
            max_bytes: The largest envelope, until the other end says what it takes.
        """
        self.max_message_bytes = max_bytes
        self._carrier = carrier
        self._sender = sender
        self._stats = stats
        self._last_context: BusFrameMessage | None = None

    def write(self, message: BusMessage) -> bool:
        """Put a message into the outbox; tell whether it could be written."""
        try:
            data = self._carrier.write(message)
        except CodecError as error:
            logger.error(f"A message cannot cross: {error}")
            self._stats.dropped(_OUT, DropReason.CODEC, kind_of(message))
            return False
        if len(data) > self.max_message_bytes:
            logger.error(f"A message of {len(data)} bytes cannot cross")
            self._stats.dropped(_OUT, DropReason.TOO_BIG, kind_of(message))
            self._carrier.codec.forget_context()
            return False
        if isinstance(message, BusFrameMessage):
            self._note(message)
        self.put(data, kind_of(message))
        return True

    def put(self, data: bytes, kind: Kind) -> None:
        """Put an envelope that was written with number 0 into the outbox.

        Args:
            data: The envelope.
            kind: What becomes of it when the line is too slow.
        """
        outbox = self._sender.outbox
        dropped_before = outbox.dropped_media
        self._sender.put(data, kind)
        lost = outbox.dropped_media - dropped_before
        self._stats.dropped(_OUT, DropReason.SLOW, Kind.MEDIA, lost)

    def write_whole(self) -> None:
        """Write the last conversation again, whole."""
        self._carrier.codec.forget_context()
        if self._last_context is not None:
            self.write(self._last_context)

    def give_up(self) -> int:
        """Give up frames until what waits is within its bound; tell how many."""
        lost = self._sender.outbox.give_up_frames()
        self._carrier.codec.forget_context()
        self._stats.dropped(_OUT, DropReason.LOST, Kind.FRAME, lost)
        return lost

    def clear(self) -> None:
        """Forget everything."""
        self._sender.clear()
        self._last_context = None

    def _note(self, message: BusFrameMessage) -> None:
        """Remember the last conversation; an interruption makes sound that waits worthless."""
        if isinstance(message.frame, LLMContextFrame):
            self._last_context = message
        elif isinstance(message.frame, InterruptionFrame):
            dropped = self._sender.outbox.drop_media()
            self._stats.dropped(_OUT, DropReason.STALE, Kind.SPEECH, dropped)
