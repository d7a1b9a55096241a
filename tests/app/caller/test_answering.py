"""When an answer is over, and when somebody else is about to go on."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.workers.runner import WorkerRunner

from agents.host import TRANSFERRING
from app.caller import call
from app.caller.answering import Answering
from app.caller.call import Call
from app.caller.local import LocalAssistant
from tests.proxy.conversation import within
from tests.proxy.test_bridge import Heard

START, END = LLMFullResponseStartFrame(), LLMFullResponseEndFrame()
TEXT = LLMTextFrame("One moment")
SILENTLY = FunctionCallResultProperties(run_llm=False)
TOOL = FunctionCallsStartedFrame([FunctionCallFromLLM("go", "1", {}, LLMContext())])
CANCELLED = FunctionCallCancelFrame("go", "1")


def result(status: str, properties: FunctionCallResultProperties | None = None) -> Frame:
    return FunctionCallResultFrame("go", "1", {}, {"status": status}, properties=properties)


NOTHING_FOUND = FunctionCallResultFrame("go", "1", {}, None)
NOTHING_TO_SAY = FunctionCallResultFrame("go", "1", {}, "done", properties=SILENTLY)


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
        ((START, TOOL, END, CANCELLED), False),
        ((START, TOOL, END, NOTHING_FOUND), False),
        ((START, TOOL, END, NOTHING_TO_SAY), False),
        ((START, TOOL, NOTHING_TO_SAY), True),
        ((START, TOOL, NOTHING_TO_SAY, END), False),
        ((START, TOOL, result("found"), END), True),
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


@pytest.mark.parametrize(
    "transfer",
    [
        (START, TOOL, END, result(TRANSFERRING)),
        (START, TOOL, result(TRANSFERRING), END),
        (START, TEXT, TOOL, result(TRANSFERRING), END),
        (START, TEXT, TOOL, END, result(TRANSFERRING)),
    ],
)
def test_who_takes_over_is_awaited_from_the_announcement_on(transfer: tuple[Frame, ...]) -> None:
    assert not after(*transfer).awaited, "it is not announced yet"
    announced = after(*transfer, START, TEXT, END)
    assert (announced.open, announced.awaited) == (False, True)
    announced.follow(START)
    assert (announced.open, announced.awaited) == (True, False)
    announced.follow(TEXT)
    announced.follow(END)
    assert (announced.open, announced.awaited) == (False, False)


def test_who_takes_over_without_an_announcement_is_awaited_at_once() -> None:
    silent = result(TRANSFERRING, SILENTLY)
    for transfer in ((START, TEXT, TOOL, END, silent), (START, TEXT, TOOL, silent, END)):
        taken = after(*transfer)
        assert (taken.open, taken.awaited) == (False, True)
        taken = after(*transfer, START, TEXT, END)
        assert (taken.open, taken.awaited) == (False, False)


def test_after_an_announcement_that_was_interrupted_nobody_is_awaited() -> None:
    transfer = (START, TOOL, END, result(TRANSFERRING))
    for announced in ((), (START, TEXT)):
        interrupted = after(*transfer, *announced, InterruptionFrame(), START, TEXT, END)
        assert (interrupted.open, interrupted.awaited) == (False, False)


class Nobody(LocalAssistant):
    """Has no assistant."""

    def __init__(self) -> None:
        pass


class Line:
    """The end of a caller's pipeline, and a caller who waits for silence."""

    def __init__(self) -> None:
        self.seen = Heard()
        self.call = Call(Nobody(), [])
        pipeline = Pipeline([self.call._watcher, self.seen])
        self.worker = PipelineWorker(pipeline, idle_timeout_secs=None, enable_rtvi=False)

    async def passes(self, *frames: Frame) -> None:
        """Let frames pass."""
        for frame in frames:
            await self.worker.queue_frame(frame)
            while await within(self.seen.frames.get()) is not frame:
                pass

    async def silence(self) -> None:
        """Wait as a caller does."""
        await self.call._silence()


@pytest.fixture
async def line(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    monkeypatch.setattr(call, "PAUSE_S", 0.0)
    line = Line()
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(line.worker)
    running = asyncio.create_task(runner.run(auto_end=False))
    yield line
    await runner.cancel()
    await within(asyncio.wait({running}))


async def test_a_caller_speaks_when_all_is_said(line: Line) -> None:
    await within(line.silence())
    await line.passes(START, TEXT)
    waiting = asyncio.create_task(line.silence())
    await line.passes(TOOL, result(TRANSFERRING), END, START, TEXT, END)
    assert not waiting.done(), "somebody is about to take over"
    await line.passes(START, TEXT)
    assert not waiting.done(), "the rest of the answer is late"
    await line.passes(END)
    await within(waiting)


async def test_a_caller_waits_once_for_what_does_not_come(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "TAKEOVER_TIMEOUT_S", 0.1)
    await line.passes(START, TOOL, result(TRANSFERRING), END, START, TEXT, END)
    await within(line.silence())
    monkeypatch.setattr(call, "TAKEOVER_TIMEOUT_S", 600.0)
    await within(line.silence())
