"""Tickets: once, soon, and for what they were made."""

from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from starlette.requests import HTTPConnection
from websockets.asyncio.client import connect

from agents import Assistants
from app.processes.ledger import Ledger
from app.server.identity import Identity, Principal, tickets, token_file
from app.server.identity.tickets import OwnTickets, SharedTickets, Tickets
from app.server.identity.wrong import WrongCredentialError
from app.server.refusal import TurnedAwayError
from app.settings import Settings
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, asking, bearer
from tests.app.server.identity.test_tokens import Clock, added
from tests.app.server.test_door import refusal
from tests.app.server.test_sessions import ready, say

ADA = Principal("ada", None)


def office_of(shared: Ledger | None, clock: Clock) -> Tickets:
    return OwnTickets(clock) if shared is None else SharedTickets(shared, clock)


def wrong(office: Tickets, ticket: str, assistant: str = "acme") -> bool:
    try:
        office.redeem(ticket, assistant)
    except WrongCredentialError:
        return True
    return False


def test_a_ticket_is_good_once(shared: Ledger | None) -> None:
    office = office_of(shared, Clock())
    ticket = office.issue(ADA, "acme")
    assert office.redeem(ticket, "acme") == ADA
    assert wrong(office, ticket)
    assert wrong(office, "made-up")
    assert wrong(office, "")


def test_a_ticket_for_one_assistant_is_used_up_at_another(shared: Ledger | None) -> None:
    office = office_of(shared, Clock())
    ticket = office.issue(ADA, "acme")
    assert wrong(office, ticket, "debate")
    assert wrong(office, ticket)


def test_a_ticket_is_good_for_a_minute(shared: Ledger | None) -> None:
    clock = Clock()
    office = office_of(shared, clock)
    ticket, late = office.issue(ADA, "acme"), office.issue(ADA, "acme")
    clock.now += 59.9
    office.redeem(ticket, "acme")
    clock.now += 0.1
    assert wrong(office, late)
    assert len(office) == 0


def test_a_ticket_is_worth_no_more_than_the_token_it_was_made_with(shared: Ledger | None) -> None:
    office = office_of(shared, Clock())
    assert wrong(office, office.issue(Principal("ada", None, expires_at=1.0), "acme"))


def test_there_are_only_so_many_tickets(
    monkeypatch: pytest.MonkeyPatch, shared: Ledger | None
) -> None:
    monkeypatch.setattr(tickets, "MAX_PER_PRINCIPAL", 2)
    monkeypatch.setattr(tickets, "MAX_TICKETS", 3)
    clock = Clock()
    office = office_of(shared, clock)

    def refused(name: str) -> int:
        with pytest.raises(TurnedAwayError) as turned_away:
            office.issue(Principal(name, None), "acme")
        assert turned_away.value.refusal.retry_after_s == 60
        return turned_away.value.refusal.status

    office.issue(ADA, "acme")
    office.issue(ADA, "acme")
    assert refused("ada") == 429
    office.issue(Principal("grace", None), "acme")
    assert refused("grace") == 503
    clock.now += 60.0
    ticket = office.issue(ADA, "acme")
    office.redeem(ticket, "acme")
    assert len(office) == 0


async def invite(server: Asking, token: str = TOKEN, **wanted: Any) -> dict[str, Any]:
    answer = await server.client.post("/v1/sessions", json=wanted, headers=bearer(token))
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    invited: dict[str, Any] = answer.json()
    return invited


async def test_an_invitation_opens_one_session_of_whoever_asked(assistants: Assistants) -> None:
    async with asking(assistants, tokens=TOKEN) as server:
        invited = await invite(server, assistant="parrot")
        assert invited["assistant"] == "parrot"
        assert invited["expires_in_s"] == 60.0
        assert invited["url"].startswith(f"{server.url}/ws/parrot?ticket=")
        assert await server.enters_at(invited["url"]) == "token-1"
        again = await refusal(invited["url"])
        assert (again.status_code, again.json()["code"]) == (403, "wrong_ticket")


async def test_an_invitation_without_a_name_is_to_the_default_assistant(
    assistants: Assistants,
) -> None:
    async with asking(assistants, tokens=TOKEN, public_url="wss://voice.test/trunk/") as server:
        invited = await invite(server)
    assert invited["url"].startswith("wss://voice.test/trunk/ws/acme?ticket=")


async def test_without_tokens_a_ticket_is_still_good_once(assistants: Assistants) -> None:
    async with asking(assistants) as server:
        answer = await server.client.post("/v1/sessions", json={"assistant": "parrot"})
        url = answer.json()["url"]
        assert await server.enters_at(url) == "anonymous"
        assert (await refusal(url)).json()["code"] == "wrong_ticket"


