"""When an answer is over, and when somebody else is about to go on."""

import pytest
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.utils.text.base_text_aggregator import TextType

from agents.host import TRANSFERRING
from app.caller import call
from app.caller.answering import TAKEOVER_TIMEOUT_S, Answering
from app.caller.call import ANSWER_TIMEOUT_S, PAUSE_S, SpeechWatcher

START, END = LLMFullResponseStartFrame(), LLMFullResponseEndFrame()
TEXT = LLMTextFrame("One moment")
SPOKEN = TTSTextFrame("One moment", text_type=TextType.SENTENCE)
SOUND = TTSAudioRawFrame(bytes(960), 24000, 1)
TOOL = FunctionCallsStartedFrame([FunctionCallFromLLM("go", "1", {}, LLMContext())])
CANCELLED = FunctionCallCancelFrame("go", "1")


def result(status: str) -> Frame:
    return FunctionCallResultFrame("go", "1", {}, {"status": status})


def after(*frames: Frame) -> Answering:
    answering = Answering()
    for frame in frames:
        answering.follow(frame)
    return answering


@pytest.mark.parametrize(
    ("frames", "is_open"),
    [
        ((), False),
        ((START, TEXT), True),
        ((START, TEXT, END), False),
        ((START, TOOL, END), True),
        ((START, TOOL, END, result("found")), True),
        ((START, TOOL, END, CANCELLED, START, TEXT, END), False),
        ((START, TOOL, END, result("found"), START, TEXT, END), False),
        ((START, TEXT, InterruptionFrame()), False),
        ((START, TEXT, InterruptionFrame(), START), True),
    ],
)
def test_an_answer_is_over_when_nothing_of_it_is_to_come(
    frames: tuple[Frame, ...], is_open: bool
) -> None:
    answering = after(*frames)
    assert (answering.open, answering.awaited) == (is_open, False)


@pytest.mark.parametrize("word", [TEXT, SPOKEN, SOUND])
def test_who_takes_over_is_awaited_from_the_announcement_on(word: Frame) -> None:
    calls = (START, TOOL, result(TRANSFERRING), END)
    assert not after(*calls).awaited, "it is not announced yet"
    announced = after(*calls, START, word, END)
    assert (announced.open, announced.awaited) == (False, True)
    announced.follow(START)
    assert (announced.open, announced.awaited) == (True, False)
    announced.follow(TEXT)
    announced.follow(END)
    assert (announced.open, announced.awaited) == (False, False)


def test_a_caller_speaks_a_moment_after_the_last_word() -> None:
    watcher = SpeechWatcher()
    assert watcher.left_s == PAUSE_S
    watcher.speaking = True
    assert watcher.left_s == ANSWER_TIMEOUT_S
    watcher.speaking = False
    watcher.answering = after(START, TEXT)
    assert watcher.left_s == ANSWER_TIMEOUT_S, "the rest of the answer is late"
    watcher.answering = after(START, TOOL, result(TRANSFERRING), END, START, TEXT, END)
    assert watcher.left_s == TAKEOVER_TIMEOUT_S
    watcher.answering.follow(START)
    assert watcher.left_s == ANSWER_TIMEOUT_S
    watcher.answering.follow(END)
    assert watcher.left_s == call.PAUSE_S
