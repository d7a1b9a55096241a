"""Assistants that do what no assistant should."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from pipecat.bus.messages import BusJobRequestMessage
from pipecat.frames.frames import CancelFrame, Frame, LLMContextFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import LLMWorker, tool

from agents import Call, Reply, Say, SessionContext, Turn, assistant
from tests.proxy.conversation import Parrot


@assistant("raises", exports=("assistant",), description="Cannot be built.")
def raises(session: SessionContext) -> Sequence[BaseWorker]:
    raise ValueError("a secret of the recipe")


class Stuck(FrameProcessor):
    """Never lets the pipeline start."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await asyncio.Event().wait()
        await self.push_frame(frame, direction)


def _pipeline(processor: FrameProcessor) -> PipelineWorker:
    return PipelineWorker(
        Pipeline([processor]), name="assistant", bridged=(), idle_timeout_secs=None
    )


@assistant("hangs", exports=("assistant",), description="Never starts.")
def hangs(session: SessionContext) -> Sequence[BaseWorker]:
    return [_pipeline(Stuck())]


# What holds up a recipe that blocks, by what the caller calls it.
BLOCKED: dict[str, threading.Event] = {}
BLOCKED_FOR_S = 30.0


@assistant("blocks", exports=("assistant",), description="Takes too long to build.")
def blocks(session: SessionContext) -> Sequence[BaseWorker]:
    # Until whoever called is told that it took too long, however late a busy machine tells it.
    BLOCKED[session.metadata["until"]].wait(BLOCKED_FOR_S)
    return []


@assistant("parrot", exports=("assistant",), description="Repeats what it hears.")
def parrot(session: SessionContext) -> Sequence[BaseWorker]:
    return [_pipeline(Parrot())]


class Dies(Parrot):
    """Ends its own pipeline when it is spoken to."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, LLMContextFrame):
            await self.pipeline_worker.queue_frame(CancelFrame(reason="no more"))
        await super().process_frame(frame, direction)


@assistant("dies", exports=("assistant",), description="Dies when spoken to.")
def dies(session: SessionContext) -> Sequence[BaseWorker]:
    return [_pipeline(Dies())]


class Clumsy(LLMWorker):
    """Has a tool that raises, one that exits, and one that says goodbye."""

    def __init__(self, llm: Any) -> None:
        super().__init__("assistant", llm=llm, bridged=())

    @tool
    async def drop(self, params: FunctionCallParams) -> None:
        """Drop something."""
        raise RuntimeError("a secret of the tool")

    @tool
    async def leave(self, params: FunctionCallParams) -> None:
        """Leave."""
        raise SystemExit(3)

    @tool
    async def hang_up(self, params: FunctionCallParams) -> None:
        """Hang up."""
        await params.result_callback({"status": "ending"})
        await self.end(reason="goodbye")


def clumsy_script(turn: Turn) -> Reply:
    if turn.tool_that_answered():
        return Say("Sorry about that.")
    if not turn.user_texts:
        return Say("Hello.")
    return (Call({"goodbye": "hang_up", "leave": "leave"}.get(turn.last_text, "drop")),)


@assistant(
    "clumsy",
    exports=("assistant",),
    description="Has a tool that raises.",
    scripts={"assistant": clumsy_script},
)
def clumsy(session: SessionContext) -> Sequence[BaseWorker]:
    return [Clumsy(session.services.llm("assistant", instruction="Be clumsy."))]


class Sleepy(BaseWorker):
    """Answers no job."""

    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        await asyncio.Event().wait()


@assistant("sleepy", exports=("assistant",), description="Answers no job.")
def sleepy(session: SessionContext) -> Sequence[BaseWorker]:
    return [Sleepy("assistant"), Sleepy("hidden")]


def raising_script(turn: Turn) -> Reply:
    raise ValueError("a secret of the script")


@assistant(
    "broken-model",
    exports=("assistant",),
    description="Its model answers 500.",
    scripts={"assistant": raising_script},
)
def broken_model(session: SessionContext) -> Sequence[BaseWorker]:
    return [Clumsy(session.services.llm("assistant", instruction="Fail."))]


RECIPES = (raises, hangs, blocks, parrot, dies, clumsy, sleepy, broken_model)
