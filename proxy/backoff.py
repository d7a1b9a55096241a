"""How long to wait before dialling again.

Source: exponential backoff with full jitter, as M. Brooker describes it for AWS: callers that lost
their lines at the same moment must not all come back at the same moment.
"""

import itertools
import random
from collections.abc import Callable, Iterator

# The first try comes soon: most connections are lost for a moment.
BASE_S = 0.25
CAP_S = 5.0


def delays_s(
    uniform: Callable[[float, float], float] = random.uniform, *, cap_s: float | None = None
) -> Iterator[float]:
    """Give one delay after the other, in seconds, without end.

    Args:
        uniform: Gives a random number between two.
        cap_s: The longest delay; `CAP_S` by default.
    """
    longest_s = CAP_S if cap_s is None else cap_s
    for attempt in itertools.count():
        yield uniform(0.0, min(longest_s, BASE_S * 2 ** min(attempt, 16)))
