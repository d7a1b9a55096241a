"""Code: talk to a codebase.

A voice task that is bridged to the caller, and beside it a task that only the bus reaches: it reads
the project with tools of its own. Questions go from one to the other as jobs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipecat.pipeline.job_context import JobError, JobParams
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import tool

from agents.code.claude import ClaudeDriver
from agents.code.driver import INSTRUCTION as READER_INSTRUCTION
from agents.code.driver import Driver
from agents.code.model import Completes, ModelDriver
from agents.code.project import Project, ProjectError
from agents.code.script import reader_script
from agents.code.tools import Toolbox
from agents.code.voice_script import PHRASES, assistant_script
from agents.code.worker import ASK, NAME, CodeWorker
from agents.errors import RecipeError
from agents.host import Host
from agents.recipe import assistant
from agents.session import SessionContext
from agents.variables import variable

INSTRUCTION = (
    "You are a friendly voice assistant that helps developers understand a software project. You "
    "do not know the project yourself: for every question about it, its files or its code, call "
    "ask_code with the whole question, and then say the answer in your own short words. If it "
    "fails, say so, and offer to try again. Call end_conversation when the user says goodbye. This "
    "is a voice conversation: no lists, no code, no markup."
)

GREETING = "Greet the user and say that you answer questions about the project; give an example."

# As long as a caller listens to silence; reading a large project takes a few seconds.
ASK_TIMEOUT_S = 60.0

APOLOGY = "The project could not be read just now. Apologise, and offer to try again."


class CodeAssistant(Host):
    """Talks with the caller, and passes questions on."""

    def __init__(self, llm: LLMService[Any]) -> None:
        """Build the task around its language model.

        Args:
            llm: The model, with `INSTRUCTION` as its prompt.
        """
        super().__init__("assistant", llm, greeting=GREETING)

    @tool
    async def ask_code(self, params: FunctionCallParams, question: str) -> None:
        """Ask a question about the project, which is answered by reading its files.

        Args:
            params: What the model service passes with every call.
            question (str): The whole question, understandable by itself.
        """
        asked = JobParams(name=ASK, payload={"question": question}, timeout=ASK_TIMEOUT_S)
        try:
            async with self.job(NAME, params=asked) as reading:
                pass
        except JobError:
            await params.result_callback({"error": APOLOGY})
        else:
            await params.result_callback(reading.response)


@assistant(
    "code",
    exports=("assistant",),
    description="Answers questions about a codebase by reading its files.",
    phrases=PHRASES,
    scripts={"assistant": assistant_script, NAME: reader_script},
    # Callers of a server would otherwise read whatever lies where it was started.
    server_needs={"PROJECT_PATH": "the directory that callers may have read to them"},
)
def code(session: SessionContext) -> Sequence[BaseWorker]:
    """Build the voice and the reader of a session."""
    voice = session.services.llm("assistant", instruction=INSTRUCTION)
    return [CodeAssistant(voice), CodeWorker(_driver(session))]


def _driver(session: SessionContext) -> Driver:
    try:
        tools = Toolbox(Project(Path(variable("PROJECT_PATH") or ".")))
    except ProjectError as error:
        raise RecipeError(f"PROJECT_PATH: {error}") from None
    key = variable("ANTHROPIC_API_KEY")
    if key:
        return ClaudeDriver(key, tools)
    llm = session.services.llm(NAME, instruction=READER_INSTRUCTION)
    if not isinstance(llm, Completes):
        raise RecipeError("the code assistant wants a model that speaks OpenAI's protocol")
    return ModelDriver(llm, tools)
