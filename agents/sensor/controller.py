"""The controller: a thermometer, and a model that reads and sets it. Speaks to nobody by itself."""

import asyncio
from dataclasses import asdict
from typing import Any

from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.bus.messages import BusJobRequestMessage
from pipecat.frames.frames import InterruptionFrame, LLMMessagesAppendFrame
from pipecat.pipeline.job_decorator import job
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies

from agents.display import KIND, show
from agents.jobs import Jobs
from agents.sensor.answers import Answers
from agents.sensor.processors import Clock, SensorReader, SensorStats
from agents.sensor.thermometer import Thermometer

CONTROLLER = "controller"

# The job that the controller does: a question in, `{"answer": ...}` out.
ASK = "ask"


class Controller(Jobs, PipelineWorker):
    """Owns the thermometer, and answers questions about it, one after the other.

    A plain pipeline: it is not bridged, and is reached by jobs alone. Questions that come while one
    is being answered wait their turn.
    """

    def __init__(self, llm: LLMService[Any], thermometer: Thermometer, clock: Clock) -> None:
        """Build the pipeline.

        Args:
            llm: The model, with the controller's instruction as its prompt.
            thermometer: What is controlled.
            clock: Tells when to read it.
        """
        self._thermometer = thermometer
        self._stats = SensorStats(on_reading=self._show)
        self._answers = Answers()
        tools: list[Any] = [
            self.read_temperature,
            self.get_statistics,
            self.set_target,
            self.set_response,
        ]
        # Nobody speaks here, so nobody has to detect when they stop.
        unspoken = LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
        context = LLMContext(tools=ToolsSchema(standard_tools=tools))
        user, assistant = LLMContextAggregatorPair(context, user_params=unspoken)
        reader = SensorReader(thermometer, clock)
        super().__init__(
            Pipeline([reader, self._stats, user, llm, self._answers, assistant]),
            name=CONTROLLER,
            idle_timeout_secs=None,
            enable_rtvi=False,
            enable_turn_tracking=False,
        )

    @job(name=ASK, sequential=True)
    async def ask(self, message: BusJobRequestMessage) -> None:
        """Answer one question.

        Args:
            message: The request; its payload has the `question`.
        """
        question = str((message.payload or {}).get("question", ""))
        asked: list[Any] = [{"role": "user", "content": question}]
        frame = LLMMessagesAppendFrame(messages=asked, run_llm=True)
        # It may come right behind the interruption of the question before.
        frame.interruptible = False
        expected = self._answers.expect()
        await self.queue_frame(frame)
        try:
            answer = await expected
        except asyncio.CancelledError:
            await self.queue_frame(InterruptionFrame())
            raise
        await self.send_job_response(message.job_id, {"answer": answer})

    async def read_temperature(self, params: FunctionCallParams) -> None:
        """Read the temperature, the target and the response rate.

        Args:
            params: What the model service passes with every call.
        """
        summary = await self._stats.summary()
        await params.result_callback({"temperature_c": summary.latest_c, **self._settings()})

    async def get_statistics(self, params: FunctionCallParams) -> None:
        """Get the lowest, the highest and the mean reading of the last minute, and the trend.

        Args:
            params: What the model service passes with every call.
        """
        summary = await self._stats.summary()
        await params.result_callback({**asdict(summary), **self._settings()})

    async def set_target(self, params: FunctionCallParams, celsius: float) -> None:
        """Set the target temperature, from 5 to 35 degrees.

        Args:
            params: What the model service passes with every call.
            celsius (float): The new target in degrees Celsius.
        """
        self._thermometer.set_target(float(celsius))
        await params.result_callback({"status": "set", **self._settings()})

    async def set_response(self, params: FunctionCallParams, per_s: float) -> None:
        """Set the response rate: the share of the way to the target covered in a second.

        Args:
            params: What the model service passes with every call.
            per_s (float): The new rate, from 0.001 to 1.
        """
        self._thermometer.set_response(float(per_s))
        await params.result_callback({"status": "set", **self._settings()})

    def _show(self, celsius: float) -> None:
        """Show a reading to a caller who looks; it is the screen's, and nobody is told of it."""
        reading = {"temperature_c": round(celsius, 2), "target_c": self._settings()["target_c"]}
        show(self, {KIND: "reading", "task": self.name, **reading})

    def _settings(self) -> dict[str, float]:
        thermometer = self._thermometer
        return {
            "target_c": round(thermometer.target_c, 2),
            "response_per_s": round(thermometer.response_per_s, 4),
        }
