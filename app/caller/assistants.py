"""The assistant's side as a caller sees it: behind a URL, or in this process."""

import asyncio
from typing import Protocol

from loguru import logger
from pipecat.frames.frames import Frame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.registry.types import WorkerReadyData
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from agents import AgentsError, Recipe, SessionContext
from agents.display import CallerDisplay
from app.addresses import shown_url
from app.caller.directory import look_up
from app.caller.main_task import MAIN_NAME
from app.errors import AppError
from app.failures import failure_of
from app.services import Roles
from app.telemetry.tracing import current_traceparent
from proxy import CloseCode, ConnectError, DirectBus, LinkClosedError, WebSocketProxyClientTask
from proxy.close_codes import MEANINGS
from proxy.codec.rules import HOME, SHOWN
from proxy.handshake import TrunkOptions

LINE_NAME = "line"

# The handshake may take ten seconds, and our servers give an assistant twenty to be built.
START_TIMEOUT_S = 35.0


class AssistantSide(Protocol):
    """Where the assistant is."""

    error: str | None

    def stays(self, frame: type[Frame]) -> bool:
        """Tell whether the assistant does not want frames of this type.

        Args:
            frame: A class of frames.
        """

    async def speaks(self) -> bool:
        """Tell whether the assistant sends sound, so that the caller needs no voice."""

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

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        start_timeout_s: float = START_TIMEOUT_S,
        has_screen: bool = False,
    ) -> None:
        """Prepare; nothing is dialled yet.

        Args:
            url: The server's WebSocket URL.
            token: The bearer token, or None.
            start_timeout_s: How long the assistant may take to be ready.
            has_screen: Whether the caller wants what is for a screen: who talks, and the jobs.
        """
        self.error: str | None = None
        self._url = url
        self._token = token
        self._start_timeout_s = start_timeout_s
        self._traceparent: str | None = None
        self._line = WebSocketProxyClientTask(
            LINE_NAME,
            url=url,
            local_task_name=MAIN_NAME,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            options=TrunkOptions(
                traceparent=lambda: self._traceparent,
                allowed_frames=tuple(SHOWN) if has_screen else (),
            ),
        )
        self._runner: WorkerRunner | None = None
        # The assistant is ready, or will never be.
        self._decided = asyncio.Event()

    def stays(self, frame: type[Frame]) -> bool:
        """Tell whether the assistant does not want such frames; see `AssistantSide.stays`."""
        return self._line.stays(frame)

    async def speaks(self) -> bool:
        """Ask the server; one that does not tell, as Pipecat's own, hosts none that do."""
        entry = await look_up(self._url, self._token)
        return entry is not None and entry.speaks

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Add the line; see `AssistantSide.join`."""
        self._runner = runner
        self._traceparent = current_traceparent()

        async def on_remote_ready(line: WebSocketProxyClientTask, names: tuple[str, ...]) -> None:
            if line.remote[0] in names and not self._decided.is_set():
                self._decided.set()
                await main.activate_worker(line.remote[0])

        self._line.add_event_handler("on_remote_ready", on_remote_ready)
        self._line.add_event_handler("on_connect_failed", self._on_connect_failed)
        self._line.add_event_handler("on_disconnected", self._on_disconnected)
        await runner.add_workers(self._line)

    async def begin(self, main: PipelineWorker) -> None:
        """Dial, and wait until the assistant was activated or will never be."""
        await main.activate_worker(LINE_NAME)
        try:
            async with asyncio.timeout(self._start_timeout_s):
                await self._decided.wait()
        except TimeoutError:
            self.error = (
                f"{shown_url(self._url)} was reached, but its assistant was not ready within "
                f"{self._start_timeout_s:g} s"
            )
            await self._cancel("the assistant is not ready")

    async def _on_connect_failed(self, _: WebSocketProxyClientTask, error: ConnectError) -> None:
        self.error = str(error)
        await self._cancel("the assistant cannot be reached")

    async def _on_disconnected(self, _: WebSocketProxyClientTask, error: LinkClosedError) -> None:
        if error.code != CloseCode.ENDED:
            self.error = f"the line was lost: {why(error)}"
        logger.info(f"The line is gone ({error.code}); the conversation ends")
        self._decided.set()
        assert self._runner is not None
        await self._runner.end(reason="the line is gone")

    async def _cancel(self, reason: str) -> None:
        self._decided.set()
        assert self._runner is not None
        await self._runner.cancel(reason=reason)


def why(error: LinkClosedError) -> str:
    """Say why a line ended, in our words where we have any.

    Args:
        error: What the line said.
    """
    if error.code in MEANINGS:
        return MEANINGS[CloseCode(error.code)].reason
    return f"it was closed with {error.code}" + (f" ({error.reason})" if error.reason else "")


class LocalAssistant:
    """An assistant in this process.

    Attributes:
        error: Always None; an assistant here cannot be out of reach.
    """

    def __init__(self, recipe: Recipe, roles: Roles, *, has_screen: bool = False) -> None:
        """Prepare.

        Args:
            recipe: The assistant.
            roles: Makes its services.
            has_screen: See `RemoteAssistant`.
        """
        self.error: str | None = None
        self._has_screen = has_screen
        self._recipe = recipe
        self._roles = roles
        self._runner: WorkerRunner | None = None

    def stays(self, frame: type[Frame]) -> bool:
        """Tell whether the assistant does not want such frames; see `AssistantSide.stays`."""
        return frame in HOME and frame not in self._recipe.frames

    async def speaks(self) -> bool:
        """Tell what the recipe says."""
        return self._recipe.speaks

    async def join(self, runner: WorkerRunner, main: PipelineWorker) -> None:
        """Add the assistant's tasks; see `AssistantSide.join`.

        Raises:
            AppError: If they cannot be built.
        """
        self._runner = runner
        context = SessionContext(
            session_id="local",
            principal="local",
            services=self._roles.for_assistant(self._recipe),
        )
        tasks = await self._build(context)
        if self._has_screen and isinstance(runner.bus, DirectBus):
            bus = runner.bus
            bus.display = CallerDisplay(bus, self._recipe, tasks, lambda: MAIN_NAME)
        await runner.add_workers(*tasks)

    async def _build(self, context: SessionContext) -> list[BaseWorker]:
        try:
            return await self._recipe.tasks_on_loop(context)
        except AppError:
            raise
        except AgentsError as error:
            raise AppError(str(error)) from None
        except Exception as error:
            what = f"the assistant {self._recipe.name!r} could not be built"
            raise AppError(f"{what}: {failure_of(error)}") from error

    async def begin(self, main: PipelineWorker) -> None:
        """Activate the first task as soon as it is ready, and the caller is there to hear it."""
        assert self._runner is not None
        registry, first = self._runner.registry, self._recipe.exports[0]

        async def on_ready(_: WorkerReadyData) -> None:
            await main.activate_worker(first)

        async def on_main_ready(_: WorkerReadyData) -> None:
            await registry.watch(first, on_ready)

        await registry.watch(main.name, on_main_ready)
