"""One side of a debate: a task without a pipeline, with a model and a conversation of its own."""

from typing import Any

from pipecat.bus.messages import BusJobRequestMessage
from pipecat.pipeline.job_context import JobStatus
from pipecat.pipeline.job_decorator import job
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import LLMService

from agents.jobs import Jobs

# The job that a debater does: a topic in, `{"text": ...}` out.
ARGUE = "argue"


class Debater(Jobs):
    """Argues on one topic after the other, and remembers.

    Attributes:
        context: The rounds so far. A round that failed or was cancelled leaves no trace in it.
    """

    def __init__(self, name: str, llm: LLMService[Any]) -> None:
        """Begin with an empty conversation.

        Args:
            name: The task's name.
            llm: The model, with the debater's side as its prompt.
        """
        super().__init__(name)
        self.context = LLMContext()
        self._llm = llm

    @job(name=ARGUE, sequential=True)
    async def argue(self, message: BusJobRequestMessage) -> None:
        """Argue on one topic.

        Args:
            message: The request; its payload has the `topic`.
        """
        topic = str((message.payload or {}).get("topic", ""))
        asked = LLMContext([*self.context.messages, _said("user", f"The topic: {topic}")])
        text = await self._llm.run_inference(asked)
        if not text:
            await self.send_job_response(message.job_id, status=JobStatus.FAILED)
            return
        self.context.set_messages([*asked.messages, _said("assistant", text)])
        await self.send_job_response(message.job_id, {"text": text})


def _said(role: str, text: str) -> Any:
    return {"role": role, "content": text}
