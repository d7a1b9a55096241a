"""An assistant that does everything there is to measure: it asks a task, and hands over."""

from collections.abc import Sequence

from pipecat.bus.messages import BusJobRequestMessage
from pipecat.pipeline.job_context import JobParams
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import tool

from agents import Call, Reply, Say, SessionContext, Turn, assistant
from agents.handoff.colleague import Colleague

GREETING = "The desk is open."
TAKEN_OVER = "The office is here."
FOUND = "A heron, it says."
FAREWELL = "Farewell then."

# What must not be seen anywhere but in the conversation.
SECRETS = ("heron", "pelican", "farewell then", "desk is open", "be a desk")


class Clerk(BaseWorker):
    """Answers every job."""

    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        await super().on_job_request(message)
        await self.send_job_response(message.job_id, {"found": FOUND})


class Desk(Colleague):
    """Asks the clerk, hands over to the office, and says goodbye."""

    @tool
    async def ask_clerk(self, params: FunctionCallParams, question: str) -> None:
        """Ask the clerk.

        Args:
            params: What the model service passes with every call.
            question (str): What to ask.
        """
        async with self.job("clerk", params=JobParams(payload={"question": question})) as asked:
            pass
        await params.result_callback(asked.response)

    @tool(cancel_on_interruption=False)
    async def hand_over(self, params: FunctionCallParams) -> None:
        """Hand over to the office.

        Args:
            params: What the model service passes with every call.
        """
        await self.transfer(params, "office", "a pelican is meant")


def script(turn: Turn) -> Reply:
    """Play the desk, and the office."""
    if turn.tool_that_answered() == "ask_clerk":
        return Say(FOUND)
    if turn.tool_that_answered() == "hand_over":
        return Say("One moment.")
    if turn.tool_that_answered():
        return Say(FAREWELL)
    if any("handed the caller" in str(each.get("content")) for each in turn.since_user.messages):
        return Say(TAKEN_OVER)
    if not turn.user_texts:
        return Say(GREETING)
    for word, called in (
        ("bird", Call("ask_clerk", {"question": "a pelican?"})),
        ("office", Call("hand_over")),
        ("bye", Call("end_conversation", {"reason": "pelican"})),
    ):
        if word in turn.user_texts[-1]:
            return (called,)
    return Say("I see.")


@assistant(
    "desk",
    exports=("desk", "office"),
    description="Asks, hands over, and says goodbye.",
    scripts={"desk": script, "office": script},
)
def desk(session: SessionContext) -> Sequence[BaseWorker]:
    def one(name: str) -> Desk:
        llm = session.services.llm(name, instruction="Be a desk.")
        return Desk(name, llm, greeting="Say that the desk is open.")

    return [one("desk"), one("office"), Clerk("clerk")]
