"""The assistant's side as a caller sees it: behind a URL, or in this process."""

from typing import Protocol

from loguru import logger
from pipecat.pipeline.worker import PipelineWorker
from pipecat.registry.types import WorkerReadyData
from pipecat.workers.runner import WorkerRunner

from agents import Recipe, SessionContext
from app.caller.main_task import MAIN_NAME
from app.services import Roles
from proxy import ConnectError, LinkClosedError, WebSocketProxyClientTask

LINE_NAME = "line"


class AssistantSide(Protocol):
    """Where the assistant is."""

    error: str | None

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Add to the runner what joins its main task to the assistant.

        Args:
            runner: The caller's runner, not running yet.
            main: The caller's main task.
        """

    async def begin(self, main: PipelineWorker) -> None:
        """Start the conversation; the assistant speaks first.

        Args:
            main: The caller's main task, running.
        """


class RemoteAssistant:
    """An assistant behind a URL.

    Attributes:
        error: Why the conversation could not be held, in words for the caller; None if it could.
    """

    def __init__(self, url: str, *, token: str | None, task: str = "assistant") -> None:
        """Prepare; nothing is dialled yet.

        Args:
            url: The server's WebSocket URL.
            token: The bearer token, or None.
            task: The task to activate at the other end.
        """
        self.error: str | None = None
        self._task = task
        self._line = WebSocketProxyClientTask(
            LINE_NAME,
            url=url,
            remote_task_name=task,
            local_task_name=MAIN_NAME,
            headers={"Authorization": f"Bearer {token}"} if token else None,
        )

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Add the line; see `AssistantSide.join`."""

        async def on_ready(_: WorkerReadyData) -> None:
            await main.activate_worker(self._task)

        async def on_connect_failed(_: WebSocketProxyClientTask, error: ConnectError) -> None:
            self.error = str(error)
            await runner.cancel(reason="the assistant cannot be reached")

        async def on_disconnected(_: WebSocketProxyClientTask, error: LinkClosedError) -> None:
            if error.code != 1000:
                self.error = f"the line was lost: {error.reason or error.code}"
            logger.info(f"The line is gone ({error.code}); the conversation ends")
            await runner.end(reason="the line is gone")

        await runner.registry.watch(self._task, on_ready)
        self._line.add_event_handler("on_connect_failed", on_connect_failed)
        self._line.add_event_handler("on_disconnected", on_disconnected)
        await runner.add_workers(self._line)

    async def begin(self, main: PipelineWorker) -> None:
        """Dial; the assistant is activated as soon as it is ready."""
        await main.activate_worker(LINE_NAME)


class LocalAssistant:
    """An assistant in this process.

    Attributes:
        error: Always None; an assistant here cannot be out of reach.
    """

    def __init__(self, recipe: Recipe, roles: Roles) -> None:
        """Prepare.

        Args:
            recipe: The assistant.
            roles: Makes its services.
        """
        self.error: str | None = None
        self._recipe = recipe
        self._roles = roles
        self._runner: WorkerRunner | None = None

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Add the assistant's tasks; see `AssistantSide.join`."""
        self._runner = runner
        context = SessionContext(
            session_id="local",
            principal="local",
            services=self._roles.for_assistant(self._recipe),
        )
        await runner.add_workers(*self._recipe.tasks(context))

    async def begin(self, main: PipelineWorker) -> None:
        """Activate the first task as soon as it is ready."""
        assert self._runner is not None
        first = self._recipe.exports[0]

        async def on_ready(_: WorkerReadyData) -> None:
            await main.activate_worker(first)

        await self._runner.registry.watch(first, on_ready)
