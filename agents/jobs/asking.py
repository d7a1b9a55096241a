"""The side that sends jobs out."""

import asyncio
import uuid
from dataclasses import replace
from typing import Any

from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamEndMessage,
    BusMessage,
)
from pipecat.pipeline.job_context import (
    JobContext,
    JobGroup,
    JobGroupContext,
    JobGroupError,
    JobGroupEvent,
    JobGroupParams,
    JobParams,
    JobStatus,
    resolve_job_params,
)
from pipecat.registry.types import WorkerReadyData
from pipecat.workers.base_worker import BaseWorker

from agents.jobs.deadline import DEFAULT_TIMEOUT_S, Deadline, stamped, unstamped
from agents.jobs.errand import Errand, OneJob, SeveralJobs
from agents.jobs.scope import Scope, scope_of
from proxy import CALLER_SUFFIX, DirectBus

TIMED_OUT = "timeout"
NOT_READY = "workers not ready within timeout"
TOO_LATE = "the deadline has passed"
UNREAD = "too many updates that nobody read"

# Updates and pieces of streams of one errand that nobody has read. An answer of a thousand words
# in pieces of one word stays well below.
MAX_UNREAD = 10_000


class Asking(BaseWorker):
    """Sends jobs out; see `Jobs`.

    Attributes:
        job_timeout_s: What a job gets that asks for nothing.
    """

    job_timeout_s: float = DEFAULT_TIMEOUT_S

    def __init__(self, *args: Any, **options: Any) -> None:
        """Begin with nothing sent out.

        Args:
            *args: Arguments of the next class.
            **options: Arguments of the next class.
        """
        super().__init__(*args, **options)
        self._handed_over: Deadline | None = None
        self._is_activating = False

    def job(
        self, worker_name: str, *, params: JobParams | None = None, **deprecated: Any
    ) -> JobContext:
        """Ask one worker and wait for its answer; see `BaseWorker.job`.

        Args:
            worker_name: Whom to ask.
            params: What, and how long at most; `job_timeout_s` by default, and never longer than
                what is left to whoever asked this task.
            **deprecated: Pipecat's arguments from before there were params.

        Returns:
            A context that raises `JobError` on a failure, a timeout, or where the worker gave up.
        """
        return OneJob(self, worker_name, params=resolve_job_params(params, JobParams, **deprecated))

    def job_group(
        self, *worker_names: str, params: JobGroupParams | None = None, **deprecated: Any
    ) -> JobGroupContext:
        """Ask several workers and wait for all answers; see `BaseWorker.job_group` and `job`.

        Args:
            *worker_names: Whom to ask.
            params: What, how long at most, and whether one failure cancels the others.
            **deprecated: Pipecat's arguments from before there were params.

        Returns:
            A context that raises `JobGroupError`; the answers so far stay in it.

        Raises:
            TypeError: If a name is not a string.
        """
        given: tuple[object, ...] = worker_names
        wrong = [name for name in given if not isinstance(name, str)]
        if wrong:
            raise TypeError(f"{self}: names of workers are strings, and not {wrong}")
        return SeveralJobs(
            self, worker_names, params=resolve_job_params(params, JobGroupParams, **deprecated)
        )

    async def create_job_group_and_request_job(
        self, worker_names: list[str], *, params: JobGroupParams | None = None, **deprecated: Any
    ) -> JobGroup:
        """Ask several workers and do not wait; see `BaseWorker.create_job_group_and_request_job`.

        Args:
            worker_names: Whom to ask.
            params: See `job_group`.
            **deprecated: Pipecat's arguments from before there were params.

        Raises:
            JobGroupError: If a worker is not ready in time.
        """
        asked = resolve_job_params(params, JobGroupParams, **deprecated)
        return await self.send_errand(worker_names, asked, watched=False)

    async def send_errand(
        self, worker_names: list[str], params: JobGroupParams, *, watched: bool
    ) -> Errand:
        """Wait until workers are ready, and send each a request.

        Args:
            worker_names: Whom to ask.
            params: See `job_group`.
            watched: Whether somebody reads the updates.

        Raises:
            JobGroupError: If a worker is not ready in time, or no time is left.
        """
        scope = self.job_scope()
        timeout_s = self.job_timeout_s if params.timeout is None else params.timeout
        deadline = Deadline.after(timeout_s)
        if scope.deadline is not None:
            deadline = min(deadline, scope.deadline)
        if deadline.passed:
            raise JobGroupError(TOO_LATE)
        await self._wait_ready(worker_names, deadline)
        errand = Errand(
            job_id=str(uuid.uuid4()),
            worker_names=list(worker_names),
            cancel_on_error=params.cancel_on_error,
            label=params.label,
            cancellable=params.cancellable,
            event_queue=asyncio.Queue() if watched else None,
            deadline=deadline,
            part_of=scope.held.request.job_id if scope.held is not None else None,
        )
        self.job_groups[errand.job_id] = errand
        errand.timeout_task = self.create_task(
            self._task_timeout(errand.job_id, deadline.remaining_s), f"timeout_{errand.job_id[:8]}"
        )
        try:
            for name in errand.worker_names:
                await self._send_job_request(name, errand.job_id, params.name, params.payload)
        except BaseException:
            await asyncio.shield(self.cancel_job_group(errand.job_id, reason="not sent"))
            raise
        return errand

    def job_scope(self) -> Scope:
        """Return what bounds the jobs that this task starts here and now."""
        scope = scope_of(self.name)
        if scope is not None:
            return scope
        handed = self._handed_over
        # Once it has passed, what was handed over is over, and what begins now is new.
        past = handed is not None and handed.passed and not self._is_activating
        return Scope(self.name, None if past else handed)

    def name_of_caller_task(self, name: str) -> str:
        """Return what one of the caller's tasks is called on this bus.

        Args:
            name: What the caller calls it. In one process that is its name here, too; behind a
                line it has `@caller` at its end.
        """
        return name if name in self.registry else f"{name}{CALLER_SUFFIX}"

    async def send_bus_message(self, message: BusMessage) -> None:
        """Send a message; requests and activations take with them what is left of their deadline.

        Args:
            message: Any message.
        """
        if isinstance(message, BusJobRequestMessage):
            errand = self.job_groups.get(message.job_id)
            if isinstance(errand, Errand):
                message.payload = stamped(message.payload, errand.deadline)
        elif isinstance(message, BusActivateWorkerMessage):
            deadline = self.job_scope().deadline
            if deadline is not None:
                args = message.args or {}
                message.args = {**args, "metadata": stamped(args.get("metadata"), deadline)}
        await super().send_bus_message(message)

    async def cancel_job_group(self, job_id: str, *, reason: str | None = None) -> None:
        """Cancel jobs that were sent out; whoever waits for them is released whatever happens.

        Args:
            job_id: Their id.
            reason: Why, in words that may cross to the worker.
        """
        errand = self.job_groups.get(job_id)
        try:
            await super().cancel_job_group(job_id, reason=reason)
        finally:
            if errand is not None and not errand.is_done:
                errand.fail(reason)

    async def cancel_parts_of(self, job_id: str, *, reason: str | None) -> None:
        """Cancel every job that this task started for another.

        Args:
            job_id: The other's id.
            reason: Why.
        """
        for errand in list(self.job_groups.values()):
            if isinstance(errand, Errand) and errand.part_of == job_id:
                await self.cancel_job_group(errand.job_id, reason=reason)

    async def _wait_ready(self, names: list[str], deadline: Deadline) -> None:
        """Wait for workers that are there or will be; whom nobody knows is not waited for."""
        events = [await self._readiness(name) for name in names if self._is_awaited(name)]
        try:
            async with asyncio.timeout_at(deadline.at):
                for event in events:
                    await event.wait()
        except TimeoutError:
            raise JobGroupError(NOT_READY) from None

    def _is_awaited(self, name: str) -> bool:
        if name in self.registry:
            return False
        bus = self.bus
        expected = any(child.name == name for child in self.children)
        return expected or not isinstance(bus, DirectBus) or bus.reaches(name)

    async def _readiness(self, name: str) -> asyncio.Event:
        ready = asyncio.Event()

        async def on_ready(_: WorkerReadyData) -> None:
            ready.set()

        await self.registry.watch(name, on_ready)
        return ready

    async def _handle_worker_activate(self, message: BusActivateWorkerMessage) -> None:
        args = None if message.args is None else dict(message.args)
        self._handed_over = None
        if args and isinstance(args.get("metadata"), dict):
            args["metadata"], self._handed_over = unstamped(args["metadata"])
            args = {key: value for key, value in args.items() if value is not None}
        self._is_activating = True
        try:
            await super()._handle_worker_activate(replace(message, args=args))
        finally:
            self._is_activating = False

    async def on_deactivated(self) -> None:
        """Forget what was left to whoever handed over to this task."""
        self._handed_over = None
        await super().on_deactivated()

    async def _handle_job_response(
        self, message: BusJobResponseMessage | BusJobResponseUrgentMessage
    ) -> None:
        errand = self.job_groups.get(message.job_id)
        if isinstance(errand, Errand):
            errand.statuses.setdefault(message.source, message.status)
            if message.status is JobStatus.CANCELLED and errand.cancel_on_error:
                await self._gave_up(errand, message)
                return
        await super()._handle_job_response(message)

    async def _gave_up(
        self, errand: Errand, message: BusJobResponseMessage | BusJobResponseUrgentMessage
    ) -> None:
        """Take in that a worker gives up by itself; no answer must not look like an empty one."""
        errand.terminated.add(message.source)
        errand.responses[message.source] = message.response or {}
        await self.on_job_response(message)
        await self._call_event_handler("on_job_response", message)
        await self.on_job_error(message)
        await self._call_event_handler("on_job_error", message)
        await self.cancel_job_group(errand.job_id, reason=f"worker '{message.source}' gave up")

    async def _handle_job_stream_end(self, message: BusJobStreamEndMessage) -> None:
        errand = self.job_groups.get(message.job_id)
        if isinstance(errand, Errand):
            errand.statuses.setdefault(message.source, JobStatus.COMPLETED)
        await super()._handle_job_stream_end(message)

    def _push_job_group_event(self, job_id: str, event: JobGroupEvent) -> None:
        errand = self.job_groups.get(job_id)
        if errand is None or errand.event_queue is None:
            return
        if errand.event_queue.qsize() < MAX_UNREAD:
            errand.event_queue.put_nowait(event)
        else:
            self.create_task(self.cancel_job_group(job_id, reason=UNREAD), f"unread_{job_id[:8]}")
