"""Keys of a URL: fetched when they are needed, once, and not for ever."""

import asyncio
import base64

import pytest
from loguru import logger

from app.server.identity import keys
from app.server.identity.keys import RemoteKeys
from app.server.identity.wrong import WrongCredentialError
from app.server.refusal import TurnedAwayError
from tests.app.server.identity.issuer import OTHER, PRIVATE, SECRET, Issuer, public
from tests.app.server.identity.test_tokens import Clock
from tests.proxy.conversation import within


def remote(issuer: Issuer, clock: Clock) -> RemoteKeys:
    return RemoteKeys(issuer.url, frozenset({"RS256"}), clock=clock)


async def absent(keys: RemoteKeys, key_id: str | None) -> None:
    with pytest.raises(WrongCredentialError):
        await keys.find(key_id)


async def unavailable(keys: RemoteKeys) -> None:
    with pytest.raises(TurnedAwayError) as turned_away:
        await keys.find("one")
    assert turned_away.value.refusal.status == 503


async def test_many_callers_at_once_make_one_request(issuer: Issuer) -> None:
    remote_keys = remote(issuer, Clock())
    found = await within(asyncio.gather(*(remote_keys.find("one") for _ in range(100))))
    assert (issuer.asked, len(found)) == (1, 100)


async def test_an_unknown_key_is_asked_for_once_a_minute(issuer: Issuer) -> None:
    clock = Clock()
    remote_keys = remote(issuer, clock)
    await remote_keys.find("one")
    for number in range(100):
        await absent(remote_keys, f"made-up-{number}")
    assert issuer.asked == 2
    issuer.keys.append(public(OTHER, "two"))
    clock.now += 59.0
    await absent(remote_keys, "two")
    clock.now += 1.0
    assert (await within(remote_keys.find("two"))).key_id == "two"
    assert issuer.asked == 3


async def test_callers_with_an_unknown_key_wait_for_the_request_that_is_under_way(
    issuer: Issuer,
) -> None:
    clock = Clock()
    remote_keys = remote(issuer, clock)
    await remote_keys.find("one")
    issuer.keys.append(public(OTHER, "two"))
    found = await within(asyncio.gather(*(remote_keys.find("two") for _ in range(10))))
    assert [key.key_id for key in found] == ["two"] * 10
    assert issuer.asked == 2


async def test_one_caller_who_gives_up_leaves_the_request_to_the_others(issuer: Issuer) -> None:
    issuer.held.clear()
    remote_keys = remote(issuer, Clock())
    one, two = (asyncio.create_task(remote_keys.find("one")) for _ in range(2))
    await within(issuer.waiting.wait())
    one.cancel()
    issuer.held.set()
    assert (await within(two)).key_id == "one"
    assert issuer.asked == 1


async def test_old_keys_go_on_while_new_ones_are_fetched(issuer: Issuer) -> None:
    clock = Clock()
    remote_keys = remote(issuer, clock)
    await remote_keys.find("one")
    clock.now += keys.FRESH_S
    issuer.held.clear()
    issuer.waiting.clear()
    assert (await within(remote_keys.find("one"))).key_id == "one"
    await within(issuer.waiting.wait())
    await remote_keys.close()
    assert issuer.asked == 2


async def test_keys_are_not_used_for_ever(issuer: Issuer) -> None:
    clock = Clock()
    remote_keys = remote(issuer, clock)
    await remote_keys.find("one")
    issuer.status = 503
    clock.now += keys.KEEP_S
    await unavailable(remote_keys)
    await unavailable(remote_keys)
    assert issuer.asked == 2
    issuer.status = 200
    clock.now += keys.RETRY_S
    assert (await within(remote_keys.find("one"))).key_id == "one"


async def test_a_token_without_a_key_id_is_checked_if_there_is_one_key(issuer: Issuer) -> None:
    clock = Clock()
    remote_keys = remote(issuer, clock)
    assert (await remote_keys.find(None)).key_id == "one"
    issuer.keys.append(public(OTHER, "two"))
    await absent(remote_keys, "made-up")
    await absent(remote_keys, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        b"[]",
        b'{"keys": {}}',
        b'{"keys": [' + b"[" * 100_000,
        b'{"keys": []}' + b" " * keys.MAX_SET_BYTES,
    ],
)
async def test_what_is_no_set_of_keys_is_none(issuer: Issuer, body: bytes) -> None:
    issuer.body = body
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    await unavailable(remote(issuer, Clock()))
    logger.remove(sink)
    assert len(lines) == 1
    assert issuer.url not in lines[0]


async def test_keys_that_are_not_for_this_are_passed_over(issuer: Issuer) -> None:
    secret = base64.urlsafe_b64encode(SECRET).decode()
    issuer.keys = [
        "rubbish",
        {"kid": "one"},
        {"kty": "oct", "k": secret, "kid": "one", "alg": "HS256"},
        public(OTHER, "one", use="enc"),
        public(OTHER, "one", alg="RS512"),
        {"kty": "RSA", "kid": "one", "n": "!", "e": "!"},
        public(PRIVATE, "one"),
    ]
    key = await within(remote(issuer, Clock()).find("one"))
    assert key.key.public_numbers() == PRIVATE.public_key().public_numbers()


async def test_a_url_that_hangs_is_given_up(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "FETCH_TIMEOUT_S", 0.05)
    issuer.held.clear()
    await within(unavailable(remote(issuer, Clock())))
