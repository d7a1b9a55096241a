"""Turns as the server sees them: the caller asks, an assistant answers.

A turn begins with the caller's last word, or text, and goes on until the caller asks again. What
tools return is part of it, and so is what several tasks say to the same question.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStoppedSpeakingFrame,
)

from app.telemetry.spans import SessionSpans, Value
from app.telemetry.tools import TOOL_FRAMES

# A caller has said something.
_WORDS = frozenset({InputTextRawFrame, TranscriptionFrame, UserStoppedSpeakingFrame})
# What is to be answered; it follows the words, but also what a tool returned.
_QUESTIONS = frozenset({LLMContextFrame, LLMMessagesAppendFrame})
# The first of these is what the caller waits for.
ANSWERS: frozenset[type[Frame]] = frozenset(
    {
        AggregatedTextFrame,
        LLMTextFrame,
        OutputAudioRawFrame,
        TextFrame,
        TTSAudioRawFrame,
        TTSSpeakFrame,
        TTSTextFrame,
    }
)
_ENDS = frozenset({LLMFullResponseEndFrame, TTSStoppedFrame})
# What is interrupted goes on between these, here or at the caller's loudspeaker.
_BEGINS = frozenset({LLMFullResponseStartFrame, TTSStartedFrame})
_SPEAKS = frozenset({BotStartedSpeakingFrame, BotStoppedSpeakingFrame})

ARRIVING: frozenset[type[Frame]] = frozenset({*_WORDS, *_QUESTIONS, *_SPEAKS, InterruptionFrame})
LEAVING: frozenset[type[Frame]] = frozenset({*ANSWERS, *_BEGINS, *_ENDS, *TOOL_FRAMES})


class Observer(Protocol):
    """Takes measurements, as a histogram does."""

    def observe(self, amount: float) -> None:
        """Take one."""


class Turns:
    """The turns of one session.

    Attributes:
        asked_at: When the caller asked what was not answered yet; else None.
    """

    def __init__(
        self, first_answer: Observer, spans: SessionSpans, clock: Callable[[], float]
    ) -> None:
        """Begin before the first turn.

        Args:
            first_answer: Takes how long callers waited for an answer, in seconds.
            spans: Where to trace.
            clock: Gives the time in seconds.
        """
        self._first_answer = first_answer
        self._spans = spans
        self._clock = clock
        self.asked_at: float | None = None
        self._open = False
        self._task = ""  # who answered first
        self._waited_s: float | None = None
        self._under_way = False  # an answer
        self._speaks = False  # the caller's loudspeaker
        self._interrupted = False
        self._ended_ns = 0

    def arrived(self, frame: Frame) -> None:
        """Look at a frame of the caller.

        Args:
            frame: The frame.
        """
        cls = type(frame)
        if cls in _WORDS:
            self._heard()
        elif cls in _QUESTIONS:
            # The clock runs from the words, where there were any.
            if self.asked_at is None and _is_of_caller(frame):
                self._heard()
        elif cls in _SPEAKS:
            self._speaks = cls is BotStartedSpeakingFrame
        elif cls is InterruptionFrame:
            # Whoever speaks says so, whether there is something to interrupt or not.
            self._interrupted = self._interrupted or self._under_way or self._speaks
            self._under_way = self._speaks = False

    def answered(self, task: str) -> None:
        """Note the first frame of an answer.

        Args:
            task: Who sent it.
        """
        if self.asked_at is not None:
            self._waited_s = self._clock() - self.asked_at
            self.asked_at = None
            self._first_answer.observe(self._waited_s)
            self._task = task

    def left(self, frame: Frame) -> None:
        """Look at another frame of the assistant.

        Args:
            frame: The frame.
        """
        cls = type(frame)
        if cls in _BEGINS:
            self._under_way = True
        elif cls in _ENDS:
            self._under_way = False
            self._ended_ns = time.time_ns()

    def end(self) -> None:
        """End the turn that is open, if there is one."""
        if not self._open:
            return
        attributes: dict[str, Value] = {"trunkline.turn.interrupted": self._interrupted}
        if self._waited_s is not None:
            attributes["trunkline.turn.first_answer_s"] = self._waited_s
        self._spans.turn_ended(
            self._task, ended_ns=self._ended_ns or time.time_ns(), attributes=attributes
        )
        self._open = False

    def _heard(self) -> None:
        if self._open and self._task:
            self.end()
        self.asked_at = self._clock()
        if not self._open:
            self._open, self._task, self._waited_s = True, "", None
            self._interrupted, self._ended_ns = False, 0
            self._spans.turn_began()


def _is_of_caller(frame: Any) -> bool:
    """Tell whether the caller said the last thing in a conversation, and not a tool."""
    if isinstance(frame, LLMMessagesAppendFrame):
        messages = frame.messages if frame.run_llm is not False else []
    else:
        messages = frame.context.messages
    last = messages[-1] if messages else None
    return isinstance(last, dict) and last.get("role") == "user"
