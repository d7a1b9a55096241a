"""However a call ends, its page is told, and nothing of it is left."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents import Assistants
from app.caller.line_news import LineNews, LinePhase
from app.calls import call as calls_module
from app.calls.endings import CallEnd, ending_of
from proxy import CloseCode, ConnectError, RefusedError
from tests.app.calls.conftest import Pages, ends
from tests.app.calls.pages import WebRTCPage, socket_page
from tests.app.cli.programs import descendants, ended, free_port, read_until, start
from tests.app.server.identity.asking import Asking, asking
from tests.proxy.conversation import within

LONG_S = 60.0


@pytest.mark.usefixtures("deaf")
async def test_a_server_that_stops_lets_the_answer_be_heard_and_says_why_it_goes(
    assistants: Assistants, pages: Pages
) -> None:
    async with asking(assistants, drain_timeout_s=30.0) as server:
        async with pages(server.client) as page:
            await page.ready()
            await page.until_type("bot-started-speaking")
            server.server.stop()
            await page.until_answered("Tornado Kit")
            ended_with = await page.until_line("ended")
            assert ended_with == {
                "trunkline": "line",
                "state": "ended",
                "code": CloseCode.GOING_AWAY,
                "reason": "the server is going away",
            }
            await within(page.closed.wait(), LONG_S)
        await within(server.server.stopped.wait(), LONG_S)
        assert len(server.server.state.calls) == 0


@pytest.mark.usefixtures("deaf")
async def test_a_server_in_a_hurry_cuts_the_answer_short(
    assistants: Assistants, pages: Pages
) -> None:
    async with asking(assistants) as server:
        async with pages(server.client) as page:
            await page.ready()
            await page.until_type("bot-started-speaking")
            server.server.hurry()
            assert (await page.until_line("ended"))["code"] == CloseCode.GOING_AWAY
            await within(page.closed.wait(), LONG_S)
        await within(server.server.state.calls.wait_empty(), LONG_S)


@pytest.mark.usefixtures("deaf")
async def test_a_session_that_an_operator_ends_ends_the_call_with_that_reason(
    server: Asking,
) -> None:
    async with socket_page(server.client) as page:
        await page.ready()
        await page.until_line("up")
        server.server.sessions.end_all(CloseCode.ENDED_BY_OPERATOR)
        told = await page.until_line("ended")
        assert (told["code"], told["reason"]) == (4008, "an operator ended the session")


@pytest.mark.usefixtures("deaf")
async def test_a_page_that_never_says_that_it_is_ready_is_not_waited_for(
    server: Asking, monkeypatch: pytest.MonkeyPatch, pages: Pages
) -> None:
    monkeypatch.setattr(calls_module, "PAGE_TIMEOUT_S", 0.1)
    async with pages(server.client):
        await within(server.server.state.calls.wait_empty(), LONG_S)
    assert ends(server) == ["no_page"]


@pytest.mark.usefixtures("deaf")
async def test_a_page_that_offers_and_never_connects_is_not_waited_for(
    server: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "PAGE_TIMEOUT_S", 0.1)
    page = WebRTCPage()
    offer = {"sdp": await page.offer(), "type": "offer"}
    answer = await server.client.post("/v1/calls", json=offer)
    assert answer.status_code == 200
    await page.close()
    await within(server.server.state.calls.wait_empty(), LONG_S)
    assert ends(server) == ["no_page"]


@pytest.mark.usefixtures("deaf")
async def test_a_voice_that_cannot_be_had_ends_the_call(
    server: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("a secret")

    monkeypatch.setattr("app.services.Roles.tts", broken)
    async with socket_page(server.client) as page:
        await within(page.closed.wait(), LONG_S)
    assert ends(server) == ["failed"]


@pytest.mark.parametrize("code", [*CloseCode, 3999])
def test_every_end_of_a_line_is_one_of_a_call(code: int) -> None:
    ending = ending_of(LineNews(LinePhase.ENDED, code))
    assert ending.code == code
    assert ending.reason


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (RefusedError(429, "…"), "you have as many sessions as you may have"),
        (RefusedError(503, "…"), "the server has no session to spare"),
        (RefusedError(418, "…"), "the assistant cannot be reached"),
        (ConnectError("a host"), "the assistant cannot be reached"),
    ],
)
def test_a_refusal_is_said_in_words_of_ours(refusal: ConnectError, words: str) -> None:
    ending = ending_of(LineNews(LinePhase.ENDED, refusal=refusal))
    assert (ending.end, ending.reason, ending.code) == (CallEnd.REFUSED, words, None)


@pytest.mark.long
async def test_a_signal_ends_the_calls_of_a_server_and_their_recognisers(tmp_path: Path) -> None:
    port = free_port()
    server = await start("serve", "--port", str(port), home=tmp_path)
    assert server.stderr is not None
    async with ended(server), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        await read_until(server.stderr, "listens on")
        async with socket_page(client) as page:
            await page.ready()
            await page.until_type("bot-started-speaking")
            programs = descendants(server.pid)
            assert programs
            server.send_signal(signal.SIGTERM)
            assert (await page.until_line("ended"))["code"] == CloseCode.GOING_AWAY
            async with asyncio.timeout(LONG_S):
                assert await server.wait() == 0
    assert not [pid for pid in programs if Path(f"/proc/{pid}").exists()]
