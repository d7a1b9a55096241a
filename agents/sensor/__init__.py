"""Sensor: a voice that knows nothing, and a controller that owns a simulated thermometer.

Two pipelines side by side, with no bridge between them. The voice is bridged to the caller and
forwards every question by a job; the controller reads, inspects and sets the thermometer with tools
of its own, and answers the job.
"""

import random
from collections.abc import Sequence

from loguru import logger
from pipecat.pipeline.job_context import JobError, JobParams
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import tool

from agents.host import Host
from agents.recipe import assistant
from agents.sensor.controller import ASK, CONTROLLER, Controller
from agents.sensor.processors import Clock, WallClock
from agents.sensor.script import PHRASES, controller_script, voice_script
from agents.sensor.thermometer import Thermometer
from agents.session import SessionContext

VOICE = "voice"

VOICE_INSTRUCTION = (
    "You are the voice of a thermostat. You know nothing about it yourself: for everything that "
    "concerns the temperature, call ask_controller with the user's question, once for each "
    "question, and say what it answers in one or two sentences. Call end_conversation when the "
    "user says goodbye. This is a voice conversation."
)
GREETING = "Say that you are the voice of the thermostat, and ask what the user wants to know."

CONTROLLER_INSTRUCTION = (
    "You control a thermostat. Answer each question in one sentence to be read aloud. Read before "
    "you answer, and read before you change anything by a relative amount; warmer or cooler means "
    "two degrees. It is stable when the mean is within half a degree of the target and the trend "
    "is below half a degree a minute. The response rate is the share of the way to the target that "
    "is covered in a second; faster means twice as much."
)

# Several rounds of a model that calls tools, each with a deadline of its own; and a question waits
# for those before it.
ASK_TIMEOUT_S = 60.0

# What the model hears when there is no answer.
NO_ANSWER = "The controller could not answer. Say so, and ask the user to try again."


class Voice(Host):
    """Holds the conversation, and asks the controller."""

    @tool(cancel_on_interruption=False)
    async def ask_controller(self, params: FunctionCallParams, question: str) -> None:
        """Ask the controller of the thermostat a question, or tell it what to do.

        Args:
            params: What the model service passes with every call.
            question (str): The question in the user's words.
        """
        asked = JobParams(name=ASK, payload={"question": question}, timeout=ASK_TIMEOUT_S)
        try:
            async with self.job(CONTROLLER, params=asked) as job:
                pass
            answer = job.response.get("answer")
        except JobError as error:
            logger.warning(f"Task '{self.name}': the controller did not answer: {error}")
            answer = None
        await params.result_callback({"answer": answer} if answer else {"problem": NO_ANSWER})


def sensor_tasks(
    session: SessionContext, *, clock: Clock | None = None, seed: int | None = None
) -> Sequence[BaseWorker]:
    """Build the two tasks of a session.

    Args:
        session: The session.
        clock: Tells when to read; None for the wall's.
        seed: Makes the noise repeatable; None for another noise every time.
    """
    llm = session.services.llm
    thermometer = Thermometer(randomness=random.Random(seed))
    return [
        Voice(VOICE, llm(VOICE, instruction=VOICE_INSTRUCTION), greeting=GREETING),
        Controller(
            llm(CONTROLLER, instruction=CONTROLLER_INSTRUCTION), thermometer, clock or WallClock()
        ),
    ]


@assistant(
    "sensor",
    exports=(VOICE,),
    description="The voice of a thermostat, with a controller that reads and sets it.",
    phrases=PHRASES,
    scripts={VOICE: voice_script, CONTROLLER: controller_script},
)
def sensor(session: SessionContext) -> Sequence[BaseWorker]:
    """Build the two tasks of a session."""
    return sensor_tasks(session)
