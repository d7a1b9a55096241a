"""The line between a call and its assistant is cut, and the page sees that it comes back."""

import asyncio

import pytest

from agents import Assistants
from tests.app.calls.pages import socket_page
from tests.app.server.identity.asking import asking, bearer
from tests.proxy.relay import Relay

TOKEN = "a-token-of-the-tests"

ANSWER = "The Acme Rocket Boots cost $299."
GREETING = "Ask me about the Rocket Boots, the Invisible Paint, or the Tornado Kit."


@pytest.mark.usefixtures("deaf")
async def test_a_line_that_is_cut_during_an_answer_comes_back_and_the_answer_is_complete(
    assistants: Assistants,
) -> None:
    async with (
        asking(assistants, tokens=TOKEN) as distant,
        Relay.to(f"{distant.url}/ws").running() as relay,
        asking(assistants, calls_remote_url=relay.url.removesuffix("/ws"), token=TOKEN) as near,
        socket_page(near.client) as page,
    ):
        await page.ready()
        await page.until(lambda message: message["type"] == "bot-llm-started")
        relay.refusing = True
        relay.cut()
        assert (await page.until_line("interrupted"))["code"] == 1006
        await asyncio.sleep(3.0)  # the line is away for so long
        relay.refusing = False
        await page.until_line("resumed")
        await page.until_answered("Tornado Kit")
        assert page.texts("bot-llm-text").endswith(GREETING)
        await page.type("how much are the rocket boots")
        await page.until_answered("$299")
        assert page.texts("bot-llm-text").endswith(GREETING + ANSWER)
        assert page.lines == ["connecting", "up", "interrupted", "resumed"]
        assert len(near.server.sessions) == 0
        (session,) = distant.server.sessions
        assert (session.caller.principal, session.resumes) == ("token-1", 1)


@pytest.mark.usefixtures("deaf")
async def test_the_line_of_a_call_comes_back_to_its_own_server_with_another_ticket(
    assistants: Assistants,
) -> None:
    async with (
        asking(assistants, tokens=TOKEN) as server,
        Relay.to(f"{server.url}/ws").running() as relay,
    ):
        server.server.state.address = relay.url.removesuffix("/ws")
        server.client.headers.update(bearer(TOKEN))
        async with socket_page(server.client) as page:
            await page.ready()
            await page.until_line("up")
            relay.cut()
            await page.until_line("resumed")
            await page.until_answered("Tornado Kit")
            (session,) = server.server.sessions
            assert (session.caller.principal, session.resumes) == ("token-1", 1)


@pytest.mark.usefixtures("deaf")
async def test_an_assistant_that_cannot_be_reached_is_said_to_be(assistants: Assistants) -> None:
    async with Relay.to("ws://127.0.0.1:9/ws").running() as relay:
        base = relay.url.removesuffix("/ws")
        relay.refusing = True
        async with (
            asking(assistants, calls_remote_url=base) as server,
            socket_page(server.client) as page,
        ):
            await page.ready()
            ended = await page.until_line("ended")
            assert ended["reason"] == "the assistant cannot be reached"
            assert "code" not in ended
