"""What the caller says in the middle of a transfer is answered, and so is what it was for."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from agents import Call, Say, Turn
from agents.handoff import handoff
from agents.handoff import script as lines
from agents.handoff.products import PRODUCTS
from agents.script import Script
from tests.agents.talking import Placed, Placement, placed, talking

REMEDY = PRODUCTS[0].remedy
PAINT = PRODUCTS[1].price
BOOTS = "my rocket boots do not start"


@pytest.fixture(params=[Placement.HERE, Placement.TRUNK])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Placed]:
    async with placed(request.param, handoff) as there:
        yield there


@dataclass
class Way:
    """One of the two transfers, as the one who takes over sees it."""

    script: Script
    transfer: str
    back: str

    def hears(self, asked: str, *meanwhile: str, reason: str = "") -> Any:
        """Take over somebody who said something on the way, and return the reply."""
        arguments = f'{{"reason": "{reason or asked}"}}'
        call = {"id": "1", "function": {"name": self.transfer, "arguments": arguments}}
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": asked},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "{}"},
            {"role": "assistant", "content": "One moment, I"},
            *({"role": "user", "content": each} for each in meanwhile),
            {"role": "developer", "content": "The caller was handed over to you."},
        ]
        return self.script(Turn(messages, frozenset({self.back, "end_conversation"})))


THERE = Way(lines.support_script, lines.TO_SUPPORT, lines.TO_GREETER)
BACK = Way(lines.greeter_script, lines.TO_GREETER, lines.TO_SUPPORT)


@pytest.mark.parametrize("way", [THERE, BACK])
def test_a_goodbye_on_the_way_ends_the_conversation(way: Way) -> None:
    (call,) = way.hears("the other one please", "goodbye")
    assert call.tool == "end_conversation"


@pytest.mark.parametrize(
    ("way", "asked", "meanwhile", "answers"),
    [
        (THERE, BOOTS, ["hello?"], [REMEDY]),
        (THERE, BOOTS, ["are you there", "how long is the warranty"], [lines.WARRANTY, REMEDY]),
        (BACK, "how much is the paint", ["hello?"], [PAINT]),
        (BACK, "how much is the paint", ["when are you open"], [lines.HOURS, PAINT]),
        (BACK, "reception please", ["and how much is the paint"], [PAINT]),
        (BACK, "reception please", ["reception"], [lines.WELCOME_BACK, lines.ASK_GREETER]),
    ],
)
def test_both_are_answered(way: Way, asked: str, meanwhile: list[str], answers: list[str]) -> None:
    said = way.hears(asked, *meanwhile).text
    assert [answer for answer in answers if answer not in said] == []


@pytest.mark.parametrize(
    ("way", "asked", "meanwhile", "announcement"),
    [
        (THERE, BOOTS, "and how much is the paint", f"{REMEDY} {lines.TRANSFER_TO_GREETER}"),
        (THERE, "support", "reception", lines.TRANSFER_TO_GREETER),
        (BACK, "how much is the paint", "support", f"{PAINT} {lines.TRANSFER_TO_SUPPORT}"),
    ],
)
def test_what_belongs_to_the_other_one_is_passed_back(
    way: Way, asked: str, meanwhile: str, announcement: str
) -> None:
    (call,) = way.hears(asked, meanwhile)
    assert call == Call(way.back, {"reason": f"{lines.MEANWHILE} {meanwhile}"})
    arguments = f'{{"reason": "{call.arguments["reason"]}"}}'
    first = {"id": "1", "function": {"name": way.transfer, "arguments": f'{{"reason": "{asked}"}}'}}
    second = {"id": "2", "function": {"name": way.back, "arguments": arguments}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": asked},
        {"role": "assistant", "tool_calls": [first, second]},
        {"role": "tool", "tool_call_id": "2", "content": "{}"},
    ]
    assert way.script(Turn(messages)) == Say(announcement)


@pytest.mark.parametrize(
    ("meanwhile", "answer"),
    [
        ("bye", lines.FAREWELL),
        ("and how much is the paint", PAINT),
        ("reception", lines.WELCOME_BACK),
    ],
)
async def test_on_the_way_to_support(place: Placed, meanwhile: str, answer: str) -> None:
    async with talking(place.side("handoff"), may_interrupt=True) as talk:
        await talk.hear(lines.GREETING)
        await talk.ask("support", "One moment, I am")
        await talk.ask(meanwhile, answer)
    assert talk.problems == []


@pytest.mark.parametrize(
    ("meanwhile", "answer"),
    [
        ("bye", lines.FAREWELL),
        ("and how much is the paint", PAINT),
        ("reception", "is the greeter"),
    ],
)
async def test_on_the_way_back(place: Placed, meanwhile: str, answer: str) -> None:
    async with talking(place.side("handoff"), may_interrupt=True) as talk:
        await talk.hear(lines.GREETING)
        await talk.ask(BOOTS, REMEDY)
        await talk.ask("back to reception please", "One moment, I am")
        await talk.ask(meanwhile, answer)
    assert talk.problems == []
