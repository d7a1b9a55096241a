"""One caller's session: a runner, the assistant's tasks, and the line to the caller."""

import asyncio
import contextlib
import time
import uuid
from dataclasses import dataclass, field

from loguru import logger
from pipecat.registry.types import WorkerReadyData
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner
from starlette.websockets import WebSocket

from agents import Recipe, SessionContext
from app.server.states import LEGAL_MOVES, SessionState
from app.services import Roles
from proxy import CloseCode, DirectBus, ServerLineOptions, WebSocketProxyServerTask
from proxy.outbox import OutboxLimits

GATEWAY = "gateway"

# A pipeline that is told to end or cancel does so within a second, unless a service in it hangs on
# its network. Then it is cancelled, and after that left to the garbage collector.
END_TIMEOUT_S = 6.0
CANCEL_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class SessionLimits:
    """What a session may take.

    Attributes:
        start_timeout_s: How long the assistant may take to become ready.
        max_message_bytes: The largest message that the line takes.
        max_waiting_bytes: How much may wait for a caller that reads slowly.
    """

    start_timeout_s: float
    max_message_bytes: int
    max_waiting_bytes: int


@dataclass
class Session:
    """One session, from the accepted socket to nothing.

    Attributes:
        recipe: The assistant.
        principal: Who is calling.
        roles: Makes the services of the assistant.
        limits: What the session may take.
        id: Its id, unguessable.
        state: How far it has come.
        started_at: When it began, in seconds of the monotonic clock.
    """

    recipe: Recipe
    principal: str
    roles: Roles
    limits: SessionLimits
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: SessionState = SessionState.STARTING
    started_at: float = field(default_factory=time.monotonic)
    _line: WebSocketProxyServerTask | None = field(default=None, init=False)
    _over: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _code: CloseCode = field(default=CloseCode.ENDED, init=False)

    async def run(self, websocket: WebSocket) -> None:
        """Hold the conversation, and leave nothing behind however it ends.

        Args:
            websocket: The caller's socket; it was accepted.
        """
        with logger.contextualize(session=self.id[:8]):
            logger.info(f"Session starts: {self.recipe.name} for {self.principal}")
            try:
                await self._run(websocket)
            finally:
                self._move(SessionState.ENDED)
                lasted_s = time.monotonic() - self.started_at
                logger.info(f"Session ended after {lasted_s:.1f} s with {self._code.value}")

    def end(self, code: CloseCode) -> None:
        """Ask the session to end; `run` returns when it has.

        Args:
            code: What the caller is told. The first call decides.
        """
        if not self._over.is_set():
            self._code = code
            self._over.set()

    async def _run(self, websocket: WebSocket) -> None:
        try:
            tasks = self._build()
        except Exception:
            logger.opt(exception=True).error("The assistant could not be built")
            self._move(SessionState.DRAINING)
            self._code = CloseCode.ASSISTANT_FAILED
            await _close_quietly(websocket, self._code)
            return
        runner = WorkerRunner(name=f"session-{self.id[:8]}", bus=DirectBus(), handle_sigint=False)
        line = self._line = self._make_line(websocket, tasks)
        line.add_event_handler("on_client_disconnected", lambda *_: self.end(CloseCode.ENDED))
        await runner.add_workers(line, *tasks)
        running = asyncio.create_task(runner.run(auto_end=False), name=f"session-{self.id[:8]}")
        watching = asyncio.create_task(self._watch(runner, tasks))
        try:
            over = asyncio.create_task(self._over.wait())
            await asyncio.wait({running, over}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
        finally:
            self._move(SessionState.DRAINING)
            watching.cancel()
            finishing = asyncio.create_task(self._finish(runner, running, line))
            await asyncio.shield(finishing)

    def _build(self) -> list[BaseWorker]:
        context = SessionContext(
            session_id=self.id,
            principal=self.principal,
            services=self.roles.for_assistant(self.recipe),
        )
        return self.recipe.tasks(context)

    def _make_line(self, websocket: WebSocket, tasks: list[BaseWorker]) -> WebSocketProxyServerTask:
        return WebSocketProxyServerTask(
            GATEWAY,
            websocket=websocket,
            task_name=self.recipe.exports,
            options=ServerLineOptions(
                allowed_frames=self.recipe.frames,
                reserved_names=frozenset(task.name for task in tasks),
                outbox=OutboxLimits(total_bytes=self.limits.max_waiting_bytes),
                max_message_bytes=self.limits.max_message_bytes,
            ),
        )

    async def _watch(self, runner: WorkerRunner, tasks: list[BaseWorker]) -> None:
        """End the session when the assistant does not start in time, or stops."""
        try:
            async with asyncio.timeout(self.limits.start_timeout_s):
                await _all_ready(runner, self.recipe.exports)
        except TimeoutError:
            logger.error(f"The assistant did not start in {self.limits.start_timeout_s:g} s")
            self.end(CloseCode.START_TIMED_OUT)
            return
        self._move(SessionState.READY)
        exported = [task for task in tasks if task.name in self.recipe.exports]
        stopped = [asyncio.create_task(task.wait()) for task in exported]
        try:
            await asyncio.wait(stopped, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in stopped:
                waiting.cancel()
        assert self._line is not None
        self.end(CloseCode.ENDED if self._line.ending else CloseCode.ASSISTANT_FAILED)

    async def _finish(
        self,
        runner: WorkerRunner,
        running: "asyncio.Task[None]",
        line: WebSocketProxyServerTask,
    ) -> None:
        """End, then cancel, then abandon; each step is bounded."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                if not running.done():
                    await line.close(self._code)
                    await runner.cancel(reason="the session is over")
                    await asyncio.shield(running)
        if not running.done():
            logger.warning("The session's tasks did not end in time and are cancelled")
            running.cancel()
            await asyncio.wait({running}, timeout=CANCEL_TIMEOUT_S)
        if running.done() and not running.cancelled() and running.exception() is not None:
            logger.error(f"The session's runner failed: {type(running.exception()).__name__}")
        await line.close(self._code)

    def _move(self, state: SessionState) -> None:
        if state is self.state:
            return
        if state not in LEGAL_MOVES[self.state]:
            raise RuntimeError(f"a session cannot go from {self.state} to {state}")
        logger.debug(f"Session: {self.state} to {state}")
        self.state = state


async def _all_ready(runner: WorkerRunner, names: tuple[str, ...]) -> None:
    waiting = set(names)
    ready = asyncio.Event()

    async def on_ready(data: WorkerReadyData) -> None:
        waiting.discard(data.worker_name)
        if not waiting:
            ready.set()

    for name in names:
        await runner.registry.watch(name, on_ready)
    await ready.wait()


async def _close_quietly(websocket: WebSocket, code: CloseCode) -> None:
    from proxy.link import ServerLink

    await ServerLink(websocket).close(code)
