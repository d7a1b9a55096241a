"""Bus messages as envelopes, and back: names become places in the two lists of tasks."""

from collections.abc import Iterable, Sequence

from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection

from proxy.codec.plan import Template
from proxy.codec.trunk import TrunkCodec, write_envelope
from proxy.errors import CodecError
from proxy.filter import DropReason, Filter
from proxy.wire import FrameEnvelope, Key, MessageEnvelope

_DIRECTIONS = (FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM)

# Building one message from another takes a third of the time that its constructor takes.
_MESSAGE = Template(
    BusFrameMessage,
    vars(BusFrameMessage(source="", frame=Frame(), direction=FrameDirection.DOWNSTREAM)),
)


class RefusedEnvelopeError(CodecError):
    """An envelope that can be read, and that this end does not take.

    Attributes:
        reason: Why.
    """

    def __init__(self, reason: DropReason) -> None:
        """Remember why.

        Args:
            reason: Why.
        """
        super().__init__(f"refused ({reason})")
        self.reason = reason


class Carrier:
    """Writes and reads the messages of one line.

    Attributes:
        codec: How frames and messages are written.
        remote: The other end's tasks as this side calls them, in the other end's order.
    """

    def __init__(self, codec: TrunkCodec, filter_: Filter) -> None:
        """Begin without knowing the other end.

        Args:
            codec: How frames and messages are written.
            filter_: Knows this side's tasks, in the order that the other end is told.
        """
        self.codec = codec
        self.remote: Sequence[str] = ()
        self._filter = filter_
        self._places = {name: place for place, name in enumerate(filter_.exported)}
        self._remote_places: dict[str, int] = {}
        # Of the frames in the table, those that came before.
        self._refusals: dict[Key, DropReason | None] = {}

    def meet(self, remote: Sequence[str], places: dict[str, int]) -> None:
        """Learn the other end's tasks.

        Args:
            remote: What each is called here, in its order; a name may come more than once.
            places: Where each name is to be sent.
        """
        self.remote = tuple(remote)
        self._remote_places = places

    def named(self, places: Iterable[int]) -> tuple[str, ...]:
        """Return the names of tasks of the other end, of those that have a name of their own here.

        Args:
            places: Their places in its list.
        """
        known = [(self.remote[place], place) for place in places if place < len(self.remote)]
        return tuple(name for name, place in known if self._remote_places.get(name) == place)

    def wants(self, types: Iterable[type[Frame]]) -> tuple[Key, ...]:
        """Return the numbers or names of frame classes."""
        return tuple(map(self.codec.frame_key, types))

    def write(self, message: BusMessage) -> bytes:
        """Write a message as an envelope with number 0.

        Raises:
            CodecError: If it does not cross, the other end has no such task, or a value does not
                fit its declared type.
        """
        source = self._places[message.source]
        target = None if message.target is None else self._remote_places.get(message.target)
        if target is None and message.target is not None:
            raise CodecError("the other end has no such task")
        if not isinstance(message, BusFrameMessage):
            key, fields = self.codec.pack_message(message)
            return write_envelope(MessageEnvelope(0, key, fields, source, target or 0))
        key, fields = self.codec.pack_frame(message.frame)
        upstream = int(message.direction is FrameDirection.UPSTREAM)
        return write_envelope(
            FrameEnvelope(0, key, fields, upstream, source, target, message.bridge)
        )

    def read(self, envelope: FrameEnvelope | MessageEnvelope) -> BusMessage:
        """Read a message.

        Raises:
            RefusedEnvelopeError: If it is a frame that this end does not take, or from or for a
                task that there is not.
            UnknownTypeError: If the table has no such message.
            ContextMismatchError: If a conversation does not extend the last one.
            CodecError: If a field does not fit its declared type.
        """
        if isinstance(envelope, FrameEnvelope):
            return self._read_frame(envelope)
        source = _at(self.remote, envelope.source)
        target = _at(self._filter.exported, envelope.target)
        return self.codec.unpack_message(envelope.message, envelope.fields, source, target)

    def weigh(self, message: BusMessage, size_bytes: int) -> int:
        """Tell how much memory a message that was just read is worth, about.

        Args:
            message: What `read` gave.
            size_bytes: How large its envelope was. A conversation that came as a difference is
                worth its whole length.
        """
        if isinstance(message, BusFrameMessage) and isinstance(message.frame, LLMContextFrame):
            return max(size_bytes, self.codec.conversation_bytes)
        return size_bytes

    def _read_frame(self, envelope: FrameEnvelope) -> BusFrameMessage:
        key = envelope.frame
        refused = self._refusals[key] if key in self._refusals else self._judge(key)
        if refused is not None:
            raise RefusedEnvelopeError(refused)
        target = envelope.target
        made, held = _MESSAGE.make()
        held["source"] = _at(self.remote, envelope.source)
        held["target"] = None if target is None else _at(self._filter.exported, target)
        held["frame"] = self.codec.unpack_frame(key, envelope.fields)
        held["direction"] = _DIRECTIONS[envelope.direction]
        held["bridge"] = envelope.bridge
        message: BusFrameMessage = made
        return message

    def _judge(self, key: Key) -> DropReason | None:
        cls = self.codec.frame_class(key)
        if cls is None:
            return DropReason.TYPE
        refused = self._filter.inbound_frames.judge(cls)
        self._refusals[key] = refused
        return refused


def _at(names: Sequence[str], place: int) -> str:
    if place >= len(names):
        raise RefusedEnvelopeError(DropReason.TARGET)
    return names[place]
