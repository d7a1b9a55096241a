"""A session that has ended is freed at once, without the garbage collector."""

import asyncio
import gc
import weakref
from collections.abc import Iterator, Sequence

import pytest
from pipecat.bus.messages import BusActivateWorkerMessage, BusWorkerRegistryMessage
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.llm import LLMWorker, tool
from pipecat.workers.runner import WorkerRunner
from websockets.asyncio.client import ClientConnection, connect

from agents import Assistants, Recipe, SessionContext, discover
from app.server import running_server, session
from app.server.release import release
from app.server.session import Session
from app.settings import Settings
from proxy.arrival import Arrival
from tests.app.server.recipes import RECIPES
from tests.app.server.test_sessions import CODEC, hear, ready
from tests.proxy.conversation import within


class Guided(LLMWorker):
    """Has a tool, an aggregator, handlers and a worker of its own."""

    def __init__(self, session: SessionContext) -> None:
        llm = session.services.llm("assistant", instruction="Be brief.")
        pair = LLMContextAggregatorPair(LLMContext())
        pipeline = Pipeline([pair.user(), llm, pair.assistant()])
        super().__init__("assistant", llm=llm, pipeline=pipeline, bridged=())

        @self.event_handler("on_activated")
        async def on_activated(worker: BaseWorker, args: object) -> None:
            await self.add_workers(BaseWorker("child"))

        @llm.event_handler("on_function_calls_started")
        async def on_function_calls_started(service: object, calls: object) -> None:
            assert self.llm is service

    @tool
    async def nothing(self, params: object) -> None:
        """Do nothing."""


def guided(session: SessionContext) -> Sequence[BaseWorker]:
    return [Guided(session), PipelineWorker(Pipeline([Pipeline([])]), name="second")]


ASSISTANTS = Assistants([*discover().values(), *RECIPES, Recipe("guided", ("assistant",), guided)])


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Watched:
    """Watches the sessions, runners, tasks and processors of everything that is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.gone = asyncio.Event()
        self._alive: set[weakref.ref[object]] = set()
        plain, run = release, Session.run

        async def watch(runner: WorkerRunner) -> None:
            workers = [entry.worker for entry in runner._entries.values()]
            pipelines = [each.pipeline for each in workers if isinstance(each, PipelineWorker)]
            inner = [each for pipeline in pipelines for each in pipeline.processors]
            self.watch(runner, runner.bus, *workers, *inner)
            await plain(runner)

        async def watch_run(held: Session, arrival: Arrival) -> None:
            self.watch(held)
            await run(held, arrival)

        monkeypatch.setattr(session, "release", watch)
        monkeypatch.setattr(Session, "run", watch_run)

    def watch(self, *objects: object) -> None:
        self.count += len(objects)
        self._alive.update(weakref.ref(each, self._on_gone) for each in objects)

    def _on_gone(self, reference: "weakref.ref[object]") -> None:
        self._alive.discard(reference)
        if not self._alive:
            self.gone.set()


@pytest.mark.parametrize("assistant", ["acme", "parrot", "guided", "sleepy", "dies"])
async def test_nothing_of_a_session_waits_for_the_garbage_collector(
    monkeypatch: pytest.MonkeyPatch, no_collector: None, assistant: str
) -> None:
    watched = Watched(monkeypatch)
    async with running_server(Settings(port=0), ASSISTANTS) as (url, server):
        async with connect(f"{url}/ws/{assistant}") as socket:
            await until_ready(socket)
        await within(server.sessions.wait_empty())
        await within(watched.gone.wait())
    assert watched.count > 4


async def until_ready(socket: ClientConnection) -> None:
    while not isinstance(await hear(socket), BusWorkerRegistryMessage):
        pass
    await socket.send(CODEC.encode(BusActivateWorkerMessage(source="acme", target="assistant")))
    await (await socket.ping())


async def test_a_session_leaves_next_to_nothing_to_the_garbage_collector(
    no_collector: None,
) -> None:
    async with running_server(Settings(port=0), ASSISTANTS) as (url, server):

        async def calls(count: int) -> None:
            for _ in range(count):
                async with connect(f"{url}/ws/acme") as socket:
                    await ready(socket)
                    await hear(socket)
            await within(server.sessions.wait_empty())
            await asyncio.sleep(0)

        await calls(3)
        gc.collect()
        await calls(10)
        # Of every caller in this process, its transport and what hangs on it.
        assert gc.collect() / 10 < 20
