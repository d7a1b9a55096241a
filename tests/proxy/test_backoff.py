"""The waits between one dial and the next."""

import itertools
import random

from proxy.backoff import BASE_S, CAP_S, delays_s


def longest(_: float, high: float) -> float:
    return high


def test_the_longest_wait_doubles_until_its_cap_and_stays_there() -> None:
    waits = list(itertools.islice(delays_s(longest), 8))
    assert waits == [BASE_S, 0.5, 1.0, 2.0, 4.0, CAP_S, CAP_S, CAP_S]


def test_it_never_ends_and_never_overflows() -> None:
    assert next(itertools.islice(delays_s(longest), 5000, None)) == CAP_S


def test_a_wait_is_anything_from_nothing_to_the_longest() -> None:
    chance = random.Random(1)
    for _ in range(100):
        for wait, cap in zip(delays_s(chance.uniform), (0.25, 0.5, 1.0), strict=False):
            assert 0.0 <= wait <= cap


def test_two_callers_do_not_come_back_together() -> None:
    one, other = (list(itertools.islice(delays_s(), 5)) for _ in range(2))
    assert one != other
