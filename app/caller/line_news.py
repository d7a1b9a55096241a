"""What becomes of the line to an assistant, for whoever shows it to the caller."""

from dataclasses import dataclass
from enum import StrEnum

from proxy import ConnectError


class LinePhase(StrEnum):
    """What happened to a line."""

    CONNECTING = "connecting"
    UP = "up"
    INTERRUPTED = "interrupted"  # it dials again by itself
    RESUMED = "resumed"
    GAP = "gap"  # it goes on, and frames are missing
    ENDED = "ended"


@dataclass(frozen=True)
class LineNews:
    """One thing that happened to a line.

    Attributes:
        phase: What.
        code: The close code, where a connection was lost or the line ended; None if it has none.
        refusal: Why the first dial came to nothing; None if it did not.
    """

    phase: LinePhase
    code: int | None = None
    refusal: ConnectError | None = None
