"""A conversation that is handed over inside of a job goes on with what is left of its deadline."""

from collections.abc import Sequence
from typing import Any

import pytest
from pipecat.bus.messages import BusJobRequestMessage
from pipecat.pipeline.job_context import JobParams
from pipecat.pipeline.job_decorator import job
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import LLMWorkerActivationArgs, tool

from agents import Call, Recipe, Reply, Say, SessionContext, Turn
from agents.handoff.colleague import Colleague
from agents.jobs import LONGEST_S
from tests.agents.placements import Asker, Doer
from tests.agents.talking import Placement, placed, talking

TIMEOUT_S = 15.0
TOLD: Any = {"role": "developer", "content": "Look it up."}


class Greeter(Colleague):
    """Hands over when it is asked to by a job, and when the caller wants it."""

    @job(name="hand_over")
    async def on_hand_over(self, message: BusJobRequestMessage) -> None:
        args = LLMWorkerActivationArgs(messages=[TOLD], metadata={"about": "a job"})
        await self.activate_worker("support", args=args, deactivate_self=True)
        await self.send_job_response(message.job_id)

    @tool(cancel_on_interruption=False)
    async def transfer(self, params: FunctionCallParams) -> None:
        """Hand the conversation over.

        Args:
            params: What the model service passes with every call.
        """
        await Colleague.transfer(self, params, "support", "It is about a call.")


class Support(Colleague):
    """Looks things up, for as long as it likes."""

    @tool
    async def look_up(self, params: FunctionCallParams) -> None:
        """Look something up.

        Args:
            params: What the model service passes with every call.
        """
        async with self.job("leaf", params=JobParams(timeout=LONGEST_S)) as asked:
            pass
        await params.result_callback(asked.response)


def greeter_script(turn: Turn) -> Reply:
    if turn.last_role == "user" and "support" in turn.last_text:
        return (Call("transfer"),)
    return Say("One moment." if turn.tool_that_answered() else "This is the greeter.")


def support_script(turn: Turn) -> Reply:
    return Say("It is looked up.") if turn.tool_that_answered() else (Call("look_up"),)


class Office:
    """An assistant of two colleagues, and somebody behind them who asks one to hand over."""

    def __init__(self) -> None:
        self.manager, self.leaf = Asker("manager"), Doer("leaf")
        self.recipe = Recipe(
            "office",
            ("greeter", "support"),
            self._build,
            scripts={"greeter": greeter_script, "support": support_script},
        )

    def _build(self, session: SessionContext) -> Sequence[BaseWorker]:
        llm = session.services.llm
        return [
            Greeter("greeter", llm("greeter", instruction="Greet."), greeting="Greet."),
            Support("support", llm("support", instruction="Help."), greeting="Greet."),
            self.manager,
            self.leaf,
        ]


@pytest.mark.parametrize("placement", Placement)
async def test_a_host_that_takes_over_inside_of_a_job_gets_what_is_left(
    placement: Placement,
) -> None:
    office = Office()
    async with placed(placement, office.recipe) as place, talking(place.side("office")) as talk:
        await talk.hear("This is the greeter.")
        params = JobParams(name="hand_over", timeout=TIMEOUT_S)
        async with office.manager.job("greeter", params=params):
            pass
        await talk.hear("It is looked up.")
    (left,) = office.leaf.remaining_s
    assert 0 < left <= TIMEOUT_S
    assert talk.problems == []


@pytest.mark.parametrize("placement", Placement)
async def test_a_host_that_takes_over_by_itself_owes_nobody_anything(placement: Placement) -> None:
    office = Office()
    async with placed(placement, office.recipe) as place, talking(place.side("office")) as talk:
        await talk.hear("This is the greeter.")
        await talk.ask("support please", "It is looked up.")
    (left,) = office.leaf.remaining_s
    assert left > TIMEOUT_S
    assert talk.problems == []
