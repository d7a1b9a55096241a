"""Who may call from a page, and how many: decided before anything is built."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets import InvalidStatus
from websockets.asyncio.client import connect

from agents import Assistants
from app.calls import hosting
from app.calls.table import CallTable
from app.server.identity.tickets import PARAMETER
from app.server.refusal import TurnedAwayError
from tests.app.calls.conftest import Pages
from tests.app.calls.pages import WebRTCPage, invited, socket_page, webrtc_page
from tests.app.server.identity.asking import Asking, asking, bearer
from tests.proxy.conversation import within

TOKEN, OTHER = "a-token-of-the-tests", "another-token-of-the-tests"

LONG_S = 60.0


@pytest.fixture
async def guarded(assistants: Assistants) -> AsyncIterator[Asking]:
    async with asking(assistants, tokens=f"{TOKEN},{OTHER}") as server:
        server.client.headers.update(bearer(TOKEN))
        yield server


async def refused(url: str, **headers: str) -> str:
    """Return what a WebSocket is refused with."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, additional_headers=headers)
    response = caught.value.response
    return f"{response.status_code} {json.loads(response.body or b'')['code']}"


async def asked(server: Asking, **what: Any) -> str:
    """Return what an offer is refused with."""
    page = WebRTCPage()
    try:
        offer = {"sdp": await page.offer(), "type": "offer"}
        answer = await server.client.post("/v1/calls", json=offer, **what)
    finally:
        await page.close()
    return f"{answer.status_code} {answer.json()['code']}"


@pytest.mark.usefixtures("deaf")
async def test_with_a_token_a_page_calls_in_its_own_name(guarded: Asking, pages: Pages) -> None:
    async with pages(guarded.client) as page:
        await page.ready()
        await page.until_line("up")
        (session,) = guarded.server.sessions
        assert session.caller.principal == "token-1"


async def test_without_a_token_or_with_a_wrong_one_nobody_calls(guarded: Asking) -> None:
    del guarded.client.headers["Authorization"]
    wrong = bearer("a-token-that-nobody-has")
    assert await asked(guarded) == "401 no_token"
    assert await asked(guarded, headers=wrong) == "403 wrong_token"
    for path in ("/v1/services", "/v1/assistants"):
        assert (await guarded.client.get(path)).status_code == 401
    answer = await guarded.client.post("/v1/calls/tickets", json={}, headers=wrong)
    assert answer.json()["code"] == "wrong_token"
    socket = f"{guarded.url}/v1/calls/socket?assistant=acme"
    assert await refused(socket) == "401 no_token"
    assert await refused(f"{socket}&{PARAMETER}=made-up") == "403 wrong_ticket"
    assert len(guarded.server.state.calls) == 0


@pytest.mark.usefixtures("deaf")
async def test_a_ticket_is_good_once_and_for_its_assistant_alone(guarded: Asking) -> None:
    url = await invited(guarded.client, "acme")
    assert url.startswith(f"{guarded.url}/v1/calls/socket?")
    async with connect(url):
        assert await refused(url) == "403 wrong_ticket"
    other = (await invited(guarded.client, "acme")).replace("assistant=acme", "assistant=debate")
    assert await refused(other) == "403 wrong_ticket"
    await within(guarded.server.state.calls.wait_empty(), LONG_S)


async def test_pages_of_strangers_do_not_call(server: Asking) -> None:
    theirs = {"Origin": "https://evil.example"}
    assert await asked(server, headers=theirs) == "403 wrong_origin"
    answer = await server.client.post("/v1/calls/tickets", json={}, headers=theirs)
    assert answer.json()["code"] == "wrong_origin"
    url = await invited(server.client, "acme")
    assert await refused(url, **theirs) == "403 wrong_origin"
    assert await asked(server, headers={"Host": "evil.example"}) == "403 wrong_host"


async def test_an_assistant_that_is_not_theirs_or_not_there_is_refused(
    assistants: Assistants,
) -> None:
    async with asking(assistants, tokens=TOKEN) as server:
        server.client.headers.update(bearer(TOKEN))
        assert await asked(server, params={"assistant": "nobody"}) == "404 no_assistant"
        answer = await server.client.post("/v1/calls/tickets", json={"assistant": "nobody"})
        assert answer.json()["code"] == "no_assistant"


