"""The task that reads the project; nobody but the session's own tasks can reach it."""

from typing import Any

from pipecat.bus.messages import BusJobRequestMessage
from pipecat.pipeline.job_context import JobStatus
from pipecat.pipeline.job_decorator import job

from agents.code.driver import Driver, ModelError
from agents.jobs import Jobs

NAME = "code_worker"
ASK = "ask"

# A spoken question is a sentence or two.
MAX_QUESTION_LENGTH = 2000

NO_QUESTION = "there is no question"


class CodeWorker(Jobs):
    """Answers questions one after the other, and remembers those before."""

    def __init__(self, driver: Driver) -> None:
        """Build the task.

        Args:
            driver: Who answers.
        """
        super().__init__(NAME)
        self._driver = driver

    @job(name=ASK, sequential=True)
    async def on_ask(self, message: BusJobRequestMessage) -> None:
        """Answer the question in a job's payload.

        Args:
            message: The request.
        """
        question = _question(message.payload)
        if not question:
            await self._fail(message.job_id, NO_QUESTION)
            return
        try:
            answer = await self._driver.ask(question)
        except ModelError as error:
            await self._fail(message.job_id, str(error))
        else:
            await self.send_job_response(message.job_id, {"answer": answer})

    async def stop(self) -> None:
        """Stop, and let go of the model."""
        await super().stop()
        await self._driver.close()

    async def _fail(self, job_id: str, why: str) -> None:
        await self.send_job_response(job_id, {"error": why}, status=JobStatus.FAILED)


def _question(payload: dict[str, Any] | None) -> str:
    question = (payload or {}).get("question")
    return question.strip()[:MAX_QUESTION_LENGTH] if isinstance(question, str) else ""
