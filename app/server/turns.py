"""Whether an answer is under way in a session: a server that stops lets it be heard to its end."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)

from proxy import DirectBus

# From the end of a text to the voice that begins to speak it, and from the result of a tool to the
# conversation that comes back with it. Longer pauses are the end of an answer.
SETTLE_S = 1.0


class Turns:
    """Follows the answers of one session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start in silence.

        Args:
            clock: Tells the time in seconds.
        """
        self._clock = clock
        self._changed_at = clock() - SETTLE_S
        self._asked = False
        self._answers = 0
        self._tools: set[str] = set()
        self._voice = False
        self._speaker = False
        self._still: asyncio.Event | None = None

    @property
    def busy(self) -> bool:
        """Whether somebody answers, or is about to."""
        return bool(self._asked or self._answers or self._tools or self._voice or self._speaker)

    def note(self, frame: Frame) -> None:
        """Take note of a frame that passed the bus of the session.

        Args:
            frame: One of `NOTED`.
        """
        match frame:
            case LLMContextFrame():
                self._asked = True
            case LLMFullResponseStartFrame():
                self._answers += 1
            case LLMFullResponseEndFrame():
                self._asked = False
                self._answers = max(0, self._answers - 1)
            case FunctionCallInProgressFrame() | FunctionCallResultFrame():
                self._note_tool(frame)
            case FunctionCallCancelFrame():
                self._tools.discard(frame.tool_call_id)
            case TTSStartedFrame() | TTSStoppedFrame():
                self._voice = isinstance(frame, TTSStartedFrame)
            case BotStartedSpeakingFrame() | BotStoppedSpeakingFrame():
                self._speaker = isinstance(frame, BotStartedSpeakingFrame)
            case InterruptionFrame():
                self._asked = self._voice = False
                self._answers = 0
        self._changed_at = self._clock()
        if self._still is not None and not self.busy:
            self._still.set()

    def _note_tool(self, frame: FunctionCallInProgressFrame | FunctionCallResultFrame) -> None:
        if isinstance(frame, FunctionCallInProgressFrame):
            self._tools.add(frame.tool_call_id)
            return
        self._tools.discard(frame.tool_call_id)

    async def quiet(self) -> None:
        """Wait until there is no answer under way, and has not been for a moment."""
        while True:
            while self.busy:
                self._still = self._still or asyncio.Event()
                self._still.clear()
                await self._still.wait()
            left_s = self._changed_at + SETTLE_S - self._clock()
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)


# What tells of an answer; looked up for every frame that passes.
NOTED = frozenset(
    {
        BotStartedSpeakingFrame,
        BotStoppedSpeakingFrame,
        FunctionCallCancelFrame,
        FunctionCallInProgressFrame,
        FunctionCallResultFrame,
        InterruptionFrame,
        LLMContextFrame,
        LLMFullResponseEndFrame,
        LLMFullResponseStartFrame,
        TTSStartedFrame,
        TTSStoppedFrame,
    }
)


class SessionBus(DirectBus):
    """The bus of a session, which follows its answers."""

    def __init__(self, turns: Turns, **options: Any) -> None:
        """Start without subscribers.

        Args:
            turns: What follows them.
            **options: See `DirectBus`.
        """
        super().__init__(**options)
        self._turns = turns

    def hand(self, message: BusMessage, *, skip: str | None = None) -> None:
        """Deliver a message; see `DirectBus.hand`."""
        if isinstance(message, BusFrameMessage) and type(message.frame) in NOTED:
            self._turns.note(message.frame)
        super().hand(message, skip=skip)
