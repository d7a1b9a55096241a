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

# A handshake of HTTP and then hello or welcome are about as long as this, either way.
GREETING_BYTES = 500

# How far into the conversation a connection gets at most, about a turn.
REACH_BYTES = {Way.UP: 700, Way.DOWN: 1200}


def places(chance: random.Random) -> Iterator[Cut]:
    """Choose where connections break: every third one before it carries a word."""
    for number in range(CUTS):
        way = chance.choice(list(Way))
        reach = GREETING_BYTES + (REACH_BYTES[way] if number % 3 else 0)
        yield Cut(way, chance.randrange(reach), reset=chance.random() < 0.5)


async def converse(caller: CallerProgram, turns: int) -> None:
    for turn in range(turns):
        caller.say(question(turn))
        assert await caller.until(Told.TURN) == answer(turn), f"in turn {turn}"
    caller.say(GOODBYE)
    assert await caller.until(Told.GONE) == CloseCode.ENDED
    assert await within(caller.process.wait()) == 0


def check(scene: Stage, caller: CallerProgram, turns: int) -> None:
    answers = [answer(turn) for turn in range(turns)]
    assert caller.told(Told.TURN) == [GREETING, *answers, FAREWELL]
    assert "".join(caller.told(Told.TEXT)).replace(" ", "") == "".join(
        (GREETING, *answers, FAREWELL)
    ).replace(" ", "")
    looked_up = [{"number": turn} for turn in range(turns) if needs_tool(turn)]
    assert caller.told(Told.TOOL) == [*looked_up, {}]
    assert caller.told(Told.GAP) == []
    assert scene.model.heard() == [*(question(turn) for turn in range(turns)), GOODBYE]
    # The greeting, one answer a turn and one after each tool: no turn was heard twice.
    assert len(scene.model.requests) == 1 + turns + 1 + len(looked_up) + 1


@pytest.mark.parametrize(("turns", "cuts"), [(TURNS // 5, 0), (TURNS, CUTS)])
async def test_a_long_conversation_arrives_word_for_word(
    tmp_path: Path, turns: int, cuts: int
) -> None:
    try:
        async with stage(tmp_path) as scene, scene.calling(tmp_path) as caller:
            assert await caller.until(Told.TURN) == GREETING
            if cuts:
                scene.network.break_at(places(random.Random(SEED)))
            await converse(caller, turns)
            check(scene, caller, turns)
            assert scene.network.cuts == cuts
    except BaseException as error:
        error.add_note(f"cut with END_TO_END_SEED={SEED}")
        raise
