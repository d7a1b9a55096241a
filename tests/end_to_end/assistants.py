"""The assistant that the server's process hosts."""

from collections.abc import Sequence
from typing import Any

from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import LLMWorker, LLMWorkerActivationArgs, tool

from agents import SessionContext, assistant
from tests.end_to_end.dialogue import found


class Guide(LLMWorker):
    """Greets, answers, looks things up, and ends the conversation when it is told goodbye."""

    def __init__(self, llm: Any) -> None:
        super().__init__("guide", llm=llm, bridged=())

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        greet = {"role": "developer", "content": "Greet."}
        await super().on_activated(LLMWorkerActivationArgs(messages=[greet]).to_dict())

    @tool
    async def look_up(self, params: FunctionCallParams, number: int) -> None:
        """Look something up.

        Args:
            params: What the model service passes with every call.
            number (int): What to look up.
        """
        await params.result_callback({"found": found(number)})

    @tool
    async def end_conversation(self, params: FunctionCallParams) -> None:
        """End the conversation.

        Args:
            params: What the model service passes with every call.
        """
        await params.result_callback({"status": "ending"})
        await self.end(reason="goodbye")


@assistant("guide", exports=("guide",), description="Holds a long conversation.")
def guide(session: SessionContext) -> Sequence[BaseWorker]:
    return [Guide(session.services.llm("guide", instruction="Guide the caller."))]
