"""A bot and a server written with nothing but stock Pipecat, as its own example does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, WebSocket
from pipecat.bus import BusBridgeProcessor, BusFrameMessage
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.registry.types import WorkerReadyData
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.workers.llm import LLMWorkerActivationArgs
from pipecat.workers.proxy.websocket import WebSocketProxyClient, WebSocketProxyServer
from pipecat.workers.runner import WorkerRunner

from agents import Recipe, SessionContext
from app.loopback import serve_on_loopback
from app.services import Roles
from tests.proxy.conversation import WAIT_S, within

WELCOME: Any = {"role": "developer", "content": "Welcome the user to Acme Corp."}


class Listener(FrameProcessor):
    """Hears what the assistant says."""

    def __init__(self) -> None:
        super().__init__(name="listener")
        self.words: list[str] = []
        self.news: list[Any] = []
        self.word = asyncio.Event()
        self.answered = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self.words.append(frame.text)
            self.word.set()
        elif isinstance(frame, LLMFullResponseEndFrame):
            self.answered.set()
        elif isinstance(frame, RTVIServerMessageFrame):
            self.news.append(frame.data)
        await self.push_frame(frame, direction)

    @property
    def text(self) -> str:
        return "".join(self.words)


class StockBot:
    """The main task of Pipecat's remote example, typed to instead of spoken to."""

    def __init__(self, assistant: str = "assistant") -> None:
        self.assistant = assistant
        self.runner = WorkerRunner(handle_sigint=False)
        self.listener = Listener()
        self.context = LLMContext()
        aggregators = LLMContextAggregatorPair(
            self.context,
            user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies()),
        )
        bridge = BusBridgeProcessor(bus=self.runner.bus, worker_name="acme", name="acme::bridge")
        self.worker = PipelineWorker(
            Pipeline([aggregators.user(), bridge, self.listener, aggregators.assistant()]),
            name="acme",
            idle_timeout_secs=None,
        )
        self.running: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def calling(self, url: str, headers: dict[str, str]) -> AsyncIterator["StockBot"]:
        proxy = WebSocketProxyClient(
            "proxy",
            url=url,
            local_worker_name="acme",
            remote_worker_name=self.assistant,
            forward_messages=(BusFrameMessage,),
            headers=headers,
            active=True,
        )

        async def on_assistant_ready(_: WorkerReadyData) -> None:
            await self.worker.activate_worker(
                self.assistant, args=LLMWorkerActivationArgs(messages=[WELCOME])
            )

        await self.runner.registry.watch(self.assistant, on_assistant_ready)
        await self.runner.add_workers(proxy, self.worker)
        self.running = asyncio.create_task(self.runner.run(auto_end=False))
        try:
            await within(self.listener.answered.wait())
            yield self
        finally:
            await self.runner.cancel()
            await within(self.running)

    async def ask(self, text: str, expected: str) -> None:
        """Say something and wait for an answer with certain words in it."""
        await self.start_asking(text)
        await self.hear(expected)

    async def hear(self, expected: str) -> None:
        """Wait until the answer holds certain words."""
        async with asyncio.timeout(WAIT_S):
            while expected not in self.listener.text:
                self.listener.word.clear()
                await self.listener.word.wait()

    async def start_asking(self, text: str) -> None:
        self.listener.words.clear()
        self.listener.word.clear()
        self.listener.answered.clear()
        said: list[Any] = [{"role": "user", "content": text}]
        await self.worker.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))

    async def interrupt(self) -> None:
        """Cut the answer off after its first word."""
        await within(self.listener.word.wait())
        await self.worker.queue_frame(InterruptionFrame())


@contextlib.asynccontextmanager
async def stock_server(recipe: Recipe, roles: Roles) -> AsyncIterator[str]:
    """Serve an assistant as Pipecat's remote example does."""
    app = FastAPI()

    @app.websocket("/ws")
    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        proxy = WebSocketProxyServer(
            "gateway",
            websocket=websocket,
            worker_name="assistant",
            remote_worker_name="caller",
            forward_messages=(BusFrameMessage,),
        )
        runner = WorkerRunner(handle_sigint=False)
        context = SessionContext("stock", "stock", roles.for_assistant(recipe))
        await runner.add_workers(proxy, *recipe.tasks(context))

        @proxy.event_handler("on_client_disconnected")
        async def on_client_disconnected(*_: object) -> None:
            await runner.cancel()

        await runner.run()

    async with serve_on_loopback(app) as url:
        yield url.replace("http://", "ws://") + "/ws"
