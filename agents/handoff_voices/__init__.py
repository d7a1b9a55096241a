"""Handoff with voices: the greeter and the support agent, each speaking with a voice of its own.

The pipeline of each task is its model and its voice, so what crosses to the caller is sound. The
caller's main task has no voice; it plays what comes from whoever is active.
"""

from collections.abc import Sequence

from pipecat.pipeline.pipeline import Pipeline
from pipecat.workers.base_worker import BaseWorker

from agents.handoff import (
    GREETER,
    GREETER_GREETING,
    GREETER_INSTRUCTION,
    SUPPORT,
    SUPPORT_GREETING,
    SUPPORT_INSTRUCTION,
    Greeter,
    Support,
)
from agents.handoff.script import PHRASES, greeter_script, support_script
from agents.recipe import assistant
from agents.session import SessionContext


@assistant(
    "handoff-voices",
    exports=(GREETER, SUPPORT),
    description="The same two, each with a voice of its own.",
    phrases=PHRASES,
    scripts={GREETER: greeter_script, SUPPORT: support_script},
    speaks=True,
)
def handoff_voices(session: SessionContext) -> Sequence[BaseWorker]:
    """Build the two tasks of a session, each with its model and its voice."""
    services = session.services
    greeter = services.llm(GREETER, instruction=GREETER_INSTRUCTION)
    support = services.llm(SUPPORT, instruction=SUPPORT_INSTRUCTION)
    return [
        Greeter(
            GREETER,
            greeter,
            greeting=GREETER_GREETING,
            pipeline=Pipeline([greeter, services.tts(speaker=0)]),
        ),
        Support(
            SUPPORT,
            support,
            greeting=SUPPORT_GREETING,
            pipeline=Pipeline([support, services.tts(speaker=1)]),
        ),
    ]
