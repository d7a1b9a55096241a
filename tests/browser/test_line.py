"""The line between the page's server and the assistant's is cut while an answer comes."""

import asyncio

import pytest
from playwright.async_api import Browser

from agents import Assistants
from agents.acme import script as acme_lines
from tests.app.server.identity.asking import asking
from tests.browser.conftest import http_of
from tests.browser.visit import visiting
from tests.proxy.relay import Relay

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("deaf")]

TOKEN = "a-token-of-the-tests"
OUTAGE_S = 3.0


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_the_page_shows_that_the_line_comes_back_and_the_answer_is_complete(
    browser: Browser, assistants: Assistants
) -> None:
    async with (
        asking(assistants, tokens=TOKEN) as distant,
        Relay.to(f"{distant.url}/ws").running() as relay,
        asking(assistants, calls_remote_url=relay.url.removesuffix("/ws"), token=TOKEN) as near,
        visiting(browser, http_of(near)) as visit,
    ):
        relay.go_away_at(b"stands")  # in the middle of the greeting
        await visit.call("acme")
        await visit.sees_status("Reconnecting")
        await visit.sees("The line to the assistant was lost.")
        await asyncio.sleep(OUTAGE_S)  # the line is away for so long
        relay.refusing = False
        await visit.sees("The line is back, and nothing was missed.")
        await visit.sees("or the Tornado Kit.")
        said = await visit.page.locator(".said .words").all_inner_texts()
        assert " ".join(said) == acme_lines.GREETING
        await visit.write("thank you goodbye")
        await visit.sees_the_end("The conversation ended.")


async def test_the_page_says_that_its_assistant_cannot_be_reached(
    browser: Browser, assistants: Assistants
) -> None:
    async with Relay.to("ws://127.0.0.1:9/ws").running() as relay:
        relay.refusing = True
        base = relay.url.removesuffix("/ws")
        async with (
            asking(assistants, calls_remote_url=base) as server,
            visiting(browser, http_of(server)) as visit,
        ):
            await visit.open()
            await visit.type_instead()
            await visit.sees_the_end("The assistant cannot be reached.")
