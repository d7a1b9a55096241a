"""Both ends of a line over a real socket: a small server, and a caller's runner."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import FastAPI, WebSocket
from pipecat.bus.messages import BusJobRequestMessage
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from app.caller.main_task import Parts, build_main_task
from app.loopback import serve_on_loopback
from proxy import (
    CloseCode,
    DirectBus,
    LinkClosedError,
    ServerLineOptions,
    WebSocketProxyClientTask,
    WebSocketProxyServerTask,
)
from proxy.arrival import Arrival, arrive
from proxy.codec.rules import HOME

WAIT_S = 60.0


async def within(awaitable: Any, timeout_s: float = WAIT_S) -> Any:
    """Wait, but not for ever."""
    async with asyncio.timeout(timeout_s):
        return await awaitable


class Echo(BaseWorker):
    """A bus-only task that answers every job with its payload."""

    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        await super().on_job_request(message)
        await self.send_job_response(message.job_id, {"echo": message.payload})


class Parrot(FrameProcessor):
    """Stands in for a language model: answers a conversation with its last message."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        last: Any = frame.context.messages[-1]
        for word in str(last["content"]).split(" "):
            await self.push_frame(LLMTextFrame(f"{word} "))
        await self.push_frame(LLMFullResponseEndFrame())


def parrot(name: str = "assistant") -> PipelineWorker:
    """Build a bridged task that repeats what it hears."""
    return PipelineWorker(Pipeline([Parrot()]), name=name, bridged=(), idle_timeout_secs=None)


@dataclass
class SmallServer:
    """A server as the docstring of `WebSocketProxyServerTask` builds one.

    Attributes:
        build: Makes the tasks of a session.
        exported: The tasks that a caller may address.
        lines: The server's end of every line, in order.
        runners: The runner of every session.
        gone: Why each line ended.
        url: The address.
    """

    build: Callable[[], Sequence[BaseWorker]]
    exported: Sequence[str] = ("assistant",)
    lines: "asyncio.Queue[WebSocketProxyServerTask]" = field(default_factory=asyncio.Queue)
    runners: list[WorkerRunner] = field(default_factory=list)
    gone: "asyncio.Queue[LinkClosedError]" = field(default_factory=asyncio.Queue)
    connected: int = 0
    over: "asyncio.Queue[None]" = field(default_factory=asyncio.Queue)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    stock: bool = False
    options: ServerLineOptions = field(default_factory=ServerLineOptions)
    held: list[WebSocketProxyServerTask] = field(default_factory=list)
    resumed: int = 0

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator["SmallServer"]:
        app = FastAPI()

        @app.websocket("/ws")
        async def session(websocket: WebSocket) -> None:
            self.headers.append(dict(websocket.headers))
            if self.stock:
                await websocket.accept()
            arrival = await arrive(websocket)
            if arrival.returning:
                await self.take_back(arrival)
                return
            await self.hold(arrival)

        async with serve_on_loopback(app) as url:
            self.url = url.replace("http://", "ws://") + "/ws"
            yield self

    async def hold(self, arrival: Arrival) -> None:
        """Hold one session."""
        line = WebSocketProxyServerTask(
            "gateway",
            arrival=arrival,
            task_name=self.exported,
            options=replace(self.options, session=uuid.uuid4().hex),
        )
        runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
        await runner.add_workers(line, *self.build())

        async def on_connected(*_: object) -> None:
            self.connected += 1

        async def on_gone(_: object, error: LinkClosedError) -> None:
            self.gone.put_nowait(error)
            await runner.cancel()

        line.add_event_handler("on_client_connected", on_connected)
        line.add_event_handler("on_client_disconnected", on_gone)
        self.held.append(line)
        self.lines.put_nowait(line)
        self.runners.append(runner)
        await runner.run()
        self.over.put_nowait(None)

    async def take_back(self, arrival: Arrival) -> None:
        """Carry on with a session over a new connection."""
        for line in self.held:
            if line.knows(arrival):
                self.resumed += 1
                await line.resume(arrival)
                await arrival.link.over.wait()
                return
        await arrival.link.close(CloseCode.SESSION_GONE)


@dataclass
class Caller:
    """A caller's runner with a main task and our end of a line.

    Attributes:
        line: Our end.
        main: The main task.
        words: The text that reached the main task.
        heard: Set with every word.
        answered: Set with the end of every answer.
        gone: Why the line ended.
    """

    runner: WorkerRunner
    line: WebSocketProxyClientTask
    main: PipelineWorker
    words: list[str]
    heard: asyncio.Event
    answered: asyncio.Event
    gone: "asyncio.Queue[LinkClosedError]"
    connected: int = 0
    running: "asyncio.Task[None] | None" = None


class Collector(FrameProcessor):
    """Keeps the words of answers."""

    def __init__(self) -> None:
        super().__init__(name="collector")
        self.words: list[str] = []
        self.heard = asyncio.Event()
        self.answered = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self.words.append(frame.text.strip())
            self.heard.set()
        elif isinstance(frame, LLMFullResponseEndFrame):
            self.answered.set()
        await self.push_frame(frame, direction)


@contextlib.asynccontextmanager
async def calling(
    url: str, *, task: str = "assistant", beside: Sequence[BaseWorker] = (), **options: Any
) -> AsyncIterator[Caller]:
    """Run a caller with our own end of the line, dialled and active, and tasks beside the main."""
    runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
    collector = Collector()
    main = build_main_task(runner.bus, Parts(watchers=(collector,)), stays=HOME.__contains__)
    line = WebSocketProxyClientTask(
        "line",
        url=url,
        remote_task_name=task,
        local_task_name=[main.worker.name, *(worker.name for worker in beside)],
        **options,
    )
    caller = Caller(
        runner,
        line,
        main.worker,
        collector.words,
        collector.heard,
        collector.answered,
        asyncio.Queue(),
    )

    async def on_connected(*_: object) -> None:
        caller.connected += 1

    async def on_gone(_: object, error: LinkClosedError) -> None:
        caller.gone.put_nowait(error)

    line.add_event_handler("on_connected", on_connected)
    line.add_event_handler("on_disconnected", on_gone)
    ready = asyncio.Event()

    async def on_ready(_: object) -> None:
        await main.worker.activate_worker(task)
        ready.set()

    await runner.registry.watch(task, on_ready)
    started = asyncio.Event()

    async def on_started(_: object) -> None:
        started.set()

    await runner.registry.watch(main.worker.name, on_started)
    await runner.add_workers(line, main.worker, *beside)
    caller.running = asyncio.create_task(runner.run(auto_end=False))
    try:
        await within(started.wait())
        await main.worker.activate_worker("line")
        await within(ready.wait())
        yield caller
    finally:
        await runner.cancel()
        await within(caller.running)


async def say(caller: Caller, text: str) -> str:
    """Have the caller say something to a parrot; gives the answer."""
    caller.words.clear()
    caller.answered.clear()
    said: list[Any] = [{"role": "user", "content": text}]
    await caller.main.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))
    await within(caller.answered.wait())
    return " ".join(caller.words)
