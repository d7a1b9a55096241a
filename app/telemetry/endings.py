"""Why sessions ended in the last hour, by the minute."""

import time
from collections import Counter
from collections.abc import Callable, Mapping

MINUTES = 60


class RecentEndings:
    """Counts endings by reason, and forgets those that are more than an hour ago."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none.

        Args:
            clock: Gives the time in seconds.
        """
        self._clock = clock
        self._began_at = clock()
        self._minutes: dict[int, Counter[str]] = {}

    @property
    def covers_s(self) -> float:
        """How far back it reaches, in seconds; an hour at most."""
        return min(self._clock() - self._began_at, MINUTES * 60.0)

    def add(self, reason: str) -> None:
        """Count one that ended now.

        Args:
            reason: Why; there are few.
        """
        minute = self._minute()
        self._minutes.setdefault(minute, Counter())[reason] += 1
        for old in [one for one in self._minutes if one <= minute - MINUTES]:
            del self._minutes[old]

    def by_minute(self) -> Mapping[int, Mapping[str, int]]:
        """Give how many ended, by reason, by how many minutes ago; 0 is the one under way."""
        now = self._minute()
        return {
            now - minute: dict(counts)
            for minute, counts in self._minutes.items()
            if minute > now - MINUTES
        }

    def _minute(self) -> int:
        return int(self._clock() // 60)