async def test_a_server_without_a_slot_says_so_before_it_builds_anything(
    assistants: Assistants,
) -> None:
    async with asking(assistants, max_sessions=1) as server:
        async with connect(f"{server.url}/ws/parrot") as socket:
            await within(socket.recv())
            assert await asked(server) == "503 full"
            answer = await server.client.post("/v1/calls/tickets", json={})
            assert (answer.status_code, answer.json()["code"]) == (503, "full")
            assert int(answer.headers["Retry-After"]) > 0
        await within(server.server.sessions.wait_empty())


@pytest.mark.usefixtures("deaf")
async def test_there_are_as_many_calls_as_the_settings_say(assistants: Assistants) -> None:
    async with asking(assistants, max_calls=1) as server:
        late = await invited(server.client, "acme")
        async with socket_page(server.client) as page:
            await page.ready()
            assert await asked(server) == "503 calls_full"
            assert await refused(late) == "503 calls_full"
        await within(server.server.state.calls.wait_empty(), LONG_S)
        async with webrtc_page(server.client) as page:
            await page.ready()


async def test_a_server_may_have_no_calls_at_all(assistants: Assistants) -> None:
    async with asking(assistants, max_calls=0) as server:
        assert await asked(server) == "501 no_calls"
        told = (await server.client.get("/v1/services")).json()
        assert (told["calls"], told["voice"]) == (False, False)
        assert server.server.state.calls.warming is None


async def test_what_is_not_installed_is_named(
    server: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.calls.routes.has_webrtc", lambda: False)
    assert await asked(server) == "501 no_webrtc"
    answer = await server.client.patch("/v1/calls", json={"pc_id": "x", "candidates": []})
    assert answer.json()["code"] == "no_webrtc"
    assert not (await server.client.get("/v1/services")).json()["voice"]
    monkeypatch.setattr(hosting, "missing_part", lambda role, settings: f"no {role}")
    answer = await server.client.post("/v1/calls/tickets", json={})
    assert (answer.status_code, answer.json()["code"]) == (501, "no_speech")


async def test_a_server_that_drains_takes_no_calls(server: Asking) -> None:
    url = await invited(server.client, "acme")
    server.server.sessions.draining = True
    assert await asked(server) == "503 draining"
    assert await refused(url) == "503 draining"


@pytest.mark.parametrize("sdp", ["v=0", "nonsense", "\r\n" * 100, "v=0\r\nm=audio 9 X 0\r\n"])
async def test_an_offer_that_cannot_be_read_is_a_problem_and_no_call(
    server: Asking, sdp: str
) -> None:
    answer = await server.client.post("/v1/calls", json={"sdp": sdp, "type": "offer"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_offer")
    assert len(server.server.state.calls) == 0


@pytest.mark.usefixtures("deaf")
async def test_a_call_is_negotiated_by_whoever_has_it_alone(guarded: Asking) -> None:
    async with webrtc_page(guarded.client) as page:
        assert isinstance(page, WebRTCPage)
        ways: list[Any] = [{"candidate": "", "sdp_mid": "0", "sdp_mline_index": 0}]
        body = {"pc_id": page.call_id, "candidates": ways}
        assert (await guarded.client.patch("/v1/calls", json=body)).status_code == 200
        answer = await guarded.client.patch("/v1/calls", json=body, headers=bearer(OTHER))
        assert (answer.status_code, answer.json()["code"]) == (404, "no_call")
        ways[:] = [{"candidate": "candidate:1 1 udp", "sdp_mid": "0"}]
        answer = await guarded.client.patch("/v1/calls", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_candidate")
        again = {"sdp": page.peer.localDescription.sdp, "type": "offer", "pc_id": page.call_id}
        answer = await guarded.client.post("/v1/calls", json=again, headers=bearer(OTHER))
        assert answer.json()["code"] == "no_call"


async def test_the_services_say_what_helps_to_find_a_way(assistants: Assistants) -> None:
    relayed = {"urls": ["turn:a:1"], "username": "u", "credential": "c"}
    servers = json.dumps([{"urls": "stun:127.0.0.1:3478"}, relayed])
    async with asking(assistants, ice_servers=servers) as server:
        told = (await server.client.get("/v1/services")).json()
    assert told["embedded"] == ["stt", "llm", "tts"]
    assert told["ice_servers"] == [
        {"urls": ["stun:127.0.0.1:3478"], "username": None, "credential": None},
        relayed,
    ]


async def test_a_place_is_given_back_once() -> None:
    table = CallTable(1)
    place = table.reserve("webrtc")
    with pytest.raises(TurnedAwayError):
        table.reserve("webrtc")
    place.release()
    place.release()
    await within(table.wait_empty())
    table.reserve("websocket")
