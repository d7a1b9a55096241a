"""A conversation goes on after outages, long and short, and what is spoken stays in step."""

import asyncio
from pathlib import Path

import pytest

from proxy import CloseCode
from tests.end_to_end.caller import Told
from tests.end_to_end.dialogue import GREETING, answer, found, question
from tests.end_to_end.network import Way
from tests.end_to_end.processes import CallerProgram, Stage, stage
from tests.proxy.conversation import within

# A tunnel, or a phone that changes from one network to another.
OUTAGE_S = 5.0

# A turn without a tool, and one with it.
TURN, TOOL_TURN = 7, 10


async def begin_answer(scene: Stage, caller: CallerProgram, turn: int) -> None:
    """Have the assistant in the middle of an answer, of which the caller has spoken some."""
    assert await caller.until(Told.TURN) == GREETING
    scene.model.hold()
    caller.say(question(turn))
    scene.model.allow(10)
    await caller.until(Told.SPOKEN, f"say{turn}.4")


async def lose(scene: Stage, caller: CallerProgram) -> None:
    """Lose the connection, and have both sides know."""
    scene.network.refusing = True
    scene.network.cut()
    assert await caller.until(Told.INTERRUPTED) == CloseCode.ABNORMAL
    await within(scene.server.log.until("the connection was lost (1006)"))


async def said(scene: Stage, answers: int) -> None:
    """Wait until the assistant has finished so many answers, the greeting included."""
    async with asyncio.timeout(20):
        while scene.model.finished < answers:
            scene.model.news.clear()
            await scene.model.news.wait()


async def test_an_outage_of_five_seconds_in_an_answer_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as scene, scene.calling(tmp_path) as caller:
        await begin_answer(scene, caller, TURN)
        await lose(scene, caller)
        scene.model.allow(20)
        await asyncio.sleep(OUTAGE_S)
        assert len(caller.told(Told.SPOKEN)) < len(answer(TURN).split())
        scene.network.refusing = False
        scene.model.let_go()
        assert await caller.until(Told.TURN) == answer(TURN)
        caller.say(question(TOOL_TURN))
        assert await caller.until(Told.TURN) == answer(TOOL_TURN)
        words = " ".join((GREETING, answer(TURN), answer(TOOL_TURN))).split()
        await caller.until(Told.SPOKEN, found(TOOL_TURN))
        assert caller.told(Told.SPOKEN) == words
        assert caller.told(Told.GAP) == []
        assert scene.model.heard() == [question(TURN), question(TOOL_TURN)]
        assert len(caller.told(Told.RESUMED)) == 1


async def test_a_network_that_vanishes_is_noticed_by_both_and_the_conversation_goes_on(
    tmp_path: Path,
) -> None:
    heartbeat_s = 0.3
    async with (
        stage(tmp_path, heartbeat_s=str(heartbeat_s)) as scene,
        scene.calling(tmp_path, str(heartbeat_s)) as caller,
    ):
        await begin_answer(scene, caller, TURN)
        scene.network.freeze()
        scene.model.let_go()
        # No end of a connection comes through, and other signs of life take ten seconds: only
        # heartbeats that are missing can tell.
        assert await caller.until(Told.INTERRUPTED) == CloseCode.PEER_SILENT
        await within(scene.server.log.until("the connection was lost (4101)"))
        scene.network.thaw()
        assert await caller.until(Told.TURN) == answer(TURN)
        caller.say(question(TOOL_TURN))
        assert await caller.until(Told.TURN) == answer(TOOL_TURN)
        assert caller.told(Told.TURN) == [GREETING, answer(TURN), answer(TOOL_TURN)]
        assert scene.model.heard() == [question(TURN), question(TOOL_TURN)]


@pytest.mark.parametrize("outage_s", [0.0, OUTAGE_S])
async def test_an_interruption_in_an_outage_silences_at_once_and_for_good(
    tmp_path: Path, outage_s: float
) -> None:
    async with stage(tmp_path) as scene, scene.calling(tmp_path) as caller:
        await begin_answer(scene, caller, TURN)
        await lose(scene, caller)
        caller.interrupt()
        await caller.until(Told.SILENCED)
        spoken = caller.told(Told.SPOKEN)
        assert not caller.told(Told.RESUMED)
        # The assistant does not know, and says the rest.
        scene.model.let_go()
        await said(scene, 2)
        await asyncio.sleep(outage_s)
        scene.network.refusing = False
        await caller.until(Told.RESUMED)
        caller.say(question(TOOL_TURN))
        await caller.until(Told.SPOKEN, found(TOOL_TURN))
        assert caller.told(Told.SPOKEN) == [*spoken, *answer(TOOL_TURN).split()]


async def test_an_interruption_in_an_outage_also_silences_an_answer_that_began_in_it(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as scene, scene.calling(tmp_path) as caller:
        await caller.until(Told.SPOKEN, GREETING.split()[-1])
        scene.network.freeze(Way.DOWN)
        caller.say(question(TURN))
        await said(scene, 2)
        await lose(scene, caller)
        scene.network.thaw()
        caller.interrupt()
        await caller.until(Told.SILENCED)
        scene.network.refusing = False
        await caller.until(Told.RESUMED)
        caller.say(question(TOOL_TURN))
        await caller.until(Told.SPOKEN, found(TOOL_TURN))
        words = " ".join((GREETING, answer(TOOL_TURN))).split()
        assert caller.told(Told.SPOKEN) == words
