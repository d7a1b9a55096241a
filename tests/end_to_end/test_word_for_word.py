"""A long conversation over a network that breaks all the time arrives word for word."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import CloseCode
from tests.end_to_end.caller import Told
from tests.end_to_end.dialogue import (
    FAREWELL,
    GOODBYE,
    GREETING,
    TURNS,
    answer,
    needs_tool,
    question,
)
from tests.end_to_end.network import Cut, Way
from tests.end_to_end.processes import CallerProgram, Stage, stage
from tests.proxy.conversation import within

CUTS = 200
SEED = int(os.environ.get("END_TO_END_SEED", "20261120"))

# What a connection begins with, about: the HTTP handshake, then hello or welcome.
GREETING_BYTES = {Way.UP: 900, Way.DOWN: 700}

# How far into the conversation a connection gets at most.
REACH_BYTES = {Way.UP: 250, Way.DOWN: 1500}


def places(chance: random.Random) -> Iterator[Cut]:
    """Choose where connections break: a third of them before they carry a word."""
    for _ in range(CUTS):
        way = chance.choice(list(Way))
        greeting = GREETING_BYTES[way]
        within_greeting = chance.random() < 1 / 3
        after = chance.randrange(greeting if within_greeting else greeting + REACH_BYTES[way])
        yield Cut(way, after, reset=chance.random() < 0.5)


async def converse(caller: CallerProgram) -> None:
    for turn in range(TURNS):
        caller.say(question(turn))
        assert await caller.until(Told.TURN) == answer(turn), f"in turn {turn}"
    caller.say(GOODBYE)
    assert await caller.until(Told.GONE) == CloseCode.ENDED
    assert await within(caller.process.wait()) == 0


def check(scene: Stage, caller: CallerProgram) -> None:
    answers = [answer(turn) for turn in range(TURNS)]
    assert caller.told(Told.TURN) == [GREETING, *answers, FAREWELL]
    assert "".join(caller.told(Told.TEXT)).replace(" ", "") == "".join(
        (GREETING, *answers, FAREWELL)
    ).replace(" ", "")
    looked_up = [{"number": turn} for turn in range(TURNS) if needs_tool(turn)]
    assert caller.told(Told.TOOL) == [*looked_up, {}]
    assert caller.told(Told.GAP) == []
    assert scene.model.heard() == [*(question(turn) for turn in range(TURNS)), GOODBYE]
    # The greeting, one answer a turn and one after each tool: no turn was heard twice.
    assert len(scene.model.requests) == 1 + TURNS + 1 + len(looked_up) + 1


@pytest.mark.parametrize("cuts", [0, CUTS])
async def test_a_conversation_of_ten_minutes_arrives_word_for_word(
    tmp_path: Path, cuts: int
) -> None:
    try:
        async with stage(tmp_path) as scene, scene.calling(tmp_path) as caller:
            assert await caller.until(Told.TURN) == GREETING
            if cuts:
                scene.network.break_at(places(random.Random(SEED)))
            await converse(caller)
            check(scene, caller)
            assert scene.network.cuts == cuts
    except BaseException as error:
        error.add_note(f"cut with END_TO_END_SEED={SEED}")
        raise
