"""The same tasks in every placement: in one process, and on both sides of a line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipecat.bus.messages import (
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
)
from pipecat.pipeline.job_context import JobGroupResponse
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from agents.jobs import REMAINING_S, Jobs
from proxy import CALLER_SUFFIX, DirectBus, ServerLineOptions, WebSocketProxyClientTask
from tests.proxy.conversation import SmallServer, within
from tests.proxy.relay import Relay

IN_PROCESS, TO_ASSISTANT, TO_CALLER = "in process", "to the assistant", "to the caller"
PLACEMENTS = (IN_PROCESS, TO_ASSISTANT, TO_CALLER)
ACROSS = (TO_ASSISTANT, TO_CALLER)

PATIENT = ServerLineOptions(resume_window_s=30.0)


class Asker(Jobs):
    """Sends jobs, and writes down every callback."""

    def __init__(self, name: str = "asker", *, job_timeout_s: float = 20.0) -> None:
        super().__init__(name)
        self.job_timeout_s = job_timeout_s
        self.told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def on_job_response(
        self, message: BusJobResponseMessage | BusJobResponseUrgentMessage
    ) -> None:
        self.told.put_nowait((str(message.status), message.response))

    async def on_job_completed(self, result: JobGroupResponse) -> None:
        self.told.put_nowait(("all", result.responses))

    async def on_job_error(
        self, message: BusJobResponseMessage | BusJobResponseUrgentMessage
    ) -> None:
        self.told.put_nowait(("failure", message.response))


Handle = Callable[["Doer", BusJobRequestMessage], Any]


class Doer(Jobs):
    """Does jobs as a test says, and writes down what happens to them.

    Attributes:
        begun: The payload of every job that a handler began.
        cancelled: The reason of every cancellation.
        stopped: The payload of every job whose handler was cancelled.
        remaining_s: What was left of each request's deadline when it was sent.
        go: Lets a handler that holds its answer go on.
        answered: Set once it has.
        leaf: Whom to ask on.
    """

    def __init__(self, name: str = "doer", handle: Handle | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.handle = handle
        self.begun: asyncio.Queue[Any] = asyncio.Queue()
        self.cancelled: asyncio.Queue[str | None] = asyncio.Queue()
        self.stopped: asyncio.Queue[Any] = asyncio.Queue()
        self.remaining_s: list[float] = []
        self.go = asyncio.Event()
        self.answered = asyncio.Event()
        self.leaf = "leaf"

    async def _handle_job_request(self, message: BusJobRequestMessage) -> None:
        self.remaining_s.append((message.payload or {}).get(REMAINING_S, float("inf")))
        await super()._handle_job_request(message)

    async def on_job_request(self, message: BusJobRequestMessage) -> None:
        await super().on_job_request(message)
        self.begun.put_nowait(message.payload)
        try:
            if self.handle is None:
                await self.send_job_response(message.job_id, {"from": self.name})
            else:
                await self.handle(self, message)
        except asyncio.CancelledError:
            self.stopped.put_nowait(message.payload)
            raise

    async def on_job_cancelled(self, message: BusJobCancelMessage) -> None:
        await super().on_job_cancelled(message)
        self.cancelled.put_nowait(message.reason)


async def hold(doer: Doer, message: BusJobRequestMessage) -> None:
    """Answer when the test says so."""
    await doer.go.wait()
    await doer.send_job_response(message.job_id, {"from": doer.name})
    doer.answered.set()


@dataclass
class Place:
    """Tasks that run, somewhere.

    Attributes:
        asker: Who asks.
        behind: What stands behind the names of workers on the asker's side.
        relay: Stands in the line, where there is one.
        server: Serves the line, where there is one.
    """

    asker: Any
    behind: str = ""
    relay: Relay | None = None
    server: SmallServer | None = None
    runners: list[WorkerRunner] = field(default_factory=list)

    def names(self, *names: str) -> tuple[str, ...]:
        """What workers are called on the asker's side."""
        return tuple(name + self.behind for name in names)

    def name(self, name: str) -> str:
        """What a worker is called on the asker's side."""
        return name + self.behind


@contextlib.asynccontextmanager
async def placed(
    placement: str,
    asker: BaseWorker,
    *workers: BaseWorker,
    hidden: Sequence[BaseWorker] = (),
    options: ServerLineOptions = PATIENT,
    stock: bool = False,
) -> AsyncIterator[Place]:
    """Run an asker and workers in a placement, until all know each other.

    Args:
        placement: One of `PLACEMENTS`.
        asker: Who asks.
        *workers: Who is asked, exported where a line is between.
        hidden: Tasks beside the workers that are not exported.
        options: What the session allows, where there is a line.
        stock: Whether the line speaks the stock dialect.
    """
    names = [worker.name for worker in workers]
    if placement == IN_PROCESS:
        async with running(asker, *workers, *hidden) as runner:
            await known(runner, names)
            yield Place(asker, runners=[runner])
        return
    inside = [*workers, *hidden] if placement == TO_ASSISTANT else [asker]
    beside = [asker] if placement == TO_ASSISTANT else [*workers, *hidden]
    exported = names if placement == TO_ASSISTANT else [asker.name]
    local = [asker.name] if placement == TO_ASSISTANT else names
    server = SmallServer(lambda: inside, exported=exported, options=options, stock=stock)
    async with server.serve(), Relay.to(server.url).running() as relay:
        line = WebSocketProxyClientTask(
            "line", url=relay.url, remote_task_name=exported, local_task_name=local, active=True
        )
        async with running(line, *beside) as runner:
            await known(runner, exported)
            behind = "" if placement == TO_ASSISTANT else CALLER_SUFFIX
            theirs = server.runners[0]
            asking = runner if placement == TO_ASSISTANT else theirs
            if not stock:
                await known(asking, [name + behind for name in names])
            yield Place(asker, behind, relay, server, [runner, theirs])


@contextlib.asynccontextmanager
async def running(*workers: BaseWorker) -> AsyncIterator[WorkerRunner]:
    """Run workers on a runner of their own."""
    runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
    await runner.add_workers(*workers)
    task = asyncio.create_task(runner.run(auto_end=False))
    try:
        await known(runner, [worker.name for worker in workers])
        yield runner
    finally:
        await runner.cancel()
        await within(task)


async def known(runner: WorkerRunner, names: Sequence[str]) -> None:
    """Wait until workers are ready."""
    for name in names:
        ready = asyncio.Event()

        async def on_ready(_: object, ready: asyncio.Event = ready) -> None:
            ready.set()

        await runner.registry.watch(name, on_ready)
        await within(ready.wait())
