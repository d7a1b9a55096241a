"""What waits to be written to the link, bounded in bytes.

System messages go first, then everything else in order. When more waits than the line can take,
media goes overboard, oldest first, and is counted: half a second of old sound is worth nothing.
Everything else is kept until a hard bound; past it the line is given up.
"""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class OutboxLimits:
    """How much may wait.

    Attributes:
        media_bytes: Above this much in all, media is dropped. A second of 24 kHz speech is 48 kB.
        total_bytes: Above this much, the line is given up.
    """

    media_bytes: int = 256 * 1024
    total_bytes: int = 2 * 1024 * 1024


@dataclass
class _Waiting:
    data: bytes
    media: bool


@dataclass
class Outbox:
    """Encoded messages in the order in which they will be written.

    Attributes:
        limits: The bounds.
        size_bytes: What waits now.
        dropped_media: Media messages dropped so far.
    """

    limits: OutboxLimits = field(default_factory=OutboxLimits)
    size_bytes: int = 0
    dropped_media: int = 0
    _media: int = 0
    _system: deque[_Waiting] = field(default_factory=deque)
    _data: deque[_Waiting] = field(default_factory=deque)

    def __len__(self) -> int:
        """Count the messages that wait."""
        return len(self._system) + len(self._data)

    @property
    def overflowed(self) -> bool:
        """Whether more waits than the hard bound allows."""
        return self.size_bytes > self.limits.total_bytes

    def put(self, data: bytes, *, system: bool = False, media: bool = False) -> None:
        """Add a message at the end of its lane.

        Args:
            data: The encoded message.
            system: Whether it goes ahead of everything that is not.
            media: Whether it may be dropped when the line is too slow.
        """
        lane = self._system if system and not media else self._data
        lane.append(_Waiting(data, media))
        self.size_bytes += len(data)
        self._media += media
        if self._media and self.size_bytes > self.limits.media_bytes:
            self._drop_media()

    def take(self) -> bytes | None:
        """Remove and return the next message to write, or None if nothing waits."""
        lane = self._system or self._data
        if not lane:
            return None
        waiting = lane.popleft()
        self.size_bytes -= len(waiting.data)
        self._media -= waiting.media
        return waiting.data

    def clear(self) -> None:
        """Forget everything that waits."""
        self._system.clear()
        self._data.clear()
        self.size_bytes = self._media = 0

    def _drop_media(self) -> None:
        kept: deque[_Waiting] = deque()
        excess = self.size_bytes - self.limits.media_bytes
        for waiting in self._data:
            if excess > 0 and waiting.media:
                excess -= len(waiting.data)
                self.size_bytes -= len(waiting.data)
                self._media -= 1
                self.dropped_media += 1
            else:
                kept.append(waiting)
        self._data = kept
