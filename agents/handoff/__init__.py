"""Handoff: a greeter and a support agent hand the conversation to each other and back.

Both are bridged to the caller and both are exported, but only one is active at a time. A transfer
is a tool of the one that speaks: it announces the transfer, waits until that was said, and
activates the other. The conversation itself stays with the caller, so the other knows all of it.
"""

from collections.abc import Sequence

from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import tool

from agents.handoff.colleague import Colleague
from agents.handoff.script import PHRASES, greeter_script, support_script
from agents.recipe import assistant
from agents.session import SessionContext

GREETER = "greeter"
SUPPORT = "support"

GREETER_INSTRUCTION = (
    "You are the greeter of Acme Corp, on the phone. Acme sells Rocket Boots ($299), Invisible "
    "Paint ($49 per can) and the Tornado Kit ($199), and is open from nine to five. You answer "
    "what Acme sells, what it costs and when it is open. For everything else, such as a problem "
    "with a product, repairs, returns and the warranty, call transfer_to_support and say in one "
    "sentence that you transfer the caller. Call end_conversation when the caller says goodbye. "
    "Keep it brief, this is a voice conversation."
)
GREETER_GREETING = "Welcome the caller to Acme Corp and ask what they need."

SUPPORT_INSTRUCTION = (
    "You are a support agent of Acme Corp, on the phone. You help with problems of the Rocket "
    "Boots (usually no fuel), the Invisible Paint (usually not dry yet) and the Tornado Kit "
    "(usually empty batteries), with repairs and returns (within 30 days) and the warranty (two "
    "years). Everything else, such as prices, orders and opening hours, is the greeter's: call "
    "transfer_to_greeter and say in one sentence that you transfer the caller. Call "
    "end_conversation when the caller says goodbye. Keep it brief, this is a voice conversation."
)
SUPPORT_GREETING = "Say that you are Acme's support, and ask what the problem is."


class Greeter(Colleague):
    """Welcomes callers, and knows what there is to buy."""

    @tool(cancel_on_interruption=False)
    async def transfer_to_support(self, params: FunctionCallParams, reason: str) -> None:
        """Hand the conversation to the support agent.

        Args:
            params: What the model service passes with every call.
            reason (str): What the caller needs, in one sentence.
        """
        await self.transfer(params, SUPPORT, reason)


class Support(Colleague):
    """Helps with what was bought."""

    @tool(cancel_on_interruption=False)
    async def transfer_to_greeter(self, params: FunctionCallParams, reason: str) -> None:
        """Hand the conversation back to the greeter.

        Args:
            params: What the model service passes with every call.
            reason (str): What the caller needs, in one sentence.
        """
        await self.transfer(params, GREETER, reason)


@assistant(
    "handoff",
    exports=(GREETER, SUPPORT),
    description="A greeter and a support agent who hand the conversation to each other.",
    phrases=PHRASES,
    scripts={GREETER: greeter_script, SUPPORT: support_script},
)
def handoff(session: SessionContext) -> Sequence[BaseWorker]:
    """Build the two tasks of a session."""
    llm = session.services.llm
    return [
        Greeter(GREETER, llm(GREETER, instruction=GREETER_INSTRUCTION), greeting=GREETER_GREETING),
        Support(SUPPORT, llm(SUPPORT, instruction=SUPPORT_INSTRUCTION), greeting=SUPPORT_GREETING),
    ]
