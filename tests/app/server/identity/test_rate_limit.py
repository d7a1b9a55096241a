"""Wrong credentials: nobody looks at more than so many."""

import contextlib

import pytest
from loguru import logger

from agents import Assistants
from app.processes.ledger import Ledger
from app.server.identity import rate_limit
from app.server.identity.rate_limit import (
    Buckets,
    FailureLimiter,
    OwnBuckets,
    SharedBuckets,
)
from app.server.refusal import TurnedAwayError
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import asking, bearer
from tests.app.server.identity.test_tokens import Clock


def buckets_of(shared: Ledger | None, per_minute: int, clock: Clock) -> Buckets:
    if shared is None:
        return OwnBuckets(per_minute, clock)
    return SharedBuckets(per_minute, shared, clock)


def limiter_of(shared: Ledger | None, per_minute: int, clock: Clock) -> FailureLimiter:
    return FailureLimiter(buckets_of(shared, per_minute, clock), clock)


def refused(limiter: FailureLimiter, address: str) -> int | None:
    """Tell after how long an address is listened to again; None if it is now."""
    with contextlib.suppress(TurnedAwayError):
        limiter.check(address)
        return None
    with pytest.raises(TurnedAwayError) as turned_away:
        limiter.check(address)
    assert turned_away.value.refusal.status == 429
    return turned_away.value.refusal.retry_after_s


def test_beyond_so_many_an_address_has_to_wait_and_others_do_not(shared: Ledger | None) -> None:
    clock = Clock()
    limiter = limiter_of(shared, 3, clock)
    for _ in range(3):
        assert refused(limiter, "192.0.2.1") is None
        limiter.count("192.0.2.1")
    assert refused(limiter, "192.0.2.1") == 20
    assert refused(limiter, "192.0.2.2") is None
    clock.now += 19.0
    assert refused(limiter, "192.0.2.1") == 1
    clock.now += 1.0
    assert refused(limiter, "192.0.2.1") is None
    limiter.count("192.0.2.1")
    assert refused(limiter, "192.0.2.1") == 20


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("testclient", "testclient", True),
        ("", "192.0.2.1", False),
    ],
)
def test_what_counts_as_one_address(
    one: str, other: str, same: bool, shared: Ledger | None
) -> None:
    limiter = limiter_of(shared, 1, Clock())
    limiter.count(one)
    assert (refused(limiter, other) is not None) is same


def test_there_are_only_so_many_addresses(
    monkeypatch: pytest.MonkeyPatch, shared: Ledger | None
) -> None:
    monkeypatch.setattr(rate_limit, "MAX_ADDRESSES", 10)
    buckets = buckets_of(shared, 1, clock := Clock())
    limiter = FailureLimiter(buckets, clock)
    limiter.count("192.0.2.200")
    for number in range(100):
        clock.now += 0.001
        limiter.count(f"198.51.100.{number}")
        limiter.count("192.0.2.200")
    assert len(buckets) == 10
    assert refused(limiter, "192.0.2.200") is not None, "who goes on is not forgotten"
    assert refused(limiter, "198.51.100.0") is None


def test_the_log_says_so_in_a_few_lines(shared: Ledger | None) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    limiter = limiter_of(shared, 1, Clock())
    for number in range(1000):
        limiter.count(f"198.51.{number // 250}.{number % 250}")
    logger.remove(sink)
    assert len(lines) == rate_limit.LOG_BURST


async def test_after_too_many_wrong_tokens_not_even_a_right_one_is_looked_at(
    assistants: Assistants,
) -> None:
    async with asking(assistants, tokens=TOKEN, wrong_tokens_per_minute=3) as server:
        for _ in range(3):
            assert await server.code("a-wrong-token") == "403 wrong_token"
        for token in ("a-wrong-token", TOKEN):
            assert await server.code(token) == "429 too_many_wrong_tokens"
        answer = await server.client.get("/v1/assistants", headers=bearer(TOKEN))
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 20
        assert await server.code(None) == "401 no_token"
        assert (await server.client.get("/readyz")).status_code == 200


async def test_a_request_without_a_token_is_no_guess(assistants: Assistants) -> None:
    async with asking(assistants, tokens=TOKEN, wrong_tokens_per_minute=1) as server:
        for _ in range(5):
            assert await server.code(None) == "401 no_token"
        assert await server.enters(TOKEN) == "token-1"


async def test_tokens_are_compared_in_a_time_that_says_nothing(
    assistants: Assistants, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []

    def comparing(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr("app.server.identity.identity.hmac.compare_digest", comparing)
    tokens = f"{TOKEN},another-token-of-the-tests,a-third-token-of-the-tests"
    async with asking(assistants, tokens=tokens) as server:
        assert await server.listed(TOKEN)
    assert len(compared) == 3
