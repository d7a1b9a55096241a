"""Guessed tokens, tickets, ids and secrets: none of them opens anything, and none is free."""

import asyncio
import secrets

import pytest
import websockets
from msgspec import structs
from websockets.asyncio.client import connect

from app.server.identity import rate_limit
from proxy import CloseCode
from proxy.wire import SESSION_HEADER, SUBPROTOCOL, Ack, Hello, Welcome, encode
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, bearer
from tests.app.server.raw import connected
from tests.app.server.test_resume_sessions import HELLO, welcome
from tests.app.server.test_sessions import close_code
from tests.hostile.conftest import Log
from tests.proxy.conversation import within

GUESS = "a-guess-of-somebody"


def greeting(server: Asking, **headers: str) -> "connect":
    return connect(
        f"{server.url}/ws/parrot",
        subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
        additional_headers={**bearer(TOKEN), **headers},
    )


def guess(number: int, address: str | None = None) -> bytes:
    lines = [
        "GET /v1/assistants HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {GUESS}-{number}",
    ]
    if address is not None:
        # A proxy in front says who it is; this machine may.
        lines.append(f"X-Forwarded-For: {address}")
    return "\r\n".join((*lines, "", "")).encode()


async def guesses(server: Asking, requests: list[bytes]) -> dict[str, int]:
    """Send requests over one connection, and count the answers by their status."""
    counted: dict[str, int] = {}
    async with connected(server.url) as raw:
        for at in range(0, len(requests), 50):
            batch = requests[at : at + 50]
            raw.writer.write(b"".join(batch))
            for _ in batch:
                head = await within(raw.reader.readuntil(b"\r\n\r\n"))
                status = head.split(b" ")[1].decode()
                counted[status] = counted.get(status, 0) + 1
                fields = dict(
                    line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line
                )
                assert GUESS.encode() not in head
                body = await within(raw.reader.readexactly(int(fields[b"content-length"])))
                assert GUESS.encode() not in body
    return counted


@pytest.mark.timeout(300)
async def test_of_ten_thousand_wrong_tokens_a_handful_is_looked_at(
    server: Asking, log: Log
) -> None:
    counted = await guesses(server, [guess(number) for number in range(10_000)])
    assert counted.keys() == {"403", "429"}
    # Those of the first moment, and half a one for every second that the test takes.
    assert counted["403"] < 300
    assert counted["403"] + counted["429"] == 10_000
    assert len([line for line in log.lines if "wrong tokens" in line]) <= 40


@pytest.mark.timeout(300)
async def test_wrong_tokens_from_thousands_of_addresses_take_no_more_memory(
    server: Asking, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "MAX_ADDRESSES", 100)
    addresses = [f"10.{number // 250}.{number % 250}.1" for number in range(2_000)]
    requests = [guess(number, address) for number, address in enumerate(addresses)]
    assert await guesses(server, requests) == {"403": 2_000}
    assert len(server.server.state.door.identity._failures._buckets) == 100
    assert await server.listed(TOKEN), "whoever is somewhere else is not kept out"


async def test_a_ticket_that_twenty_show_at_once_lets_one_of_them_in(server: Asking) -> None:
    answer = await server.client.post("/v1/sessions", json={}, headers=bearer(TOKEN))
    url = answer.json()["url"]

    async def enter() -> str:
        try:
            async with connect(url) as socket:
                await within(socket.recv())
                return "in"
        except websockets.InvalidStatus as refused:
            return str(refused.response.status_code)

    came = await within(asyncio.gather(*(enter() for _ in range(20))))
    assert sorted(came) == ["403"] * 19 + ["in"]


async def test_a_resume_token_that_was_used_opens_nothing_once_the_next_is_known(
    server: Asking,
) -> None:
    async with greeting(server) as first:
        await first.send(encode(HELLO))
        one = await welcome(first)
        async with greeting(server) as second:
            await second.send(encode(comes_back(one)))
            two = await welcome(second)
            assert await close_code(first) == CloseCode.SESSION_TAKEN_OVER
            await second.send(encode(Ack(0, 0)))
            await within(server.client.get("/livez"))
            for replayed in (one, structs.replace(one, token=two.token[::-1])):
                async with greeting(server) as thief:
                    await thief.send(encode(comes_back(replayed)))
                    assert await close_code(thief) == CloseCode.SESSION_GONE
            await second.close()


def comes_back(known: Welcome) -> Hello:
    return structs.replace(HELLO, session=known.session, token=known.token)


async def test_ids_that_are_guessed_find_no_session_and_take_no_slot(server: Asking) -> None:
    async with greeting(server) as holder:
        # It gives no further sign of life, and a busy machine takes its time for the guesses.
        await holder.send(encode(structs.replace(HELLO, heartbeat_s=600.0)))
        known = await welcome(holder)
        for number in range(100):
            session = known.session if number % 2 else secrets.token_hex(16)
            async with greeting(server, **{SESSION_HEADER: session}) as guesser:
                hello = structs.replace(HELLO, session=session, token=secrets.token_urlsafe(24))
                await guesser.send(encode(hello))
                assert await close_code(guesser) == CloseCode.SESSION_GONE
        assert server.server.state.slots.taken == 2
        assert holder.close_code is None
