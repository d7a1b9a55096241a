"""An assistant of two tasks that repeat what they hear, each under its name, and hand over."""

from collections.abc import Sequence
from typing import Any

from pipecat.frames.frames import Frame, LLMContextFrame, LLMTextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection
from pipecat.workers.base_worker import BaseWorker

from agents import SessionContext, assistant
from tests.proxy.conversation import Parrot

# Whoever hears it hands over to the other.
OVER = "over"


class Half(Parrot):
    """Repeats, and hands over when it is told to."""

    def __init__(self, name: str, other: str) -> None:
        super().__init__()
        self._name_said = name
        self._other = other

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            last: Any = frame.context.messages[-1]
            if str(last["content"]).endswith(OVER):
                await self.pipeline_worker.activate_worker(self._other, deactivate_self=True)

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        if isinstance(frame, LLMTextFrame):
            frame = LLMTextFrame(f"{self._name_said}:{frame.text}")
        await super().push_frame(frame, direction)


class HalfTask(PipelineWorker):
    """Says that it has taken over, unless it is the first."""

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        await super().on_activated(args)
        if self.name == "two":
            await self.queue_frame(LLMTextFrame("here "))


@assistant("pair", exports=("one", "two"), description="Repeats what it hears, in turn.")
def pair(session: SessionContext) -> Sequence[BaseWorker]:
    return [_half("one", "two"), _half("two", "one")]


def _half(name: str, other: str) -> PipelineWorker:
    pipeline = Pipeline([Half(name, other)])
    return HalfTask(pipeline, name=name, bridged=(), active=False, idle_timeout_secs=None)
