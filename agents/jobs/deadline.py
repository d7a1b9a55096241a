"""How long a job may take, and how that travels with it.

A deadline crosses every bus and every line as the seconds that are left, because the clocks of two
machines need not agree. It lives in the payload of a job's request, and in the metadata of an
activation, under `REMAINING_S`: both are plain values in every codec, Pipecat's own included, and a
task that knows nothing of deadlines finds one key more than it expected. Our tasks take it out
before a handler sees the payload.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Seconds left of a job's or a handoff's deadline, a number.
REMAINING_S = "trunkline.remaining_s"

# What a job gets that asks for nothing: long for a caller who waits in silence.
DEFAULT_TIMEOUT_S = 30.0

# The most that a job gets whatever it asks for, so that nobody waits for ever.
LONGEST_S = 3600.0


@dataclass(frozen=True, order=True)
class Deadline:
    """A point in time, by the clock of this process's event loop.

    Attributes:
        at: Seconds on that clock.
    """

    at: float

    @classmethod
    def after(cls, timeout_s: float) -> "Deadline":
        """Return the deadline that is so many seconds away, `LONGEST_S` at most."""
        return cls(asyncio.get_running_loop().time() + min(timeout_s, LONGEST_S))

    @property
    def remaining_s(self) -> float:
        """How much is left; 0.0 once it has passed."""
        return max(0.0, self.at - asyncio.get_running_loop().time())

    @property
    def passed(self) -> bool:
        """Whether nothing is left."""
        return self.remaining_s <= 0.0


def stamped(values: Mapping[str, Any] | None, deadline: Deadline) -> dict[str, Any]:
    """Return a payload or metadata with what is left of a deadline in it.

    Args:
        values: What is there already.
        deadline: The deadline.
    """
    return {**(values or {}), REMAINING_S: deadline.remaining_s}


def unstamped(values: Mapping[str, Any] | None) -> tuple[dict[str, Any] | None, Deadline | None]:
    """Take a deadline out of what came.

    Args:
        values: A payload or metadata.

    Returns:
        The rest, None if nothing is left; and the deadline, None if there was no number.
    """
    if values is None or REMAINING_S not in values:
        return (None if values is None else dict(values)), None
    rest = {key: value for key, value in values.items() if key != REMAINING_S}
    return rest or None, _deadline(values[REMAINING_S])


def _deadline(left: object) -> Deadline | None:
    if isinstance(left, bool) or not isinstance(left, int | float) or math.isnan(left):
        return None
    return Deadline.after(left)
