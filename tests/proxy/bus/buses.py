"""A caller and an assistant on one bus: in one process, over a trunk, or over a broker."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipecat.frames.frames import LLMMessagesAppendFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from app.caller.main_task import MAIN_NAME, Parts, build_main_task
from proxy import DirectBus, LinkClosedError, ServerLineOptions, WebSocketProxyClientTask
from proxy.arrival import hear
from proxy.bus.channel import Channel, End
from proxy.bus.claims import Claim, Claims, Offer
from proxy.bus.dialler import ChannelDialler
from proxy.codec.rules import HOME
from tests.agents.placements import known
from tests.proxy.bus.brokers import Broker, opened
from tests.proxy.conversation import Collector, SmallServer, within

PATIENT = ServerLineOptions(resume_window_s=30.0)

Build = Callable[[], Sequence[BaseWorker]]

PREFIX = "acme"

_serials = itertools.count(1)


@dataclass
class Near:
    """A caller's side.

    Attributes:
        runner: Its runner.
        main: Its main task, whose pipeline is bridged to the bus.
        collector: What reached the end of that pipeline.
        running: Done once the runner is.
    """

    runner: WorkerRunner
    main: PipelineWorker
    collector: Collector
    running: "asyncio.Task[None]"

    async def say(self, text: str) -> str:
        """Say something to the active task, and return its answer."""
        self.collector.words.clear()
        self.collector.answered.clear()
        said = [{"role": "user", "content": text}]
        await self.main.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))  # type: ignore[arg-type]
        await within(self.collector.answered.wait())
        return " ".join(self.collector.words)


class Bus(Protocol):
    """Something on which callers and assistants meet."""

    def call(
        self, build: Build, *beside: BaseWorker
    ) -> contextlib.AbstractAsyncContextManager[Near]:
        """Hold a conversation with tasks of its own; the first is active."""


class InProcess:
    """The bus of one process."""

    @contextlib.asynccontextmanager
    async def call(self, build: Build, *beside: BaseWorker) -> AsyncIterator[Near]:
        tasks = build()
        async with _near([task.name for task in tasks], *tasks, *beside) as near:
            yield near


class OverTrunk:
    """A WebSocket."""

    @contextlib.asynccontextmanager
    async def call(self, build: Build, *beside: BaseWorker) -> AsyncIterator[Near]:
        tasks = build()
        names = [task.name for task in tasks]
        async with SmallServer(lambda: tasks, names, options=PATIENT).serve() as server:
            local = [MAIN_NAME, *(task.name for task in beside)]
            line = WebSocketProxyClientTask(
                "line", url=server.url, remote_task_name=names, local_task_name=local, active=True
            )
            async with _near(names, line, *beside) as near:
                yield near


@dataclass
class OverBroker:
    """A channel on a broker; one connection with it for all callers, and one for all pools."""

    callers: Claims
    pools: Claims

    @contextlib.asynccontextmanager
    async def call(self, build: Build, *beside: BaseWorker) -> AsyncIterator[Near]:
        tasks = build()
        pool = SmallPool(self.pools, f"assistant{next(_serials)}", tasks)
        async with pool.serving(), near_over(self.callers, pool.offer, *beside) as near:
            yield near


@contextlib.asynccontextmanager
async def near_over(claims: Claims, offer: Offer, *beside: BaseWorker) -> AsyncIterator[Near]:
    """Be a caller who claims what a pool offers."""
    line = WebSocketProxyClientTask(
        "line",
        dialler=ChannelDialler(claims, offer),
        remote_task_name=offer.exports,
        local_task_name=[MAIN_NAME, *(task.name for task in beside)],
        active=True,
    )
    async with _near(offer.exports, line, *beside) as near:
        yield near


@dataclass
class SmallPool:
    """Takes one claim and serves it, as `app.pool` does."""

    claims: Claims
    assistant: str
    tasks: Sequence[BaseWorker]
    server: SmallServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = SmallServer(
            lambda: self.tasks, [task.name for task in self.tasks], options=PATIENT
        )

    @property
    def offer(self) -> Offer:
        names = tuple(task.name for task in self.tasks)
        return Offer("a-pool", self.assistant, names, names, names)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        serving = asyncio.create_task(self._serve())
        try:
            yield
        finally:
            await within(serving)

    async def _serve(self) -> None:
        claim = await within(self.claims.take(self.assistant, self.offer.tasks, wait_s=30))
        assert isinstance(claim, Claim)
        up, down = self.claims.channel_names(claim.channel)
        channel = Channel(self.claims.streams, End.POOL, reads=up, writes=down)
        try:
            await channel.say_taken("a-pool")
            channel.start()
            arrival = await hear(await within(channel.next_link()))
            with contextlib.suppress(LinkClosedError):
                await self.server.hold(arrival)
        finally:
            await channel.leave()


@contextlib.asynccontextmanager
async def over_broker(broker: Broker) -> AsyncIterator[OverBroker]:
    """Have both ends of a broker; nothing may be left on it."""
    async with opened(broker) as near, opened(broker) as far:
        yield OverBroker(Claims(near, PREFIX), Claims(far, PREFIX))
    assert await broker.left() == []


@contextlib.asynccontextmanager
async def _near(names: Sequence[str], *workers: BaseWorker) -> AsyncIterator[Near]:
    runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
    collector = Collector()
    main = build_main_task(runner.bus, Parts(watchers=(collector,)), stays=HOME.__contains__)
    await runner.add_workers(main.worker, *workers)
    running = asyncio.create_task(runner.run(auto_end=False))
    try:
        await known(runner, [main.worker.name, *names])
        await main.worker.activate_worker(names[0])
        yield Near(runner, main.worker, collector, running)
    finally:
        await runner.cancel()
        await within(running)
