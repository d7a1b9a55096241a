"""Debate: a moderator asks an advocate, a critic and an analyst, all at once, and sums up.

The caller talks to the moderator, whose `debate` tool gives the topic to the three as one group of
jobs. Each of the three has a model and a conversation of its own, which it keeps from round to
round; nobody outside the session can reach them.
"""

from collections.abc import Sequence
from typing import Any

from loguru import logger
from pipecat.pipeline.job_context import JobGroupError, JobGroupParams
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import tool

from agents.debate.debater import ARGUE, Debater
from agents.debate.script import (
    PHRASES,
    advocate_script,
    analyst_script,
    critic_script,
    moderator_script,
)
from agents.host import Host
from agents.recipe import assistant
from agents.session import SessionContext

MODERATOR = "moderator"

INSTRUCTION = (
    "You moderate a debate, on the phone. When the user names a topic or a further aspect of one, "
    "call the debate tool with it, even if you know an answer, and then sum up what the advocate, "
    "the critic and the analyst said in three or four sentences of your own. Say so if one of them "
    "could not take part. Call end_conversation when the user says goodbye. This is a voice "
    "conversation: no lists, no headings."
)
GREETING = "Welcome the user to the debate and ask for a topic."

ROLES = {
    "advocate": "You argue for whatever the topic proposes.",
    "critic": "You argue against whatever the topic proposes.",
    "analyst": "You take no side; you say what is known, what is not, and what it depends on.",
}
ROLE_INSTRUCTION = (
    "You are the {role} in a debate. {task} Answer in two or three sentences to be read aloud, and "
    "refer to what you said in earlier rounds where it matters."
)

# A model has its own deadline, far shorter. This is for a debater that is gone.
ROUND_TIMEOUT_S = 60.0


class Moderator(Host):
    """Holds the conversation, and asks the three."""

    def __init__(self, llm: LLMService[Any], *, round_timeout_s: float = ROUND_TIMEOUT_S) -> None:
        """Begin without a round.

        Args:
            llm: The model, with `INSTRUCTION` as its prompt.
            round_timeout_s: How long a round may take before who has not answered is left out.
        """
        super().__init__(MODERATOR, llm, greeting=GREETING)
        self._round_timeout_s = round_timeout_s
        self._rounds = 0

    @tool(cancel_on_interruption=False)
    async def debate(self, params: FunctionCallParams, topic: str) -> None:
        """Have a topic debated by an advocate, a critic and an analyst.

        Args:
            params: What the model service passes with every call.
            topic (str): The topic, or a further aspect of the last one.
        """
        self._rounds += 1
        number = self._rounds
        said = await self._ask(topic)
        await params.result_callback(
            {
                "round": number,
                "topic": topic,
                "arguments": said,
                "absent": [role for role in ROLES if role not in said],
            }
        )

    async def _ask(self, topic: str) -> dict[str, str]:
        """Return what each of the three says, as far as they do."""
        group = self.job_group(
            *ROLES,
            params=JobGroupParams(
                name=ARGUE,
                payload={"topic": topic},
                timeout=self._round_timeout_s,
                # Who fails is left out; the others are heard.
                cancel_on_error=False,
            ),
        )
        responses: dict[str, dict[str, str]] = {}
        try:
            async with group:
                responses = group.responses
        except JobGroupError as error:
            logger.warning(f"Task '{self.name}': the round is not complete: {error}")
        texts = {role: (responses.get(role) or {}).get("text") for role in ROLES}
        return {role: text for role, text in texts.items() if text}


@assistant(
    "debate",
    exports=(MODERATOR,),
    description="A moderator who has topics debated by an advocate, a critic and an analyst.",
    phrases=PHRASES,
    scripts={
        MODERATOR: moderator_script,
        "advocate": advocate_script,
        "critic": critic_script,
        "analyst": analyst_script,
    },
)
def debate(session: SessionContext) -> Sequence[BaseWorker]:
    """Build the moderator and the three."""
    llm = session.services.llm
    debaters = [
        Debater(role, llm(role, instruction=ROLE_INSTRUCTION.format(role=role, task=task)))
        for role, task in ROLES.items()
    ]
    return [Moderator(llm(MODERATOR, instruction=INSTRUCTION)), *debaters]
