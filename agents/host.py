"""What assistants that talk to callers have in common: they greet, and they say goodbye."""

from typing import Any

from loguru import logger
from pipecat.frames.frames import Frame, LLMMessagesAppendFrame, LLMSetToolsFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.workers.llm import LLMWorker, tool

from agents.jobs import Jobs

# The status in the result of a tool that hands the conversation to another task. A caller who can
# wait is told with it that the next answer is not the last one.
TRANSFERRING = "transferring"


class Host(Jobs, LLMWorker):
    """A task that holds a conversation: greets when it is activated, ends it on goodbye.

    Its tools ask others with deadlines, and an interrupted one cancels what it asked; see `Jobs`.
    """

    def __init__(
        self, name: str, llm: LLMService[Any], *, greeting: str, pipeline: Pipeline | None = None
    ) -> None:
        """Build the task around its language model.

        Args:
            name: The task's name.
            llm: The model, with the host's instruction as its prompt.
            greeting: What the model is told when the task is activated without a message.
            pipeline: A pipeline with the model in it; None for the model alone.
        """
        super().__init__(name, llm=llm, pipeline=pipeline, bridged=())
        self._greeting = greeting

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        """Greet, unless whoever activates brought messages of its own.

        Args:
            args: What the activation carried.
        """
        given = args or {}
        if not given.get("messages"):
            given = {**given, "messages": [{"role": "developer", "content": self._greeting}]}
        await super().on_activated(given)

    async def queue_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Queue a frame; tools and messages reach the conversation whoever interrupts.

        A caller who speaks in the moment of an activation would otherwise talk to a host without
        tools.

        Args:
            frame: Any frame.
            direction: Which way it goes.
        """
        if isinstance(frame, LLMSetToolsFrame | LLMMessagesAppendFrame):
            frame.interruptible = False
        await super().queue_frame(frame, direction)

    @tool
    async def end_conversation(self, params: FunctionCallParams, reason: str) -> None:
        """End the conversation when the user says goodbye.

        Args:
            params: What the model service passes with every call.
            reason (str): Why the conversation is ending.
        """
        logger.info(f"Task '{self.name}': the caller says goodbye")
        await params.result_callback({"status": "ending", "next": "say goodbye in one sentence"})
        await self.end(reason="goodbye")
