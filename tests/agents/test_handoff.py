"""The greeter and the support agent hand the conversation to each other."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents import Call, Say, Turn
from agents.handoff import GREETER, SUPPORT, handoff
from agents.handoff import script as lines
from tests.agents.talking import Placed, Placement, placed, talking


@pytest.fixture(params=Placement)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Placed]:
    async with placed(request.param, handoff) as there:
        yield there


async def test_the_conversation_goes_to_support_and_back_and_ends(place: Placed) -> None:
    async with talking(place.side("handoff")) as talk:
        await talk.hear(lines.GREETING)
        await talk.ask("how much is the tornado kit?", "costs $199")
        await talk.say("my rocket boots do not start")
        await talk.hear(lines.TRANSFER_TO_SUPPORT)
        await talk.hear("This is support")
        await talk.hear("no fuel in them")
        await talk.ask("how long is the warranty?", lines.WARRANTY)
        await talk.say("back to the greeter please")
        await talk.hear(lines.TRANSFER_TO_GREETER)
        await talk.hear(lines.WELCOME_BACK)
        await talk.ask("what do you sell", lines.LISTING)
        await talk.ask("goodbye", lines.FAREWELL)
    assert talk.tools_called == ["transfer_to_support", "transfer_to_greeter", "end_conversation"]
    assert talk.result is not None
    assert talk.result.ended_by_assistant
    assert talk.problems == []


async def test_what_was_said_before_goes_along(place: Placed) -> None:
    async with talking(place.side("handoff")) as talk:
        await talk.hear(lines.GREETING)
        await talk.ask("how much is the invisible paint?", "$49")
        await talk.say("i need support please")
        await talk.hear("this is about the Invisible Paint")


async def test_a_question_during_the_transfer_is_answered_by_the_colleague(place: Placed) -> None:
    async with talking(place.side("handoff"), may_interrupt=True) as talk:
        await talk.hear(lines.GREETING)
        await talk.ask("my rocket boots do not start", "One moment, I am")
        await talk.say("how long is the warranty")
        await talk.hear("This is support")
        await talk.hear(lines.WARRANTY)
        await talk.ask("goodbye", lines.FAREWELL)
    assert talk.tools_called.count("transfer_to_support") == 1


async def test_support_says_goodbye_too(place: Placed) -> None:
    async with talking(place.side("handoff")) as talk:
        await talk.hear(lines.GREETING)
        await talk.say("my tornado kit does not work")
        await talk.hear("its batteries are empty")
        await talk.ask("thank you goodbye", lines.FAREWELL)
    assert talk.result is not None
    assert talk.result.ended_by_assistant


TOOLS = {
    GREETER: frozenset({"transfer_to_support", "end_conversation"}),
    SUPPORT: frozenset({"transfer_to_greeter", "end_conversation"}),
}


def answer(who: str, *said: str) -> Any:
    messages = [{"role": "user", "content": text} for text in said]
    return handoff.scripts[who](Turn(messages, TOOLS[who]))


@pytest.mark.parametrize(
    ("who", "said", "expected"),
    [
        (GREETER, "what do you sell", "Tornado Kit for $199"),
        (GREETER, "how much are the rocket boots", "$299"),
        (GREETER, "how much are the boots and the paint", "$299. The Invisible Paint costs $49"),
        (GREETER, "who are you", "this is the greeter"),
        (SUPPORT, "who are you", "This is support"),
        (GREETER, "when are you open", "nine to five"),
        (GREETER, "thank you", "You are welcome"),
        (GREETER, "what is the meaning of life", "only a script"),
        (SUPPORT, "my kit is silent", "batteries are empty"),
        (SUPPORT, "how long is the warranty", "two years"),
        (SUPPORT, "can i return the boots", "thirty days"),
        (SUPPORT, "can you repair it", "repair everything"),
        (SUPPORT, "my invisible paint does not work", "not dry yet"),
        (SUPPORT, "what is the meaning of life", "only a script"),
    ],
)
def test_each_answers_its_own_questions(who: str, said: str, expected: str) -> None:
    assert expected in answer(who, said).text


def test_support_remembers_the_product() -> None:
    assert "no fuel" in answer(SUPPORT, "my rocket boots are broken", "it does not start").text


def test_the_greeter_remembers_the_product() -> None:
    assert "$49" in answer(GREETER, "is the paint nice", "how much is it").text


@pytest.mark.parametrize("who", [GREETER, SUPPORT])
def test_everything_that_a_recogniser_is_taught_is_understood(who: str) -> None:
    lost = [phrase for phrase in lines.PHRASES if "did not understand" in str(answer(who, phrase))]
    assert lost == []


@pytest.mark.parametrize(
    ("who", "said", "tool"),
    [
        (GREETER, "my boots are broken", "transfer_to_support"),
        (GREETER, "my kit is silent", "transfer_to_support"),
        (GREETER, "goodbye", "end_conversation"),
        (SUPPORT, "how much is the paint", "transfer_to_greeter"),
        (SUPPORT, "thanks bye", "end_conversation"),
    ],
)
def test_each_calls_its_own_tools(who: str, said: str, tool: str) -> None:
    (call,) = answer(who, said)
    assert isinstance(call, Call)
    assert call.tool == tool


def test_without_the_tool_each_still_says_farewell() -> None:
    turn = Turn([{"role": "user", "content": "goodbye"}])
    assert lines.support_script(turn) == lines.greeter_script(turn) == Say(lines.FAREWELL)
