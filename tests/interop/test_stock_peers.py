"""An unmodified Pipecat bot with our server, and our end of the line with an unmodified server."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pipecat.frames.frames import InterruptionFrame, LLMMessagesAppendFrame

from agents import Assistants, discover
from app.server import running_server
from app.services import Roles
from app.settings import Settings
from tests.interop.stock import StockBot, stock_server
from tests.proxy.conversation import WAIT_S, calling, within

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def assistants() -> Assistants:
    return discover()


@pytest.fixture
async def url(assistants: Assistants) -> AsyncIterator[str]:
    settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN)  # type: ignore[arg-type]
    async with running_server(settings, assistants) as (address, _):
        yield f"{address}/ws"


async def test_a_stock_bot_holds_a_conversation_with_our_server(url: str) -> None:
    async with StockBot().calling(url, {"Authorization": f"Bearer {TOKEN}"}) as bot:
        assert "welcome to Acme" in bot.listener.text
        await bot.ask("How much are the rocket boots?", "$299")
        await bot.ask("How long does the invisible paint last?", "24 hours")
        await bot.ask("Does the tornado kit need batteries?", "batteries are included")

        await bot.start_asking("What products do you have?")
        await bot.interrupt()
        await bot.ask("What does the paint cost?", "$49 per can.")
        assert "Which one would you like" not in json.dumps(bot.context.messages)

        await bot.ask("Thank you, goodbye.", "Goodbye!")
        assert bot.running is not None
        await within(bot.running)
        assert bot.listener.news == []


async def test_a_stock_bot_that_asks_is_shown_who_talks_and_the_jobs(url: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Trunkline-Screen": "1"}
    async with StockBot("moderator").calling(f"{url}/debate", headers) as bot:
        await bot.ask("debate whether tea is better than coffee", "The analyst says")
        await bot.ask("Thank you, goodbye.", "oodbye")
        assert bot.running is not None
        await within(bot.running)
        news = bot.listener.news
    assert news[0] == {"trunkline": "active", "task": "moderator"}
    states = [(job["task"], job["state"]) for job in news[1:]]
    roles = ("advocate", "critic", "analyst")
    expected = [(role, state) for role in roles for state in ("started", "completed")]
    assert sorted(states) == sorted(expected)


async def test_our_end_of_the_line_holds_a_conversation_with_a_stock_server(
    assistants: Assistants,
) -> None:
    recipe = assistants["acme"]
    async with (
        Roles.open(Settings(), assistants) as roles,
        stock_server(recipe, roles) as url,
        calling(url) as caller,
    ):

        async def ask(text: str, expected: str) -> None:
            caller.words.clear()
            said: list[Any] = [{"role": "user", "content": text}]
            await caller.main.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))
            async with asyncio.timeout(WAIT_S):
                while expected not in " ".join(caller.words):
                    caller.heard.clear()
                    await caller.heard.wait()

        await within(caller.answered.wait())
        await ask("How much are the rocket boots?", "$299")
        await ask("How long does the invisible paint last?", "24 hours")
        await ask("Does the tornado kit need batteries?", "batteries are included")
        await ask("What products do you have?", "We have")
        await caller.main.queue_frame(InterruptionFrame())
        await ask("What does the paint cost?", "$49 per can.")
        await ask("Thank you, goodbye.", "Goodbye!")
        # A stock server cannot say that the conversation is over; it waits for its flush to time
        # out, says nothing, and closes the socket.
        error = await within(caller.gone.get(), 60)
        assert error.code == 1000
