"""The bridge in a caller's pipeline: what stays at home, and what is too late to be heard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import (
    BotSpeakingFrame,
    EndFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    StartFrame,
    TextFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from proxy import CallerBridge, DirectBus, bridge
from tests.proxy.conversation import within

AUDIO = InputAudioRawFrame(audio=bytes(640), sample_rate=16000, num_channels=1)


class Heard(FrameProcessor):
    """Keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, StartFrame | EndFrame):
            self.frames.put_nowait(frame)
        await self.push_frame(frame, direction)

    async def until(self, *types: type[Frame]) -> Frame:
        """Wait for a frame, whatever comes before it."""
        while True:
            frame: Frame = await within(self.frames.get())
            if isinstance(frame, types):
                return frame


class Assistants(BaseWorker):
    """Keeps what crosses the bus."""

    def __init__(self) -> None:
        super().__init__("assistant")
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()

    async def on_bus_message(self, message: BusMessage) -> None:
        await super().on_bus_message(message)
        if isinstance(message, BusFrameMessage) and message.source == "caller":
            self.frames.put_nowait(message.frame)


@dataclass
class Scene:
    """A caller's pipeline with a bridge, on a bus with assistants."""

    caller: PipelineWorker
    above: Heard
    below: Heard
    assistants: Assistants

    async def says(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Have the assistants send a frame."""
        await self.assistants.send_bus_message(
            BusFrameMessage(source="assistant", frame=frame, direction=direction)
        )

    async def interrupt(self) -> None:
        """Have the caller interrupt, and the pipeline take note."""
        await self.caller.queue_frame(InterruptionFrame())
        await self.below.until(InterruptionFrame)

    async def heard(self) -> list[str]:
        """Return the texts that reached the voice."""
        await self.says(FunctionCallResultFrame("marker", "1", {}, result=""))  # never too late
        texts: list[str] = []
        while True:
            frame = await within(self.below.frames.get())
            if isinstance(frame, FunctionCallResultFrame):
                return texts
            if isinstance(frame, TextFrame):
                texts.append(frame.text)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
    above, below, assistants = Heard(), Heard(), Assistants()
    joined = CallerBridge(bus=runner.bus, worker_name="caller", name="caller::bridge")
    caller = PipelineWorker(Pipeline([above, joined, below]), name="caller", idle_timeout_secs=None)
    ready = asyncio.Event()
    caller.add_event_handler("on_pipeline_started", lambda *_: ready.set())
    await runner.add_workers(caller, assistants)
    running = asyncio.create_task(runner.run(auto_end=False))
    await within(ready.wait())
    yield Scene(caller, above, below, assistants)
    await runner.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await within(running)


async def test_what_the_assistants_want_crosses_and_goes_no_further(scene: Scene) -> None:
    await scene.caller.queue_frame(TextFrame("hello"))
    frame = await within(scene.assistants.frames.get())
    assert isinstance(frame, TextFrame)
    assert await scene.heard() == []


@pytest.mark.parametrize("frame", [AUDIO, BotSpeakingFrame()])
async def test_what_they_do_not_want_goes_along_the_pipeline(scene: Scene, frame: Frame) -> None:
    await scene.caller.queue_frame(frame)
    assert await scene.below.until(type(frame)) is frame
    await scene.caller.queue_frame(TextFrame("after it"))
    assert isinstance(await within(scene.assistants.frames.get()), TextFrame)


async def test_an_interruption_is_heard_here_at_once_and_crosses(scene: Scene) -> None:
    await scene.interrupt()
    assert isinstance(await within(scene.assistants.frames.get()), InterruptionFrame)


async def test_what_was_said_before_the_assistant_heard_of_it_is_not_spoken(scene: Scene) -> None:
    await scene.says(LLMTextFrame("before"))
    assert await scene.heard() == ["before"]
    await scene.interrupt()
    await scene.says(LLMTextFrame("too late"))
    assert await scene.heard() == []
    await scene.says(InterruptionFrame())
    await scene.says(LLMTextFrame("new"))
    assert await scene.heard() == ["new"]


async def test_the_assistants_own_interruption_is_heard(scene: Scene) -> None:
    await scene.says(InterruptionFrame())
    await scene.below.until(InterruptionFrame)


async def test_nothing_of_a_burst_outlives_an_interruption_at_its_end(scene: Scene) -> None:
    await scene.interrupt()
    # Begun before the assistant heard.
    await scene.says(LLMFullResponseStartFrame())
    for _ in range(20):
        await scene.says(LLMTextFrame("late"))
    await scene.says(InterruptionFrame())
    await scene.below.until(InterruptionFrame)
    assert await scene.heard() == []


async def test_nothing_of_a_burst_outlives_the_callers_own_interruption(scene: Scene) -> None:
    for _ in range(20):
        await scene.says(LLMTextFrame("late"))
    await scene.interrupt()
    assert await scene.heard() == []


@pytest.mark.parametrize("beginning", [LLMFullResponseStartFrame(), TTSSpeakFrame("Hello.")])
async def test_a_beginning_is_never_too_late(scene: Scene, beginning: Frame) -> None:
    await scene.interrupt()
    await scene.says(beginning)
    await scene.says(LLMTextFrame("new"))
    await scene.below.until(type(beginning))
    assert await scene.heard() == ["new"]


async def test_what_must_not_be_interrupted_is_never_too_late(scene: Scene) -> None:
    await scene.interrupt()
    await scene.says(FunctionCallResultFrame("f", "1", {}, result="299"))
    await scene.below.until(FunctionCallResultFrame)


async def test_what_goes_upstream_is_never_too_late(scene: Scene) -> None:
    await scene.interrupt()
    await scene.says(TextFrame("up"), FrameDirection.UPSTREAM)
    frame = await scene.above.until(TextFrame)
    assert isinstance(frame, TextFrame)
    assert frame.text == "up"


async def test_with_nobody_to_be_interrupted_what_comes_later_is_new(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "STALE_FOR_S", 0.0)
    await scene.interrupt()
    await scene.says(LLMTextFrame("new"))
    assert await scene.heard() == ["new"]