async def test_wrong_tickets_are_counted_as_wrong_tokens_are(assistants: Assistants) -> None:
    async with asking(assistants, tokens=TOKEN, wrong_tokens_per_minute=2) as server:
        for code in ("wrong_ticket", "wrong_ticket", "too_many_wrong_tokens"):
            answer = await refusal(f"{server.url}/ws/parrot?ticket=made-up")
            assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("body", "token", "status", "code"),
    [
        (b'{"assistant": "parrot"}', None, 401, "no_token"),
        (b'{"assistant": "parrot"}', "a-wrong-token", 403, "wrong_token"),
        (b'{"assistant": "nobody"}', TOKEN, 404, "no_assistant"),
        (b'{"assistant": ""}', TOKEN, 422, "invalid_request"),
        (b'{"assistant": 7}', TOKEN, 422, "invalid_request"),
        (b'{"what": "parrot"}', TOKEN, 422, "invalid_request"),
        (b"[" * 10_000, TOKEN, 400, "bad_request"),
        (b"rubbish", TOKEN, 422, "invalid_request"),
        (b"", TOKEN, 422, "invalid_request"),
        (b" " * (64 * 1024 + 1), None, 413, None),
    ],
)
async def test_a_request_that_is_wrong_is_a_problem_document(
    assistants: Assistants, body: bytes, token: str | None, status: int, code: str | None
) -> None:
    async with asking(assistants, tokens=TOKEN) as server:
        headers = {} if token is None else bearer(token)
        headers["Content-Type"] = "application/json"
        answer = await server.client.post("/v1/sessions", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert code is None or answer.json()["code"] == code
    assert "rubbish" not in answer.text


async def test_a_draining_server_invites_nobody(assistants: Assistants) -> None:
    async with asking(assistants, tokens=TOKEN) as server:
        server.server.sessions.draining = True
        answer = await server.client.post("/v1/sessions", json={}, headers=bearer(TOKEN))
    assert (answer.status_code, answer.json()["code"]) == (503, "draining")


async def test_a_ticket_is_neither_logged_nor_told_to_the_assistant(
    assistants: Assistants,
) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{message} {extra}")
    async with asking(assistants, tokens=TOKEN) as server:
        invited = await invite(server, assistant="parrot")
        ticket = invited["url"].partition("ticket=")[2]
        async with connect(f"{invited['url']}&room=kitchen") as socket:
            await ready(socket)
            await say(socket, "hello")
            (session,) = server.server.sessions
            assert dict(session.caller.metadata) == {"room": "kitchen"}
        await refusal(invited["url"])
    logger.remove(sink)
    assert lines
    for secret in (ticket, TOKEN):
        assert secret not in "".join(lines)


async def test_a_token_that_is_taken_back_takes_its_tickets_along(
    assistants: Assistants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_file, "LOOK_EVERY_S", 0.0)
    principals = tmp_path / "principals.toml"
    token = added(principals, "ada", assistants=["parrot", "acme"])
    async with asking(assistants, principals_file=principals) as server:
        kept, invited = [await invite(server, token, assistant="parrot") for _ in range(2)]
        assert await server.enters_at(kept["url"]) == "ada"
        # Another token of the same name does not keep them.
        principals.unlink()
        added(principals, "ada", assistants=["*"])
        answer = await refusal(invited["url"])
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_ticket")


async def test_a_ticket_opens_no_more_than_its_token_does_when_it_is_used(
    assistants: Assistants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_file, "LOOK_EVERY_S", 0.0)
    principals = tmp_path / "principals.toml"
    token = added(principals, "ada", assistants=["parrot"])
    async with asking(assistants, principals_file=principals) as server:
        invited = await invite(server, token, assistant="parrot")
        principals.write_text(principals.read_text().replace("parrot", "acme"))
        answer = await refusal(invited["url"])
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


async def test_a_fresh_process_takes_no_ticket_of_a_token_that_is_not_in_its_settings(
    ledger: Ledger,
) -> None:
    before, after = (
        Identity(Settings(tokens=tokens), ledger)  # type: ignore[arg-type]
        for tokens in (f"{TOKEN},another-token-of-the-tests", "another-token-of-the-tests")
    )

    async def redeemed(token: str) -> str:
        principal = await before.identify(asks({"authorization": f"Bearer {token}"}))
        ticket = after.tickets.issue(principal, "acme")
        return (await after.identify(asks({}, f"ticket={ticket}"), "acme")).name

    assert await redeemed("another-token-of-the-tests") == "token-1", "as it is called now"
    with pytest.raises(WrongCredentialError):
        await redeemed(TOKEN)


def asks(headers: dict[str, str], query: str = "") -> HTTPConnection:
    return HTTPConnection(
        {
            "type": "websocket",
            "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "query_string": query.encode(),
        }
    )
