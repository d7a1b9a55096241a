"""A turn is what the caller asks and all that is answered, with the time until the first of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from app.telemetry.spans import NOTHING, NoSpans, Value
from app.telemetry.turns import Turns

QUESTION: Any = {"role": "user", "content": "?"}
RESULT: Any = {"role": "tool", "tool_call_id": "1", "content": "!"}


def context(*messages: Any) -> LLMContextFrame:
    return LLMContextFrame(LLMContext(messages=list(messages)))


class Spans(NoSpans):
    """Writes turns down."""

    def __init__(self) -> None:
        self.began = 0
        self.ended: list[tuple[str, Mapping[str, Value]]] = []

    def turn_began(self) -> None:
        self.began += 1

    def turn_ended(
        self, task: str, *, ended_ns: int, attributes: Mapping[str, Value] = NOTHING
    ) -> None:
        assert ended_ns > 0
        self.ended.append((task, attributes))


@dataclass
class Heard:
    """Turns with a clock that only the test moves."""

    now: float = 100.0
    waited_s: list[float] = field(default_factory=list)
    spans: Spans = field(default_factory=Spans)

    def __post_init__(self) -> None:
        self.turns = Turns(self, self.spans, lambda: self.now)

    def observe(self, amount: float) -> None:
        self.waited_s.append(amount)

    def at(self, now: float, *frames: Frame) -> None:
        """Let frames of the caller arrive."""
        self.now = now
        for frame in frames:
            self.turns.arrived(frame)

    def answer(self, now: float, task: str = "desk", *, whole: bool = True) -> None:
        """Let an answer leave."""
        self.now = now
        self.turns.left(LLMFullResponseStartFrame())
        self.turns.answered(task)
        if whole:
            self.turns.left(LLMFullResponseEndFrame())


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_the_clock_runs_from_the_last_word_and_not_from_the_conversation_behind_it(
    heard: Heard,
) -> None:
    heard.at(1.0, UserStoppedSpeakingFrame())
    heard.at(2.0, UserStoppedSpeakingFrame())
    heard.at(2.5, context(QUESTION))
    heard.answer(3.0)
    heard.answer(4.0)
    assert heard.waited_s == [1.0]
    assert heard.spans.began == 1


@pytest.mark.parametrize(
    "asked",
    [
        context(QUESTION),
        InputTextRawFrame("?"),
        LLMMessagesAppendFrame(messages=[QUESTION], run_llm=True),
    ],
)
def test_text_is_asked_too(heard: Heard, asked: Frame) -> None:
    heard.at(1.0, asked)
    heard.answer(1.5)
    assert heard.waited_s == [0.5]


@pytest.mark.parametrize(
    "told",
    [
        context(QUESTION, RESULT),
        context(),
        LLMMessagesAppendFrame(messages=[RESULT]),
        LLMMessagesAppendFrame(messages=[QUESTION], run_llm=False),
        LLMMessagesAppendFrame(messages=[]),
    ],
)
def test_what_a_tool_returns_is_part_of_the_turn(heard: Heard, told: Frame) -> None:
    heard.at(1.0, context(QUESTION))
    heard.answer(2.0)
    heard.at(3.0, told)
    heard.answer(4.0, "office")
    heard.turns.end()
    assert heard.waited_s == [1.0]
    assert heard.spans.ended == [
        ("desk", {"trunkline.turn.interrupted": False, "trunkline.turn.first_answer_s": 1.0})
    ]


def test_the_next_question_ends_the_turn(heard: Heard) -> None:
    for now in (1.0, 3.0):
        heard.at(now, context(QUESTION))
        heard.answer(now + 1)
    heard.turns.end()
    heard.turns.end()
    assert heard.spans.began == len(heard.spans.ended) == 2


def test_a_question_that_nobody_answered_is_asked_anew(heard: Heard) -> None:
    heard.at(1.0, context(QUESTION))
    heard.at(2.0, InterruptionFrame(), UserStoppedSpeakingFrame())
    heard.answer(2.5)
    heard.turns.end()
    assert heard.waited_s == [0.5]
    assert len(heard.spans.ended) == 1


def test_a_greeting_is_no_answer(heard: Heard) -> None:
    heard.answer(1.0)
    heard.turns.end()
    assert heard.waited_s == []
    assert heard.spans.ended == []


def interrupted(heard: Heard) -> object:
    heard.turns.end()
    return heard.spans.ended[-1][1]["trunkline.turn.interrupted"]


def test_who_speaks_into_an_answer_interrupts_it(heard: Heard) -> None:
    heard.at(1.0, context(QUESTION))
    heard.answer(2.0, whole=False)
    heard.at(2.5, InterruptionFrame())
    assert interrupted(heard) is True


def test_who_speaks_while_the_loudspeaker_does_interrupts_too(heard: Heard) -> None:
    heard.at(1.0, context(QUESTION))
    heard.answer(2.0)
    heard.at(2.5, BotStartedSpeakingFrame(), InterruptionFrame(), BotStoppedSpeakingFrame())
    assert interrupted(heard) is True


def test_who_speaks_after_the_answer_interrupts_nothing(heard: Heard) -> None:
    heard.at(1.0, context(QUESTION))
    heard.answer(2.0)
    heard.at(2.5, BotStartedSpeakingFrame(), BotStoppedSpeakingFrame(), InterruptionFrame())
    assert interrupted(heard) is False
