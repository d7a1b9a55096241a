"""One caller's session: a runner, the assistant's tasks, and the line to the caller."""

import asyncio
import contextlib
import time
import uuid
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from loguru import logger
from pipecat.registry.types import WorkerReadyData
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from agents import GATEWAY, Recipe, SessionContext
from agents.display import CallerDisplay
from app.server.building import Builder
from app.server.caller import Caller
from app.server.isolation import contained
from app.server.limits import SessionLimits
from app.server.release import release
from app.server.spare_room import give_back_room
from app.server.states import LEGAL_MOVES, SessionState
from app.server.turn_tracking import track_turns_if_heard
from app.server.turns import SessionBus, Turns
from app.services import Roles
from app.telemetry import Metrics, SessionRecord
from proxy import CloseCode, LineStats, ServerLineOptions, WebSocketProxyServerTask
from proxy.arrival import Arrival
from proxy.errors import LinkClosedError
from proxy.gate import Gate
from proxy.outbox import OutboxLimits

# A pipeline that is told to end or cancel does so within a second, unless a service in it hangs on
# its network. Then it is cancelled, and after that left to the garbage collector.
END_TIMEOUT_S = 6.0
CANCEL_TIMEOUT_S = 1.5


@dataclass(eq=False)
class Session:
    """One session, from the accepted socket to nothing.

    Attributes:
        recipe: The assistant.
        caller: Who is calling.
        roles: Makes the services of the assistant.
        limits: What the session may take.
        builder: Builds the assistant's tasks.
        family: See `ServerLineOptions.family`.
        id: Its id, unguessable.
        state: How far it has come.
        started_at: When it began, in seconds of the monotonic clock.
        metrics: Where to count.
        number: Its place in the order in which sessions began.
        closed_with: The close code of the line; None while there is one.
        lost_with: The close code of the last connection that was lost and came back, or may.
        resumes: How often the caller came back.
        turns: Whether an answer is under way.
        abandoned: Whether the caller went away and did not come back in time.
    """

    recipe: Recipe
    caller: Caller
    roles: Roles
    limits: SessionLimits
    builder: Builder
    family: frozenset[str] = frozenset()
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: SessionState = SessionState.STARTING
    started_at: float = field(default_factory=time.monotonic)
    metrics: Metrics = field(default_factory=Metrics, repr=False)
    number: int = field(default=0, init=False)
    closed_with: int | None = field(default=None, init=False)
    lost_with: int | None = field(default=None, init=False)
    resumes: int = field(default=0, init=False)
    turns: Turns = field(default_factory=Turns, init=False)
    abandoned: bool = field(default=False, init=False)
    _line: WebSocketProxyServerTask | None = field(default=None, init=False)
    _tasks: Sequence[BaseWorker] = field(default=(), init=False)
    _crossed: int = field(default=0, init=False)
    _active_at: float = field(default_factory=time.monotonic, init=False)
    _leaving: CloseCode | None = field(default=None, init=False)
    _over: Gate = field(default_factory=Gate, init=False)
    _code: CloseCode = field(default=CloseCode.ENDED, init=False)

    @cached_property
    def record(self) -> SessionRecord:
        """What is noted of it."""
        return SessionRecord(self.recipe.name, self.metrics)

    @property
    def told(self) -> bool:
        """Whether the caller was told why the session ends, with the code of `end`."""
        return self._over.is_set() and self.closed_with == self._code

    async def run(self, arrival: Arrival) -> None:
        """Hold the conversation, and leave nothing behind however it ends.

        Args:
            arrival: The caller.
        """
        on_exit = weakref.WeakMethod(self._on_exit)
        said = None if arrival.hello is None else arrival.hello.traceparent
        trace_id = self.record.begin(self.id, said or self.caller.traceparent)
        named = {"session": self.id[:8], "trace_id": trace_id}
        with logger.contextualize(**named), contained(on_exit):
            logger.info(f"Session starts: {self.recipe.name} for {self.caller.principal}")
            try:
                await self._run(arrival)
            finally:
                self._move(SessionState.ENDED)
                lasted_s = time.monotonic() - self.started_at
                code = self._code.value if self.closed_with is None else self.closed_with
                self.record.finish(code)
                logger.info(f"Session ended after {lasted_s:.1f} s with {code}")

    def end(self, code: CloseCode) -> None:
        """Ask the session to end; `run` returns when it has.

        Args:
            code: What the caller is told. The first call decides.
        """
        if not self._over.is_set():
            self._code = code
            self._over.set()

    async def leave(self, code: CloseCode) -> None:
        """End the session as soon as no answer is under way, or its caller has gone.

        Args:
            code: What the caller is told.
        """
        self._leaving = code
        if self.state is not SessionState.DETACHED:
            quiet = asyncio.create_task(self.turns.quiet())
            try:
                await self.until_over(quiet)
            finally:
                quiet.cancel()
        self.end(code)

    @property
    def ending_with(self) -> CloseCode | None:
        """What the caller is told; None while the session is not to end."""
        return self._code if self._over.is_set() else None

    @property
    def stats(self) -> LineStats:
        """What crossed the line."""
        return LineStats() if self._line is None else self._line.stats

    @property
    def active_tasks(self) -> tuple[str, ...]:
        """The names of the assistant's tasks that take part at the moment."""
        return tuple(task.name for task in self._tasks if task.active)

    def idle_s(self, now: float) -> float:
        """Tell how long nothing was said across the line, as far as those who asked could see.

        Args:
            now: The time in seconds, as `started_at`.
        """
        # What is shown of itself, as of a sensor, is nothing that anybody said.
        crossed = self.stats.crossings - self.stats.shown
        if crossed != self._crossed:
            self._crossed, self._active_at = crossed, now
        return now - self._active_at

    def knows(self, arrival: Arrival, principal: str) -> bool:
        """Tell whether a caller that comes back belongs to this session.

        Args:
            arrival: The caller.
            principal: Who that is.
        """
        line = self._line
        return line is not None and self.caller.principal == principal and line.knows(arrival)

    async def resume(self, arrival: Arrival) -> None:
        """Carry on over a new connection.

        Args:
            arrival: The caller; `knows` has agreed.
        """
        assert self._line is not None
        on_exit = weakref.WeakMethod(self._on_exit)
        with logger.contextualize(session=self.id[:8]), contained(on_exit):
            await self._line.resume(arrival)

    async def _run(self, arrival: Arrival) -> None:
        deadline = asyncio.get_running_loop().time() + self.limits.start_timeout_s
        tasks = await self._build(deadline)
        if tasks is None:
            self._move(SessionState.DRAINING)
            await arrival.link.close(self._code)
            self.closed_with = self._code
            return
        await track_turns_if_heard(tasks)
        bus = SessionBus(self.turns)
        runner = WorkerRunner(name=f"session-{self.id[:8]}", bus=bus, handle_sigint=False)
        self._tasks = tasks
        line = self._line = self._make_line(arrival)
        line.add_event_handler("on_client_disconnected", self._on_disconnected)
        line.add_event_handler("on_line_interrupted", self._on_interrupted)
        line.add_event_handler("on_line_resumed", self._on_resumed)
        self.record.follow(runner.bus, line, tasks)
        bus.display = CallerDisplay(bus, self.recipe, tasks, line.viewer, family=self.family)
        running = asyncio.create_task(self._hold(runner, line, tasks), name=runner.name)
        watching = asyncio.create_task(self._watch(runner, tasks, deadline))
        try:
            await self.until_over(running)
        finally:
            self._move(SessionState.DRAINING)
            watching.cancel()
            finishing = asyncio.create_task(self._finish(runner, running, line))
            await asyncio.shield(finishing)

    async def _build(self, deadline: float) -> list[BaseWorker] | None:
        """Build the assistant's tasks; None if that fails, takes too long, or the session ends."""
        context = SessionContext(
            session_id=self.id,
            principal=self.caller.principal,
            services=self.roles.for_assistant(self.recipe),
            metadata=self.caller.metadata,
        )
        building = asyncio.create_task(self.builder.build(self.recipe, context))
        await self.until_over(building, deadline)
        if not building.done():
            building.cancel()
            self._late()
            return None
        if building.cancelled():
            self.end(CloseCode.ASSISTANT_FAILED)
            return None
        error = building.exception()
        if error is not None:
            logger.opt(exception=error).error("The assistant could not be built")
            self.end(CloseCode.ASSISTANT_FAILED)
            return None
        return None if self._over.is_set() else building.result()

    async def until_over(self, running: "asyncio.Task[Any]", deadline: float | None = None) -> None:
        """Wait until a task is done, the session is to end, or a deadline has passed.

        Args:
            running: The task, which goes on in any case.
            deadline: On the clock of the event loop; None for none.
        """
        over = asyncio.create_task(self._over.wait())
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait(
                {running, over},
                timeout=None if deadline is None else deadline - loop.time(),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            over.cancel()

    async def _hold(
        self, runner: WorkerRunner, line: WebSocketProxyServerTask, tasks: list[BaseWorker]
    ) -> None:
        """Run the tasks until the runner ends, which nobody but the assistant may ask it to."""
        try:
            await runner.add_workers(line, *tasks)
            await runner.run(auto_end=False)
        finally:
            self.end(CloseCode.ENDED if line.ending else CloseCode.ASSISTANT_FAILED)

    def _on_disconnected(self, _: object, error: LinkClosedError) -> None:
        self.closed_with = error.code
        self.abandoned = self.state is SessionState.DETACHED
        self.end(CloseCode.ENDED)

    def _on_interrupted(self, _: object, error: LinkClosedError) -> None:
        self.lost_with = error.code
        if self._leaving is not None:
            self.end(self._leaving)
        if self.state is SessionState.READY:
            self._move(SessionState.DETACHED)

    def _on_resumed(self, *_: object) -> None:
        self.resumes += 1
        if self.state is SessionState.DETACHED:
            self._move(SessionState.READY)

    def _on_exit(self, error: BaseException) -> None:
        logger.error(f"A task of the session raised {type(error).__name__}, which ends the session")
        self.end(CloseCode.ASSISTANT_FAILED)

    def _late(self) -> None:
        if not self._over.is_set():
            logger.error(f"The assistant did not start in {self.limits.start_timeout_s:g} s")
        self.end(CloseCode.START_TIMED_OUT)

    def _make_line(self, arrival: Arrival) -> WebSocketProxyServerTask:
        return WebSocketProxyServerTask(
            GATEWAY,
            arrival=arrival,
            task_name=self.recipe.exports,
            options=ServerLineOptions(
                allowed_frames=self.recipe.frames,
                outbox=OutboxLimits.within(self.limits.max_waiting_bytes),
                max_message_bytes=self.limits.max_message_bytes,
                window_bytes=self.limits.window_bytes,
                heartbeat_s=self.limits.heartbeat_s,
                resume_window_s=self.limits.resume_window_s,
                session=self.id,
                # A session is ended by closing its line; a runner cancelled otherwise has failed.
                cancelled_code=CloseCode.ASSISTANT_FAILED,
                family=self.family,
                tap=self.record,
                shown=self.caller.has_screen,
            ),
        )

    async def _watch(self, runner: WorkerRunner, tasks: list[BaseWorker], deadline: float) -> None:
        """End the session when the assistant does not start in time, or stops."""
        try:
            async with asyncio.timeout_at(deadline):
                await _all_ready(runner, self.recipe.exports)
        except TimeoutError:
            self._late()
            return
        give_back_room(runner)
        self._move(SessionState.DETACHED if self._line_waits() else SessionState.READY)
        exported = [task for task in tasks if task.name in self.recipe.exports]
        stopped = [asyncio.create_task(task.wait()) for task in exported]
        try:
            await asyncio.wait(stopped, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in stopped:
                waiting.cancel()
        assert self._line is not None
        self.end(CloseCode.ENDED if self._line.ending else CloseCode.ASSISTANT_FAILED)

    def _line_waits(self) -> bool:
        return self._line is not None and self._line.interrupted

    async def _finish(
        self,
        runner: WorkerRunner,
        running: "asyncio.Task[None]",
        line: WebSocketProxyServerTask,
    ) -> None:
        """End, then cancel, then abandon; each step is bounded."""
        # An end that was said is kept for a caller who may come back for it.
        waits = line.ending and line.interrupted
        timeout_s = END_TIMEOUT_S + (self.limits.resume_window_s if waits else 0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
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
        self.record.leave()
        if isinstance(runner.bus, SessionBus):
            runner.bus.display = None
        self._line = None
        self._tasks = ()
        if running.done():
            try:
                await release(runner)
            except Exception:
                logger.exception("The session could not be taken apart; its memory is freed later")

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
