"""An assistant that tries to be more than text."""

from collections.abc import Sequence

from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import LLMWorker

from agents import Reply, Say, SessionContext, Turn, assistant

MARKUP = "<img src=x onerror=\"document.title='taken over'\">"
ANSWER = f"See {MARKUP} and <b>this</b>."


def script(turn: Turn) -> Reply:
    return Say(ANSWER)


@assistant(
    "rude", exports=("rude",), description="<i>Speaks</i> in tags.", scripts={"rude": script}
)
def rude(session: SessionContext) -> Sequence[BaseWorker]:
    return [LLMWorker("rude", llm=session.services.llm("rude", instruction="Answer."), bridged=())]
