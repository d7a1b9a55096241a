"""Acme: one assistant that knows three products and says goodbye.

The smallest assistant that is one: a prompt, a tool, a greeting. Start here to write your own.
"""

from collections.abc import Sequence
from typing import Any

from loguru import logger
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import LLMWorker, LLMWorkerActivationArgs, tool

from agents.acme.script import PHRASES, assistant_script
from agents.recipe import assistant
from agents.session import SessionContext

INSTRUCTION = (
    "You are a friendly assistant for Acme Corp. You know about three products: Acme Rocket Boots "
    "(jet-powered boots, $299, run up to 60 mph), Acme Invisible Paint (makes anything invisible "
    "for 24 hours, $49 per can), and Acme Tornado Kit (portable tornado generator, $199, batteries "
    "included). Greet the user, help them with product questions, and call end_conversation when "
    "the user says goodbye. Keep responses brief, this is a voice conversation."
)

GREETING = "Welcome the user to Acme Corp, mention the available products and ask how you can help."


class AcmeAssistant(LLMWorker):
    """Greets, answers on three products, ends the conversation on goodbye."""

    def __init__(self, llm: LLMService[Any]) -> None:
        """Build the task around its language model.

        Args:
            llm: The model, with `INSTRUCTION` as its prompt.
        """
        super().__init__("assistant", llm=llm, bridged=())

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        """Greet, unless the caller brought messages of its own.

        Args:
            args: What the activation carried.
        """
        greeting = {"role": "developer", "content": GREETING}
        given = args if args and args.get("messages") else None
        await super().on_activated(given or LLMWorkerActivationArgs(messages=[greeting]).to_dict())

    @tool
    async def end_conversation(self, params: FunctionCallParams, reason: str) -> None:
        """End the conversation when the user says goodbye.

        Args:
            params: What the model service passes with every call.
            reason (str): Why the conversation is ending.
        """
        logger.info(f"Task '{self.name}': the caller says goodbye")
        await params.result_callback({"status": "ending", "next": "say goodbye in one sentence"})
        await self.end(reason="goodbye")


@assistant(
    "acme",
    exports=("assistant",),
    description="Answers questions about three products of Acme Corp.",
    phrases=PHRASES,
    scripts={"assistant": assistant_script},
)
def acme(session: SessionContext) -> Sequence[BaseWorker]:
    """Build the one task of a session."""
    return [AcmeAssistant(session.services.llm("assistant", instruction=INSTRUCTION))]
