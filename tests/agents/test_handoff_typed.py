"""Typed lines that are all there at once wait for whoever takes the conversation over."""

from collections.abc import Sequence

import pytest
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import tool

from agents import Call, Recipe, Reply, Say, SessionContext, Turn
from agents.handoff import handoff
from agents.handoff import script as lines
from agents.host import TRANSFERRING, Host
from tests.agents.talking import Placement, placed, talking


@pytest.mark.parametrize("placement", [Placement.HERE, Placement.TRUNK])
async def test_lines_wait_for_the_second_half_of_a_transfer(placement: Placement) -> None:
    async with placed(placement, handoff) as place, talking(place.side("handoff")) as talk:
        for line in ("support", "thank you", "back to reception", "thank you", "bye"):
            await talk.say(line)
        await talk.hear(lines.FAREWELL)
    here = f"{lines.SUPPORT_HERE} {lines.ASK_SUPPORT}"
    again = f"{lines.WELCOME_BACK} {lines.ASK_GREETER}"
    there, back = lines.TRANSFER_TO_SUPPORT, lines.TRANSFER_TO_GREETER
    heard = [lines.GREETING, there, here, lines.THANKS, back, again, lines.THANKS, lines.FAREWELL]
    assert talk.said.split("\n")[:-1] == heard
    assert talk.problems == []


class Boaster(Host):
    """Announces a transfer to somebody who is not there."""

    @tool
    async def boast(self, params: FunctionCallParams) -> None:
        """Announce a transfer."""
        await params.result_callback({"status": TRANSFERRING})


def boaster_script(turn: Turn) -> Reply:
    if turn.tool_that_answered():
        return Say("You are transferred.")
    return (Call("boast"),) if turn.user_texts[-1:] == ["boast"] else Say("Still me.")


async def test_who_never_takes_over_is_not_waited_for_for_ever() -> None:
    def build(session: SessionContext) -> Sequence[BaseWorker]:
        return [Boaster("boaster", session.services.llm("boaster", instruction=""), greeting="Hi.")]

    recipe = Recipe("boaster", ("boaster",), build, scripts={"boaster": boaster_script})
    options = {"farewell_timeout_s": 0.01, "takeover_timeout_s": 0.01}
    async with (
        placed(Placement.HERE, recipe) as place,
        talking(place.side("boaster"), **options) as talk,
    ):
        await talk.hear("Still me.")
        await talk.say("boast")
        await talk.say("hello")
        await talk.hear("You are transferred.")
        await talk.hear("Still me.")
