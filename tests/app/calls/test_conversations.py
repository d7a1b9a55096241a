"""A person talks to an assistant from a page: typed and spoken, over both transports."""

import asyncio
import contextlib
from typing import Any

import pytest

from app.demo import recordings
from tests.app.calls.conftest import Pages, ends
from tests.app.calls.pages import SocketPage, WebRTCPage, socket_page, webrtc_page
from tests.app.server.identity.asking import Asking
from tests.proxy.conversation import within

LONG_S = 60.0


@pytest.mark.usefixtures("deaf")
async def test_a_typed_question_is_answered_in_text_and_sound(server: Asking, pages: Pages) -> None:
    async with pages(server.client) as page:
        await page.ready()
        await page.until_line("connecting")
        await page.until_line("up")
        await page.until_answered("Tornado Kit")
        await page.type("how much are the rocket boots")
        said = await page.until_type("user-llm-text")
        assert said["data"]["text"] == "how much are the rocket boots"
        await page.until_answered("$299")
        assert page.loudest > 1000
    await within(server.server.state.calls.wait_empty(), LONG_S)
    assert len(server.server.sessions) == 0


@pytest.mark.usefixtures("deaf")
async def test_the_call_is_a_session_of_whoever_calls(server: Asking, pages: Pages) -> None:
    async with pages(server.client) as page:
        await page.ready()
        await page.until_line("up")
        (session,) = server.server.sessions
        assert (session.recipe.name, session.caller.principal) == ("acme", "anonymous")
        # The ticket was for its address alone.
        assert dict(session.caller.metadata) == {}


@pytest.mark.usefixtures("deaf")
async def test_a_goodbye_is_heard_before_the_page_is_told_and_closed(
    server: Asking, pages: Pages
) -> None:
    async with pages(server.client) as page:
        await page.ready()
        await page.until_answered("Tornado Kit")
        await page.type("thank you goodbye")
        await page.until_answered("Goodbye!")
        ended = await page.until_line("ended")
        assert (ended["code"], ended["reason"]) == (1000, "the conversation ended")
        await within(page.closed.wait(), LONG_S)
        assert page.lines == ["connecting", "up", "ended"]
    await within(server.server.state.calls.wait_empty(), LONG_S)
    assert ends(server) == ["assistant"]


@pytest.mark.usefixtures("deaf")
async def test_tools_and_handovers_show(server: Asking) -> None:
    async with socket_page(server.client, "handoff") as page:
        await page.ready()
        await page.until_type("bot-stopped-speaking")
        await page.type("my rocket boots are broken")
        call = await page.until_type("llm-function-call-in-progress")
        assert call["data"]["function_name"] == "transfer_to_support"
        assert "arguments" in call["data"]
        assert "result" not in (await page.until_type("llm-function-call-stopped"))["data"]
        active = {"trunkline": "active", "task": "support"}
        await page.until(lambda message: shown(message) == active)


@pytest.mark.usefixtures("deaf")
async def test_what_a_sensor_reads_shows(server: Asking, pages: Pages) -> None:
    async with pages(server.client, "sensor") as page:
        await page.ready()
        found = await page.until(lambda message: shown(message).get("trunkline") == "reading")
        assert found["data"]["task"] == "controller"


def shown(message: dict[str, Any]) -> dict[str, Any]:
    data = message.get("data")
    return data if message["type"] == "server-message" and isinstance(data, dict) else {}


@pytest.mark.usefixtures("deaf")
async def test_a_page_hangs_up_by_a_message_or_by_leaving(server: Asking, pages: Pages) -> None:
    calls = server.server.state.calls
    async with pages(server.client) as page:
        await page.ready()
        await page.until_line("up")
        await page.send("disconnect-bot")
        await within(page.closed.wait(), LONG_S)
    await within(calls.wait_empty(), LONG_S)
    async with pages(server.client) as page:
        await page.ready()
        await page.until_line("up")
    await within(calls.wait_empty(), LONG_S)
    assert ends(server) == ["page", "page"]
    assert len(server.server.sessions) == 0


@pytest.mark.long
async def test_a_recorded_question_is_heard_over_webrtc_and_a_goodbye_ends_it(
    server: Asking,
) -> None:
    question, goodbye = recordings()
    async with webrtc_page(server.client) as page:
        assert isinstance(page, WebRTCPage)
        await page.ready()
        await page.until_answered("Tornado Kit")
        page.microphone.say(question)
        partial = await page.until_type("user-transcription")
        assert not partial["data"]["final"]
        await page.until_answered("$299")
        assert "how much are the rocket boots" in page.texts("user-llm-text")
        page.microphone.say(goodbye)
        assert (await page.until_line("ended"))["code"] == 1000
        assert page.loudest > 1000


@pytest.mark.long
async def test_a_recorded_question_is_heard_over_a_websocket(server: Asking) -> None:
    question, _ = recordings()
    async with socket_page(server.client) as page:
        assert isinstance(page, SocketPage)
        await page.ready()
        await page.until_answered("Tornado Kit")
        speaking = asyncio.create_task(page.say(question))
        try:
            await page.until_answered("$299")
        finally:
            speaking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await speaking
        assert "how much are the rocket boots" in page.texts("user-llm-text")
