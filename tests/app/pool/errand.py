"""An assistant whose clerk sends a porter, who never comes back."""

import asyncio
from collections.abc import Sequence

from pipecat.bus.messages import (
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobUpdateMessage,
    BusJobUpdateUrgentMessage,
)
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.base_worker import BaseWorker

from agents import SessionContext, assistant


class Ear(FrameProcessor):
    """Sends the porter, whatever is said."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self.pipeline_worker.request_job("porter")
        else:
            await self.push_frame(frame, direction)


class Clerk(PipelineWorker):
    """Says what becomes of the job."""

    async def say(self, *words: str) -> None:
        texts = [LLMTextFrame(f"{word} ") for word in words]
        await self.queue_frames([LLMFullResponseStartFrame(), *texts, LLMFullResponseEndFrame()])

    async def on_job_update(self, message: BusJobUpdateMessage | BusJobUpdateUrgentMessage) -> None:
        await self.say("begun")

    async def on_job_error(
        self, message: BusJobResponseMessage | BusJobResponseUrgentMessage
    ) -> None:
        await self.say("job", str(message.status))


class Porter(BaseWorker):
    """Begins, and never ends."""

    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        await super().on_job_request(message)
        await self.send_job_update(message.job_id, {"begun": True})
        await asyncio.Event().wait()


@assistant("errand", exports=("clerk",), description="Sends somebody.")
def errand(session: SessionContext) -> Sequence[BaseWorker]:
    clerk = Clerk(Pipeline([Ear()]), name="clerk", bridged=(), active=False, idle_timeout_secs=None)
    return [clerk, Porter("porter")]
