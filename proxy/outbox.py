"""What waits to be written to the link, bounded in bytes.

System messages go first, then everything else in order. When more waits than the line can take,
media goes overboard, oldest first, and is counted: half a second of old sound is worth nothing.
Speech is different: a voice makes a sentence faster than anybody can listen, and a sentence with
holes is worth nothing. It is kept, and whoever sends it waits. Everything else is kept until a hard
bound.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from pipecat.bus.messages import BusFrameMessage, BusMessage, BusSystemMessage
from pipecat.frames.frames import AudioRawFrame, Frame, ImageRawFrame, TTSAudioRawFrame

from proxy.codec.rules import SHOWN

_MEDIA = (AudioRawFrame, ImageRawFrame)

# Places of dropped messages that are kept beyond as many as there are messages.
SPARE_PLACES = 64


class Kind(StrEnum):
    """What becomes of a message when the line is too slow for it."""

    SYSTEM = "system"  # goes ahead of everything else
    DATA = "data"  # kept, in order
    FRAME = "frame"  # kept, in order; may be given up while there is no connection
    SHOWN = "shown"  # the same, for the caller's screen; no part of the conversation
    SPEECH = "speech"  # the same, and dropped as soon as it was interrupted
    MEDIA = "media"  # dropped, oldest first


# What may be given up while there is no connection.
_FRAMES = (Kind.FRAME, Kind.SHOWN, Kind.SPEECH)

_KINDS: dict[type[Frame], Kind] = dict.fromkeys(SHOWN, Kind.SHOWN)


def kind_of(message: BusMessage) -> Kind:
    """Tell what becomes of a message when the line is too slow for it."""
    if isinstance(message, BusFrameMessage):
        frame = type(message.frame)
        return _KINDS.get(frame) or kind_of_frame(frame)
    return Kind.SYSTEM if isinstance(message, BusSystemMessage) else Kind.DATA


def kind_of_frame(frame: type[Frame]) -> Kind:
    """Tell the same of a frame by its type."""
    kind = _KINDS.get(frame)
    if kind is None:
        media = Kind.SPEECH if issubclass(frame, TTSAudioRawFrame) else Kind.MEDIA
        kind = _KINDS[frame] = media if issubclass(frame, _MEDIA) else Kind.FRAME
    return kind


@dataclass(frozen=True)
class OutboxLimits:
    """How much may wait.

    Attributes:
        media_bytes: Above this much in all, media is dropped. A second of 24 kHz speech is 48 kB.
        ample_bytes: Above this much, whoever sends should wait.
        total_bytes: Above this much, the line is given up. While there is a connection, a message
            that is larger by itself may wait beside it, one at a time; and what gathered while
            there was none, until it is written.
    """

    media_bytes: int = 256 * 1024
    ample_bytes: int = 512 * 1024
    total_bytes: int = 1024 * 1024

    @classmethod
    def within(cls, total_bytes: int) -> "OutboxLimits":
        """Return the bounds that go with a hard one."""
        return cls(total_bytes // 4, total_bytes // 2, total_bytes)


@dataclass(slots=True, eq=False)
class Waiting:
    """One message, or the place of some that were given up.

    Attributes:
        data: The encoded message.
        kind: What becomes of it.
        lost: How many frames were given up here; then there is no message.
        dropped: Whether it was dropped without leaving a trace.
    """

    data: bytes
    kind: Kind
    lost: int = 0
    dropped: bool = False


@dataclass
class Outbox:
    """Encoded messages in the order in which they will be written.

    Attributes:
        limits: The bounds.
        size_bytes: What waits now.
        dropped_media: Messages with media or speech dropped so far.
    """

    limits: OutboxLimits = field(default_factory=OutboxLimits)
    size_bytes: int = 0
    dropped_media: int = 0
    _count: int = 0
    _largest_bytes: int = 0  # of what has waited since nothing did
    _backlog_bytes: int = 0  # of what gathered without a connection, what may still wait
    _system: deque[Waiting] = field(default_factory=deque)
    _data: deque[Waiting] = field(default_factory=deque)
    _media: deque[Waiting] = field(default_factory=deque)  # of _data, those that may be dropped
    _frames: deque[Waiting] = field(default_factory=deque)
    _gap: Waiting | None = None

    def __len__(self) -> int:
        """Count the messages that wait."""
        return self._count

    def overflows(self) -> bool:
        """Tell whether more waits than the hard bound allows; one message always may."""
        messages = self._count - (self._gap is not None)
        return self.size_bytes > self.limits.total_bytes and messages > 1

    def overwhelms(self) -> bool:
        """Tell whether more waits for a peer that reads than the hard bound and one message.

        Nobody who has just come back is too slow for what gathered meanwhile.
        """
        total_bytes = self.limits.total_bytes
        beyond_bytes = self._largest_bytes if self._largest_bytes > total_bytes else 0
        return self.size_bytes - beyond_bytes - self._backlog_bytes > total_bytes

    @property
    def ample(self) -> bool:
        """Whether so much waits that whoever sends should wait."""
        return self.size_bytes > self.limits.ample_bytes

    def reconnected(self) -> None:
        """Note that what waits gathered without a connection, and that there is one again."""
        self._backlog_bytes = min(self.size_bytes, self.limits.total_bytes)

    def put(self, data: bytes, kind: Kind) -> None:
        """Add a message at the end of its lane.

        Args:
            data: The encoded message.
            kind: What becomes of it when the line is too slow.
        """
        waiting = Waiting(data, kind)
        lane = self._system if kind is Kind.SYSTEM else self._data
        lane.append(waiting)
        self._largest_bytes = max(self._largest_bytes if self.size_bytes else 0, len(data))
        self._backlog_bytes = min(self._backlog_bytes, self.size_bytes)
        self.size_bytes += len(data)
        self._count += 1
        if kind is Kind.MEDIA:
            self._media.append(waiting)
        elif kind in _FRAMES:
            self._frames.append(waiting)
        if self._media and self.size_bytes > self.limits.media_bytes:
            self._shed_media(self.limits.media_bytes)
        if len(self._data) > 2 * self._count + SPARE_PLACES:
            self._data = deque(one for one in self._data if not one.dropped)

    def take(self, *, system_only: bool = False) -> Waiting | None:
        """Remove and return the next message to write, or None if nothing waits.

        Args:
            system_only: Leave everything that is not a system message.
        """
        if self._system:
            return self._taken(self._system.popleft())
        while self._data and not system_only:
            waiting = self._data.popleft()
            if waiting.dropped:
                continue
            if waiting.lost:
                self._gap = None
                self._count -= 1
                return waiting
            if waiting.kind is Kind.MEDIA:
                self._media.popleft()
            elif waiting.kind in _FRAMES:
                self._frames.popleft()
            return self._taken(waiting)
        return None

    def drop_media(self) -> int:
        """Drop all media and speech that waits, because nobody wants to hear it any more.

        Returns:
            How many messages that were.
        """
        before = self.dropped_media
        self._shed_media(-1)
        for waiting in self._frames:
            if waiting.kind is Kind.SPEECH:
                self._drop(waiting)
        self._frames = deque(waiting for waiting in self._frames if not waiting.dropped)
        return self.dropped_media - before

    def give_up_frames(self) -> int:
        """Give up frames, oldest first, until what waits is within the hard bound.

        Returns:
            How many; their place in the order is kept.
        """
        lost = 0
        while self.overflows() and self._frames:
            oldest = self._frames.popleft()
            self.size_bytes -= len(oldest.data)
            self._count -= 1
            oldest.data = b""
            lost += 1
            if self._gap is None:
                self._gap = oldest
                self._count += 1
            else:
                oldest.dropped = True
            self._gap.lost += 1
        return lost

    def clear(self) -> None:
        """Forget everything that waits."""
        for lane in (self._system, self._data, self._media, self._frames):
            lane.clear()
        self.size_bytes = self._backlog_bytes = self._count = 0
        self._gap = None

    def _taken(self, waiting: Waiting) -> Waiting:
        self.size_bytes -= len(waiting.data)
        self._count -= 1
        return waiting

    def _shed_media(self, down_to_bytes: int) -> None:
        while self._media and self.size_bytes > down_to_bytes:
            self._drop(self._media.popleft())

    def _drop(self, waiting: Waiting) -> None:
        self.size_bytes -= len(waiting.data)
        self._count -= 1
        self.dropped_media += 1
        waiting.data = b""
        waiting.dropped = True
