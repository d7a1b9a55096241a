"""Assistants that ask the whole process to end, each from somewhere else."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pipecat.bus.messages import BusMessage
from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import LLMWorker, tool

from agents import Call, Recipe, Reply, Say, SessionContext, Turn


class WithATool(LLMWorker):
    """Has two tools that end processes."""

    def __init__(self, llm: Any) -> None:
        super().__init__("assistant", llm=llm, bridged=())

    @tool
    async def leave(self, params: FunctionCallParams) -> None:
        """Leave."""
        sys.exit(3)

    @tool
    async def interrupt(self, params: FunctionCallParams) -> None:
        """Interrupt."""
        raise KeyboardInterrupt


def calling(name: str) -> Callable[[Turn], Reply]:
    def script(turn: Turn) -> Reply:
        return (Call(name),) if turn.user_texts else Say("Hello.")

    return script


def with_a_tool(session: SessionContext) -> Sequence[BaseWorker]:
    return [WithATool(session.services.llm("assistant", instruction="Leave."))]


class Leaver(BaseWorker):
    """Does something that ends processes when it is activated."""

    def __init__(self, leave: Callable[[BaseWorker], Awaitable[None]]) -> None:
        super().__init__("assistant", active=False)
        self.leave = leave

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        await super().on_activated(args)
        await self.leave(self)


async def at_once(worker: BaseWorker) -> None:
    sys.exit(3)


async def in_a_task(worker: BaseWorker) -> None:
    worker.kept = asyncio.create_task(at_once(worker))  # type: ignore[attr-defined]


async def in_a_task_of_pipecat(worker: BaseWorker) -> None:
    worker.create_task(at_once(worker))


async def in_a_thread(worker: BaseWorker) -> None:
    await asyncio.to_thread(sys.exit, 3)


class HandlesBadly(BaseWorker):
    """Has an event handler that ends processes."""

    def __init__(self) -> None:
        super().__init__("assistant", active=False)
        self.add_event_handler("on_activated", self.leave)

    def leave(self, *_: Any) -> None:
        sys.exit(3)


class HearsBadly(BaseWorker):
    """Ends processes on any message of the bus."""

    async def on_bus_message(self, message: BusMessage) -> None:
        sys.exit(3)


class Processor(FrameProcessor):
    """Ends processes when it is spoken to."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            sys.exit(3)
        await self.push_frame(frame, direction)


def with_a_processor(session: SessionContext) -> Sequence[BaseWorker]:
    return [
        PipelineWorker(
            Pipeline([Processor()]), name="assistant", bridged=(), idle_timeout_secs=None
        )
    ]


def in_the_recipe(session: SessionContext) -> Sequence[BaseWorker]:
    sys.exit(3)


async def in_the_async_recipe(session: SessionContext) -> Sequence[BaseWorker]:
    sys.exit(3)


def _leaver(
    leave: Callable[[BaseWorker], Awaitable[None]],
) -> Callable[[SessionContext], Sequence[BaseWorker]]:
    return lambda session: [Leaver(leave)]


def _recipe(name: str, build: Any, **options: Any) -> Recipe:
    return Recipe(name, ("assistant",), build, **options)


QUITTERS = (
    _recipe("quits-in-tool", with_a_tool, scripts={"assistant": calling("leave")}),
    _recipe("interrupts-in-tool", with_a_tool, scripts={"assistant": calling("interrupt")}),
    _recipe("quits-on-activation", _leaver(at_once)),
    _recipe("quits-in-task", _leaver(in_a_task)),
    _recipe("quits-in-pipecats-task", _leaver(in_a_task_of_pipecat)),
    _recipe("quits-in-thread", _leaver(in_a_thread)),
    _recipe("quits-in-handler", lambda session: [HandlesBadly()]),
    _recipe("quits-on-message", lambda session: [HearsBadly("assistant")]),
    _recipe("quits-in-processor", with_a_processor),
    _recipe("quits-in-recipe", in_the_recipe),
    _recipe("quits-in-async-recipe", in_the_async_recipe),
)
