"""How much one question about a project may cost."""

import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """What tools may read and return.

    Attributes:
        call_s: How long one tool may take; a cold disk reads a large project in less.
        entries: Directory entries that one tool looks at.
        depth: Directories inside of directories that are entered.
        file_bytes: The part of a file that is looked at.
        total_bytes: What one tool reads of all files together.
        result_bytes: The longest result.
        lines: Lines of a file in one result.
        matches: Matches in one result.
    """

    call_s: float = 5.0
    entries: int = 50_000
    depth: int = 24
    file_bytes: int = 2 * 1024 * 1024
    total_bytes: int = 64 * 1024 * 1024
    result_bytes: int = 16 * 1024
    lines: int = 300
    matches: int = 200


class SpentError(Exception):
    """A tool has used up what it may, or nobody waits for it any more."""


@dataclass
class Budget:
    """What is left to one call of a tool; used in one thread, cancelled from another.

    Attributes:
        limits: What it may use.
        cancelled: Set once nobody waits any more.
        entries: Directory entries that are left.
        bytes_left: Bytes of files that are left.
        spent: Whether there was not enough.
    """

    limits: Limits
    cancelled: threading.Event = field(default_factory=threading.Event)
    entries: int = field(init=False)
    bytes_left: int = field(init=False)
    spent: bool = False
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.entries = self.limits.entries
        self.bytes_left = self.limits.total_bytes
        self._until = time.monotonic() + self.limits.call_s

    def spend(self, *, entries: int = 0, size_bytes: int = 0) -> None:
        """Take from what is left.

        Args:
            entries: Directory entries.
            size_bytes: Bytes of a file.

        Raises:
            SpentError: If there is not so much left, or no time.
        """
        self.entries -= entries
        self.bytes_left -= size_bytes
        late = time.monotonic() > self._until or self.cancelled.is_set()
        if late or self.entries < 0 or self.bytes_left < 0:
            self.spent = True
            raise SpentError
