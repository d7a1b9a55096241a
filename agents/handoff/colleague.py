"""A task that can hand the conversation to another."""

from collections.abc import Awaitable, Callable
from typing import Any

from loguru import logger
from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.llm import LLMWorkerActivationArgs

from agents.host import TRANSFERRING, Host

# What the model hears when nobody took the conversation over.
NOT_TRANSFERRED = (
    "The transfer failed. Say so, answer what the user said meanwhile if you can, and ask the user "
    "to try again later."
)


class Colleague(Host):
    """A host who can hand the conversation to a colleague, and get it back.

    What the caller says in the middle of a transfer is answered once, by the colleague, who begins
    with the whole conversation.
    """

    _leaving = False
    # What the one before said in handing over; None once the conversation has it.
    _awaited: object = None

    async def transfer(self, params: FunctionCallParams, colleague: str, reason: str) -> None:
        """Announce a transfer, and activate the colleague once that was said.

        Called by a tool, which is not to be cancelled on interruption: who interrupts the
        announcement is transferred all the same, and answered by the colleague.

        Args:
            params: What the tool was called with.
            colleague: The task that takes over.
            reason: What the caller needs; the colleague is told.
        """
        logger.info(f"Task '{self.name}' hands the conversation to '{colleague}'")
        self._leaving = True
        await params.result_callback(
            {"status": TRANSFERRING, "next": "say in one sentence that you transfer the caller"}
        )
        told = {
            "role": "developer",
            "content": f"The {self.name} has handed the caller over to you, the {colleague}: "
            f"{reason} Say who you are and go on from there.",
        }
        await self.activate_worker(
            colleague, args=LLMWorkerActivationArgs(messages=[told]), deactivate_self=True
        )

    async def _after_tool_calls(self, handover: Callable[[], Awaitable[None]]) -> None:
        # Pipecat hands over when the tool is done, so nobody in the tool would see it fail.
        await super()._after_tool_calls(lambda: self._handed_over_or_here(handover))

    async def _handed_over_or_here(self, handover: Callable[[], Awaitable[None]]) -> None:
        """Hand over; whoever fails to do so has the conversation still, and says so."""
        try:
            await handover()
        except Exception as error:
            if not self._leaving:
                raise
            logger.warning(f"Task '{self.name}' could not hand over: {type(error).__name__}")
            self._leaving = False
            told = LLMWorkerActivationArgs(
                messages=[{"role": "developer", "content": NOT_TRANSFERRED}]
            )
            # It may have left before it failed.
            await super().activate_worker(self.name, args=told)

    async def queue_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Queue a frame, unless it asks something that will be answered with the transfer.

        Args:
            frame: Any frame.
            direction: Which way it goes.
        """
        if isinstance(frame, LLMContextFrame):
            if self._leaving and _asks(frame):
                return
            if self._awaited is not None and self._awaited not in frame.context.messages:
                return
            self._awaited = None
        await super().queue_frame(frame, direction)

    async def on_activated(self, args: dict[str, Any] | None) -> None:
        """Take the conversation over.

        Args:
            args: What the activation carried.
        """
        self._leaving = False
        given = args.get("messages") if args else None
        self._awaited = given[-1] if given else None
        await super().on_activated(args)


def _asks(frame: LLMContextFrame) -> bool:
    """Tell whether the caller has said something since the transfer was announced."""
    for message in reversed(frame.context.messages):
        role = message.get("role") if isinstance(message, dict) else None
        # What was said of an announcement that was interrupted may stand behind the question.
        if role != "assistant":
            return role == "user"
    return False
