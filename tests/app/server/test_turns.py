"""When an answer is under way, and when it is over."""

import asyncio
from typing import Any

import pytest
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
from pipecat.processors.aggregators.llm_context import LLMContext

from app.server import turns
from app.server.turns import NOTED, Turns
from tests.app.server.identity.test_tokens import Clock
from tests.proxy.conversation import within

ASKED = LLMContextFrame(LLMContext(messages=[]))
TOOL: Any = ("look", "call-1", {})
RESULT = FunctionCallResultFrame("look", "call-1", {}, "it")
BEGUN, OVER = LLMFullResponseStartFrame(), LLMFullResponseEndFrame()


@pytest.mark.parametrize(
    ("frames", "busy"),
    [
        ((), False),
        ((ASKED,), True),
        ((ASKED, BEGUN), True),
        ((ASKED, BEGUN, OVER), False),
        ((BEGUN, BEGUN, OVER), True),
        ((BEGUN, BEGUN, OVER, OVER, OVER), False),
        ((ASKED, BEGUN, FunctionCallInProgressFrame(*TOOL), OVER), True),
        ((FunctionCallInProgressFrame(*TOOL), RESULT), False),
        ((FunctionCallInProgressFrame(*TOOL), FunctionCallCancelFrame(*TOOL[:2])), False),
        ((BEGUN, TTSStartedFrame(), OVER), True),
        ((BEGUN, TTSStartedFrame(), OVER, TTSStoppedFrame()), False),
        ((BEGUN, BotStartedSpeakingFrame(), OVER), True),
        ((BEGUN, BotStartedSpeakingFrame(), OVER, BotStoppedSpeakingFrame()), False),
        ((ASKED, BEGUN, TTSStartedFrame(), InterruptionFrame()), False),
        ((ASKED, BEGUN, InterruptionFrame(), ASKED), True),
    ],
)
def test_an_answer_is_under_way_from_the_question_to_its_end(
    frames: tuple[Frame, ...], busy: bool
) -> None:
    followed = Turns(Clock())
    for frame in frames:
        assert type(frame) in NOTED
        followed.note(frame)
    assert followed.busy is busy


async def test_a_session_that_never_spoke_is_quiet() -> None:
    await within(Turns(Clock()).quiet(), 1.0)


async def test_it_is_quiet_a_moment_after_the_answer_and_not_in_a_pause_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, sleeps = Clock(), asyncio.Queue[float]()
    followed = Turns(clock)
    waking = asyncio.Event()

    async def sleep(delay_s: float) -> None:
        sleeps.put_nowait(delay_s)
        await waking.wait()
        waking.clear()

    monkeypatch.setattr(turns.asyncio, "sleep", sleep)  # type: ignore[attr-defined]
    followed.note(ASKED)
    quiet = asyncio.create_task(followed.quiet())
    followed.note(BEGUN)
    followed.note(OVER)
    assert await within(sleeps.get()) == turns.SETTLE_S
    clock.now += 0.5
    followed.note(RESULT)
    clock.now += 0.5
    waking.set()
    assert await within(sleeps.get()) == 0.5
    followed.note(ASKED)
    waking.set()
    followed.note(OVER)
    assert await within(sleeps.get()) == turns.SETTLE_S
    clock.now += 1.0
    waking.set()
    await within(quiet)
