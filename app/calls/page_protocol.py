"""What a page and its call say to each other, in RTVI, beside what Pipecat says for itself."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputTransportMessageFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIObserverParams, RTVIProcessor
from pipecat.processors.frameworks.rtvi.models import ServerMessage
from pipecat.processors.frameworks.rtvi.observer import RTVIFunctionCallReportLevel

from app.caller.line_news import LinePhase
from app.calls.endings import Ending
from app.server.token_bucket import TokenBucket

# What a page may ask of its call. RTVI has more, which is for pages that a program trusts: files by
# their URL, results of tools, sound past the microphone.
HANGS_UP = "disconnect-bot"
ALLOWED = frozenset({"client-ready", "send-text", HANGS_UP})

# A person types a sentence in a second at best, and pastes a page of text now and then.
MESSAGE_BURST = 20
MESSAGE_RATE_HZ = 2.0
MAX_TEXT_CHARS = 4000

# Each text interrupts and waits for the line; more of them than this wait for nothing good.
MAX_WAITING = 20

# Tools are named with what they were asked; what they found may be long, and is in the answer.
REPORTED = RTVIObserverParams(
    function_call_report_level={"*": RTVIFunctionCallReportLevel.ARGUMENTS}
)

# What a service says of its failure may hold what was said, or a key.
SERVICE_FAILED = "a service failed"


def line_message(phase: LinePhase, ending: Ending | None = None, code: int | None = None) -> Any:
    """Say what became of the line, as the data of a `server-message`.

    Args:
        phase: What.
        ending: How the call ends, if it does.
        code: The close code of a connection that was lost.
    """
    said: dict[str, Any] = {"trunkline": "line", "state": phase.value}
    if ending is not None:
        code = ending.code
        said["reason"] = ending.reason
    if code is not None:
        said["code"] = code
    return said


class PageProtocol(RTVIProcessor):
    """Pipecat's side of RTVI, for pages that nobody has to trust."""

    def __init__(self, hang_up: Callable[[], None]) -> None:
        """Start with nothing heard.

        Args:
            hang_up: Called when the page says that it does.
        """
        super().__init__()
        self._hang_up = hang_up
        self._bucket = TokenBucket(MESSAGE_BURST, MESSAGE_RATE_HZ, asyncio.get_running_loop().time)
        self._dropped = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Let through what a page may say, and hide the words of failures.

        Args:
            frame: Any frame.
            direction: Where it is going.
        """
        if isinstance(frame, InputTransportMessageFrame) and not self._may(frame.message):
            self._dropped += 1
            if self._dropped == 1:
                logger.warning("The page says what pages may not, or too much; that is dropped")
            return
        if isinstance(frame, InputTransportMessageFrame) and frame.message["type"] == HANGS_UP:
            # Pipecat would end the pipeline, and the line would not say who wanted that.
            self._hang_up()
            return
        if isinstance(frame, ErrorFrame):
            frame = dataclasses.replace(frame, error=SERVICE_FAILED)
        await super().process_frame(frame, direction)

    def _may(self, message: Any) -> bool:
        if not isinstance(message, dict) or message.get("type") not in ALLOWED:
            return False
        if not self._bucket.take() or self._message_queue.qsize() >= MAX_WAITING:
            return False
        if message["type"] != "send-text":
            return True
        data = message.get("data")
        text = data.get("content") if isinstance(data, dict) else None
        return isinstance(text, str) and 0 < len(text) <= MAX_TEXT_CHARS


class LastWord(FrameProcessor):
    """Says why the call ends, after everything that is still to be heard.

    Attributes:
        ending: Why; nothing is said while there is none.
    """

    def __init__(self) -> None:
        """Start with nothing to say."""
        super().__init__(name="last-word")
        self.ending: Ending | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Go ahead of what ends the pipeline.

        Args:
            frame: Any frame.
            direction: Where it is going.
        """
        await super().process_frame(frame, direction)
        if isinstance(frame, EndFrame | CancelFrame) and self.ending is not None:
            data = line_message(LinePhase.ENDED, self.ending)
            said = ServerMessage(data=data).model_dump(exclude_none=True)
            # An end waits for the sound ahead of it, a cancellation for nothing.
            in_order = isinstance(frame, EndFrame)
            kind = OutputTransportMessageFrame if in_order else OutputTransportMessageUrgentFrame
            await self.push_frame(kind(message=said))
        await self.push_frame(frame, direction)
