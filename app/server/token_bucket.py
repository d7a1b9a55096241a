"""A bound on how often something may happen: so many at once, so many a second on average."""

from collections.abc import Callable


class TokenBucket:
    """Fills up at a steady rate; whatever happens takes one token out."""

    def __init__(self, size: int, rate_hz: float, clock: Callable[[], float]) -> None:
        """Start full.

        Args:
            size: How many there may be at once.
            rate_hz: How many come back in a second.
            clock: Tells the time in seconds.
        """
        self._size = size
        self._rate_hz = rate_hz
        self._clock = clock
        self._level = float(size)
        self._filled_at = clock()

    @property
    def ready_in_s(self) -> float:
        """How long it takes until there is one to take; 0 if there is."""
        self._fill()
        return max(0.0, (1 - self._level) / self._rate_hz)

    def take(self) -> bool:
        """Take one out, and tell whether there was one."""
        self._fill()
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self._size, self._level + (now - self._filled_at) * self._rate_hz)
        self._filled_at = now
