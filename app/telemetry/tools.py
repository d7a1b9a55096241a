"""The tools that an assistant's models call, as spans: their names and how long they took."""

from collections.abc import Iterator, Sequence

from pipecat.bus.messages import BusFrameMessage
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
)
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.workers.base_worker import BaseWorker

from app.telemetry.spans import SessionSpans

TOOL_FRAMES: frozenset[type[Frame]] = frozenset(
    {FunctionCallCancelFrame, FunctionCallInProgressFrame, FunctionCallResultFrame}
)

# A model can ask for a tool that there is not, by a name that is made of what was said.
_UNKNOWN = "unknown"


class Tools:
    """The tools of one session."""

    def __init__(self, spans: SessionSpans) -> None:
        """Begin without any.

        Args:
            spans: Where to trace.
        """
        self._spans = spans
        self._models: list[LLMService] = []

    def follow(self, tasks: Sequence[BaseWorker]) -> None:
        """Learn which models there are.

        Args:
            tasks: The assistant's tasks.
        """
        if self._spans.on:
            self._models = [
                processor
                for task in tasks
                if isinstance(task, PipelineWorker)
                for processor in processors_in(task.pipeline)
                if isinstance(processor, LLMService)
            ]

    def leave(self) -> None:
        """Forget them."""
        self._models = []

    def left(self, message: BusFrameMessage) -> None:
        """Look at a frame of the assistant.

        Args:
            message: The frame; a model sends each both ways.
        """
        if not self._spans.on or message.direction is not FrameDirection.DOWNSTREAM:
            return
        match message.frame:
            case FunctionCallInProgressFrame(function_name=given, tool_call_id=call):
                name = self._known(given)
                attributes = {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": name,
                    "gen_ai.tool.type": "function",
                }
                self._spans.opened(("tool", call), f"execute_tool {name}", attributes)
            case FunctionCallResultFrame(tool_call_id=call):
                self._spans.closed(("tool", call))
            case FunctionCallCancelFrame(tool_call_id=call):
                self._spans.closed(("tool", call), failed="cancelled")

    def _known(self, name: str) -> str:
        known = any(name in vars(model)["_functions"] for model in self._models)
        return name if known else _UNKNOWN


def processors_in(processor: FrameProcessor) -> Iterator[FrameProcessor]:
    """Iterate over a processor and all that are inside it.

    Args:
        processor: For example a pipeline.
    """
    yield processor
    for inner in processor.processors:
        yield from processors_in(inner)
