"""Pairing what a model says with what it was asked."""

import asyncio

from pipecat.frames.frames import (
    Frame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor


class Answers(FrameProcessor):
    """Stands behind a model: an answer is what it says in the first turn that calls no tool."""

    def __init__(self) -> None:
        """Begin with nothing expected."""
        super().__init__(name="answers")
        self._expected: asyncio.Future[str] | None = None
        self._text: list[str] | None = None

    def expect(self) -> "asyncio.Future[str]":
        """Return what will hold the next answer; the one before is not expected any more."""
        self._expected = asyncio.get_running_loop().create_future()
        self._text = None
        return self._expected

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the model's turns.

        Args:
            frame: Any frame.
            direction: Where it is going.
        """
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            self._follow(frame)
        await self.push_frame(frame, direction)

    def _follow(self, frame: Frame) -> None:
        match frame:
            case LLMFullResponseStartFrame():
                self._text = []
            case LLMTextFrame() if self._text is not None:
                self._text.append(frame.text)
            case FunctionCallsStartedFrame() | InterruptionFrame():
                # What is said before a tool is no answer yet; what is interrupted is none at all.
                self._text = None
            case LLMFullResponseEndFrame() if self._text is not None:
                text, self._text = "".join(self._text), None
                if self._expected is not None and not self._expected.done():
                    self._expected.set_result(text)
