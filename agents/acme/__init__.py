"""Acme: one assistant that knows three products and says goodbye.

The smallest assistant that is one: a prompt and a greeting. Its tool, the goodbye, is every host's.
Start here to write your own.
"""

from collections.abc import Sequence

from pipecat.workers.base_worker import BaseWorker

from agents.acme.script import PHRASES, assistant_script
from agents.host import Host
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


@assistant(
    "acme",
    exports=("assistant",),
    description="Answers questions about three products of Acme Corp.",
    phrases=PHRASES,
    scripts={"assistant": assistant_script},
)
def acme(session: SessionContext) -> Sequence[BaseWorker]:
    """Build the one task of a session."""
    llm = session.services.llm("assistant", instruction=INSTRUCTION)
    return [Host("assistant", llm, greeting=GREETING)]
