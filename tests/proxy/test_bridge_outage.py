"""After an outage, the bridge does not speak what was said before the assistant heard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from pipecat.bus.messages import BusFrameMessage
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from proxy import CallerBridge, DirectBus, bridge
from proxy.outage import BusLineResumedMessage
from tests.proxy.conversation import within

NEVER_S = 3600.0


class Ear(FrameProcessor):
    """Hears what the pipeline speaks."""

    def __init__(self) -> None:
        super().__init__(name="ear")
        self.words: asyncio.Queue[str] = asyncio.Queue()
        self.interrupted = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self.words.put_nowait(frame.text)
        elif isinstance(frame, InterruptionFrame):
            self.interrupted.set()
        await self.push_frame(frame, direction)


class Listener:
    """A caller's pipeline, and the assistant on the same bus."""

    def __init__(self) -> None:
        self.bus = DirectBus()
        self.ear = Ear()
        processors = [CallerBridge(bus=self.bus, worker_name="caller", name="bridge"), self.ear]
        self.worker = PipelineWorker(Pipeline(processors), name="caller", idle_timeout_secs=None)

    async def interrupt(self) -> None:
        await self.worker.queue_frame(InterruptionFrame())
        await within(self.ear.interrupted.wait())

    async def resumed(self, missed_s: float) -> None:
        await self.bus.send(BusLineResumedMessage(source="line", missed_s=missed_s))

    async def assistant_says(self, *frames: Frame | str) -> None:
        for frame in frames:
            said = LLMTextFrame(frame) if isinstance(frame, str) else frame
            down = FrameDirection.DOWNSTREAM
            await self.bus.send(BusFrameMessage(source="assistant", frame=said, direction=down))

    async def hear(self) -> str:
        return str(await within(self.ear.words.get()))


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    runner = WorkerRunner(bus=listener.bus, handle_sigint=False)
    await runner.add_workers(listener.worker)
    started = asyncio.Event()

    async def on_started(_: object) -> None:
        started.set()

    await runner.registry.watch("caller", on_started)
    running = asyncio.create_task(runner.run(auto_end=False))
    try:
        await within(started.wait())
        yield listener
    finally:
        await runner.cancel()
        await within(running)


async def test_an_interruption_that_was_not_heard_counts_from_the_end_of_the_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening() as listener:
        monkeypatch.setattr(bridge, "STALE_FOR_S", 0.0)
        await listener.interrupt()
        monkeypatch.setattr(bridge, "STALE_FOR_S", NEVER_S)
        await listener.resumed(NEVER_S)
        await listener.assistant_says("old", LLMFullResponseStartFrame(), "as old")
        await listener.assistant_says(InterruptionFrame(), "new")
        assert await listener.hear() == "new"


async def test_without_an_outage_a_beginning_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as listener:
        monkeypatch.setattr(bridge, "STALE_FOR_S", NEVER_S)
        await listener.interrupt()
        await listener.assistant_says("old", LLMFullResponseStartFrame(), "new")
        assert await listener.hear() == "new"


async def test_an_interruption_long_before_the_outage_was_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening() as listener:
        monkeypatch.setattr(bridge, "STALE_FOR_S", 0.0)
        await listener.interrupt()
        await listener.resumed(missed_s=0.0)
        await listener.assistant_says("new")
        assert await listener.hear() == "new"
