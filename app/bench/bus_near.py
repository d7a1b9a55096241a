"""The near end of a bus: sends texts to the far end, and knows which came back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from pipecat.bus.messages import BusFrameMessage, BusMessage
from pipecat.frames.frames import LLMTextFrame
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from app.bench.bus_far import our_settings
from app.bench.bus_stock import stock_bus
from app.bench.calls import DOWN, LINE, TIMEOUT_S, WINDOW, Call
from app.bench.names import ASSISTANT, CALLER, Scene
from app.bench.report import Peer
from app.brokers import open_broker
from app.caller.pooled import PATIENCE
from app.errors import AppError
from proxy import DirectBus, WebSocketProxyClientTask
from proxy.bus.dialler import ChannelDialler
from proxy.handshake import TrunkOptions

# Between two tries to find the far end.
_LOOK_EVERY_S = 0.1

# How long Pipecat's bus may take to be left. On a broker that was killed it may wait for ever.
_LEAVE_S = 3.0

# What texts begin with that may be lost, so that no other is taken for one.
_SAID = "said "


class Pinger(BaseWorker):
    """A task without a pipeline that sends texts and keeps what comes back.

    Attributes:
        back: Every text that came back, in order.
    """

    def __init__(self) -> None:
        """Start with nothing sent."""
        super().__init__(CALLER)
        self.back: list[str] = []
        self._news = asyncio.Event()

    async def on_bus_message(self, message: BusMessage) -> None:
        """Keep an echo."""
        await super().on_bus_message(message)
        if not isinstance(message, BusFrameMessage) or message.source == self.name:
            return
        if isinstance(message.frame, LLMTextFrame):
            self.back.append(message.frame.text)
            self._news.set()

    async def there_and_back(self, text: str) -> float:
        """Send a text that is unlike all before, and return how long it took to come back, in s."""
        started = time.perf_counter()
        await self._send(text)
        async with asyncio.timeout(TIMEOUT_S):
            while not self.back or self.back[-1] != text:
                await self._wait()
        return time.perf_counter() - started

    async def exchange(self, count: int) -> float:
        """Send texts, some at a time, until all are back; return how many a second."""
        self.back.clear()
        started = time.perf_counter()
        async with asyncio.timeout(TIMEOUT_S):
            for sent in range(count):
                while sent - len(self.back) >= WINDOW:
                    await self._wait()
                await self._send(str(sent))
            while len(self.back) < count:
                await self._wait()
        return count / (time.perf_counter() - started)

    async def say(self, count: int, *, every_s: float) -> None:
        """Send so many texts, evenly; whatever fails is lost."""
        self.back.clear()
        for number in range(count):
            with contextlib.suppress(Exception):  # whatever a broker's client raises
                await self._send(f"{_SAID}{number}")
            await asyncio.sleep(every_s)

    async def lost(self, count: int, *, silence_s: float) -> int:
        """Wait until all that were said are back, or nothing comes; return how many are missing.

        Args:
            count: How many were said.
            silence_s: When nothing came for so long, nothing will; more than a line takes to be
                resumed.
        """
        with contextlib.suppress(TimeoutError):
            while self._said_back() < count:
                async with asyncio.timeout(silence_s):
                    await self._wait()
        return count - self._said_back()

    async def find(self) -> None:
        """Wait until the far end answers."""
        async with asyncio.timeout(TIMEOUT_S):
            while not self.back:
                await self._send("is anybody there?")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await self._wait()
        await self.there_and_back("and now?")

    async def _send(self, text: str) -> None:
        frame = LLMTextFrame(text)
        await self.send_bus_message(BusFrameMessage(frame, DOWN, source=self.name))

    def _said_back(self) -> int:
        return len({text for text in self.back if text.startswith(_SAID)})

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()


@contextlib.asynccontextmanager
async def near_end(peer: Peer, url: str, channel: str) -> AsyncIterator[Pinger]:
    """Join a bus on which the far end is; gives a task that has heard from it.

    Args:
        peer: Whose bus.
        url: The broker.
        channel: The channel, or what all names begin with.
    """
    pinger = Pinger()
    async with contextlib.AsyncExitStack() as stack:
        if peer is Peer.OURS:
            await stack.enter_async_context(_our_end(pinger, url, channel))
        else:
            await stack.enter_async_context(_stock_end(pinger, url, channel))
        await pinger.find()
        yield pinger


@contextlib.asynccontextmanager
async def _our_end(pinger: Pinger, url: str, channel: str) -> AsyncIterator[None]:
    async with open_broker(our_settings(url, channel)) as claims:
        offers = await claims.offers(Scene.ECHO.value)
        if not offers:
            raise AppError("the far end of our bus makes no offer")
        line = WebSocketProxyClientTask(
            LINE,
            dialler=ChannelDialler(claims, offers[0]),
            remote_task_name=ASSISTANT,
            local_task_name=CALLER,
            active=True,
            options=TrunkOptions(patience=PATIENCE),
        )
        call = Call(WorkerRunner(bus=DirectBus(), handle_sigint=False), line)
        async with call.open(pinger, ASSISTANT):
            yield


@contextlib.asynccontextmanager
async def _stock_end(pinger: Pinger, url: str, channel: str) -> AsyncIterator[None]:
    async with stock_bus(url, channel) as bus:
        runner = WorkerRunner(bus=bus, handle_sigint=False)
        await runner.add_workers(pinger)
        running = asyncio.create_task(runner.run(auto_end=False))
        try:
            await asyncio.sleep(0)
            yield
        finally:
            with contextlib.suppress(Exception):  # on a broker that was killed it may fail, too
                async with asyncio.timeout(_LEAVE_S):
                    await runner.cancel()
                    await running
            running.cancel()
            await asyncio.wait({running})
