"""Callers with the real client half of each peer, one line each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from pipecat.bus import AsyncQueueBus, BusBridgeProcessor, WorkerBus
from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import Frame, LLMTextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.proxy.websocket.client import WebSocketProxyClient
from pipecat.workers.runner import WorkerRunner

from app.bench.names import CALLER
from app.bench.report import Peer
from proxy import DirectBus, WebSocketProxyClientTask

LINE = "line"
DOWN = FrameDirection.DOWNSTREAM

# Opening, answering and closing over loopback take milliseconds, except that stock waits for two
# flushes of ten seconds each before it closes.
TIMEOUT_S = 120.0

# Messages under way at a time: enough to keep the server busy, too few to fill any queue.
WINDOW = 64


@dataclass
class Call:
    """A caller's runner with its line, before anything is added to it.

    Attributes:
        runner: The runner.
        line: The client half of the line.
        gone: Set when the socket is closed.
    """

    runner: WorkerRunner
    line: BaseWorker
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def open(self, caller: BaseWorker, remote: str) -> AsyncIterator[None]:
        """Dial, and hang up after the block.

        Args:
            caller: The caller's task.
            remote: The task at the other end that has to be ready.
        """
        ready = asyncio.Event()

        async def on_ready(_: object) -> None:
            ready.set()

        await self.runner.registry.watch(remote, on_ready)
        await self.runner.add_workers(caller, self.line)
        running = asyncio.create_task(self.runner.run(auto_end=False))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await ready.wait()
            yield
        finally:
            await self.runner.cancel()
            async with asyncio.timeout(TIMEOUT_S):
                await running


def call(peer: Peer, url: str, remote: str) -> Call:
    """Prepare a call.

    Args:
        peer: Whose client half.
        url: The server's URL.
        remote: The task at the other end.
    """
    return _CALLS[peer](url, remote)


def our_call(url: str, remote: str) -> Call:
    """Prepare a call with our client half on our bus."""
    line = WebSocketProxyClientTask(
        LINE, url=url, remote_task_name=remote, local_task_name=CALLER, active=True
    )
    prepared = Call(WorkerRunner(bus=DirectBus(), handle_sigint=False), line)

    async def on_disconnected(*_: object) -> None:
        prepared.gone.set()

    line.add_event_handler("on_disconnected", on_disconnected)
    return prepared


def stock_call(url: str, remote: str) -> Call:
    """Prepare a call with Pipecat's client half on Pipecat's bus."""
    line = WebSocketProxyClient(
        LINE,
        url=url,
        remote_worker_name=remote,
        local_worker_name=CALLER,
        forward_messages=(BusFrameMessage,),
        active=True,
    )
    prepared = Call(WorkerRunner(bus=AsyncQueueBus(), handle_sigint=False), line)
    waiting: list[asyncio.Task[None]] = []

    async def wait_closed(socket: Any) -> None:
        await socket.wait_closed()
        prepared.gone.set()

    async def on_connected(_: object, socket: Any) -> None:
        # It says nothing when the server closes in good order, so the socket itself is watched.
        waiting.append(asyncio.create_task(wait_closed(socket)))

    line.add_event_handler("on_connected", on_connected)
    return prepared


_CALLS: dict[Peer, Callable[[str, str], Call]] = {Peer.OURS: our_call, Peer.STOCK: stock_call}


class Counter(BaseWorker):
    """A caller without a pipeline that sends texts and counts the echoes."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        super().__init__(CALLER)
        self._heard = 0
        self._enough = asyncio.Event()
        self._wanted = 0

    async def on_bus_message(self, message: BusMessage) -> None:
        """Count an echo."""
        await super().on_bus_message(message)
        if isinstance(message, BusFrameMessage) and message.source != self.name:
            self._heard += 1
            if self._heard >= self._wanted:
                self._enough.set()

    async def exchange(self, text: str, count: int) -> None:
        """Send a text again and again, and wait for every echo.

        Args:
            text: The text.
            count: How many times.
        """
        self._heard = 0
        for sent in range(count):
            if sent - self._heard >= WINDOW:
                await self._until(sent - WINDOW // 2)
            frame = LLMTextFrame(text)
            await self.send_bus_message(BusFrameMessage(frame, DOWN, source=self.name))
        await self._until(count)

    async def _until(self, wanted: int) -> None:
        self._wanted = wanted
        self._enough.clear()
        if self._heard < wanted:
            async with asyncio.timeout(TIMEOUT_S):
                await self._enough.wait()


class Listener(FrameProcessor):
    """Notes the words that reach a caller with a pipeline.

    Attributes:
        words: What was said.
        word: Set with every word.
    """

    def __init__(self) -> None:
        """Start with nothing heard."""
        super().__init__()
        self.words: list[str] = []
        self.word = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note a word."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self.words.append(frame.text)
            self.word.set()
        await self.push_frame(frame, direction)

    async def hear(self, word: str) -> None:
        """Wait until a word was said."""
        async with asyncio.timeout(TIMEOUT_S):
            while word not in self.words:
                self.word.clear()
                await self.word.wait()


def bridged_caller(bus: WorkerBus, listener: Listener) -> PipelineWorker:
    """Build a caller whose pipeline is bridged to the other end, as a voice bot's is."""
    bridge = BusBridgeProcessor(bus=bus, worker_name=CALLER)
    return PipelineWorker(Pipeline([bridge, listener]), name=CALLER, idle_timeout_secs=None)
