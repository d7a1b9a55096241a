"""The side that does jobs."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, TypeVar

from loguru import logger
from pipecat.bus.messages import (
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamDataMessage,
    BusJobStreamEndMessage,
    BusJobStreamStartMessage,
    BusJobUpdateMessage,
    BusJobUpdateRequestMessage,
    BusJobUpdateUrgentMessage,
    BusMessage,
)
from pipecat.pipeline.job_context import JobStatus
from pipecat.workers.base_worker import BaseWorker

from agents.jobs.asking import TOO_LATE, Asking
from agents.jobs.deadline import LONGEST_S, Deadline, unstamped
from agents.jobs.scope import SCOPE, Held, Scope, scope_of

# What whoever asked is told. Never the text of an exception, which may hold anything.
FAILED = "the job failed"
NOT_NOW = "the task cannot be reached"
NO_HANDLER = "the task does no such job"

# A handler that is cancelled closes what it has open; one that takes longer is left behind.
CLEAN_UP_TIMEOUT_S = 5.0

# A task gets what concerns its jobs while it is inactive, too: it may have handed over meanwhile.
_CONCERNS_JOBS = (
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobResponseUrgentMessage,
    BusJobStreamDataMessage,
    BusJobStreamEndMessage,
    BusJobStreamStartMessage,
    BusJobUpdateMessage,
    BusJobUpdateRequestMessage,
    BusJobUpdateUrgentMessage,
)

# A handler's lock where a job has no name.
_DEFAULT = ""

Handler = TypeVar("Handler", bound=Callable[..., Any])


def sequential(handler: Handler) -> Handler:
    """Let the default handler, `on_job_request`, do one job at a time.

    What `@job(name=..., sequential=True)` is for a named handler.

    Args:
        handler: The method.
    """
    handler.job_sequential = True  # type: ignore[attr-defined]
    return handler


class Jobs(Asking):
    """Pipecat's jobs, with nobody left waiting; to be put before a worker class.

    Example::

        class Researcher(Jobs):
            @job(name="research")
            async def on_research(self, message: BusJobRequestMessage) -> None:
                await self.send_job_response(message.job_id, {"answer": "..."})


        class Voice(Jobs, LLMWorker):
            @tool
            async def research(self, params: FunctionCallParams, topic: str) -> None:
                async with self.job("researcher", params=JobParams(name="research")) as asked:
                    pass
                await params.result_callback(asked.response)

    Beyond Pipecat's own:

    - A job has a deadline, `job_timeout_s` by default. It travels with the request; the worker
      gives up when it passes, and what the worker itself asks of others gets what is left.
    - Whoever leaves a `job` or `job_group` block, by an exception or because its tool is
      interrupted, cancels the jobs; a worker whose job is cancelled cancels what it asked for it.
    - A handler that raises answers ERROR, a task that cannot take a job FAILED, each with a fixed
      sentence. A worker that gives up by itself is a failure to whoever asked, not an empty answer.
    - Sequential means until the answer, also where it comes later from a pipeline.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """Begin without jobs.

        Args:
            *args: Arguments of the next class.
            **options: Arguments of the next class.
        """
        self._held: dict[str, Held] = {}
        self._is_stopping = False
        super().__init__(*args, **options)

    def job_scope(self) -> Scope:
        """Return what bounds the jobs that this task starts here and now.

        In a handler, that is its job. A pipeline that only does jobs knows no handlers; there it is
        the job at work.
        """
        if scope_of(self.name) is None and not self.bridged:
            begun = [held for held in self._held.values() if held.begun]
            if begun:
                earliest = min(held.deadline for held in begun)
                return Scope(self.name, earliest, begun[0] if len(begun) == 1 else None)
        return super().job_scope()

    def accepts_bus_message(self, message: BusMessage) -> bool:
        """Take what concerns jobs of this task, and everything else while it is active.

        Args:
            message: Any message.
        """
        concerns = isinstance(message, _CONCERNS_JOBS) and message.target == self.name
        return concerns or super().accepts_bus_message(message)

    async def send_job_response(
        self,
        job_id: str,
        response: dict[str, Any] | None = None,
        *,
        status: JobStatus = JobStatus.COMPLETED,
        urgent: bool = False,
    ) -> None:
        """Answer a job; see `BaseWorker.send_job_response`.

        Args:
            job_id: Which.
            response: The answer.
            status: How it ended; with anything but COMPLETED, what it asked of others is cancelled.
            urgent: Overtake what waits.

        Raises:
            RuntimeError: If this task does not hold the job, or no longer.
        """
        await super().send_job_response(job_id, response, status=status, urgent=urgent)
        self._release(job_id)
        if status is not JobStatus.COMPLETED:
            await self.cancel_parts_of(job_id, reason=f"it ended with {status.value}")

    async def send_job_stream_end(self, job_id: str, data: dict[str, Any] | None = None) -> None:
        """End a stream, and with it the job; see `BaseWorker.send_job_stream_end`.

        Args:
            job_id: Which.
            data: What to say at the end.

        Raises:
            RuntimeError: If this task does not hold the job, or no longer.
        """
        await super().send_job_stream_end(job_id, data)
        self._release(job_id)

    async def stop(self) -> None:
        """Answer CANCELLED for every job that this task holds, cancel what it asked for, stop."""
        self._is_stopping = True
        for job_id in list(self.active_jobs):
            await self._answer(job_id, JobStatus.CANCELLED)
        working = set(self._job_handler_tasks.values()) - {asyncio.current_task()}
        for task in working:
            task.cancel()
        if working:
            await asyncio.wait(working, timeout=CLEAN_UP_TIMEOUT_S)
        self._job_handler_tasks.clear()
        await super().stop()

    async def _handle_job_request(self, message: BusJobRequestMessage) -> None:
        payload, deadline = unstamped(message.payload)
        if self._is_stopping or not self.active:
            await self._refuse(message, NOT_NOW)
            return
        if deadline is not None and deadline.passed:
            await self._refuse(message, TOO_LATE)
            return
        if not self._does(message.job_name):
            await self._refuse(message, NO_HANDLER)
            return
        if message.job_id in self._held:
            logger.warning(f"{self}: asked twice for one job; the first one goes on")
            return
        request = replace(message, payload=payload)
        held = Held(self.name, request, deadline or Deadline.after(LONGEST_S))
        self._held[message.job_id] = held
        token = SCOPE.set(Scope(self.name, held.deadline, held))
        try:
            await super()._handle_job_request(request)
        finally:
            SCOPE.reset(token)

    def _does(self, job_name: str | None) -> bool:
        """Tell whether anybody here would do a job; Pipecat's own handler does nothing."""
        if job_name in self._job_handlers or self._event_handlers["on_job_request"].handlers:
            return True
        default: object = getattr(self.on_job_request, "__func__", None)
        return default is not BaseWorker.on_job_request

    async def _refuse(self, message: BusJobRequestMessage, why: str) -> None:
        await self.send_bus_message(
            BusJobResponseMessage(
                source=self.name,
                target=message.source,
                job_id=message.job_id,
                status=JobStatus.FAILED,
                response={"error": why},
            )
        )

    async def _run_job_handler(
        self, job_id: str, handler: Any, message: Any, lock: asyncio.Lock | None = None
    ) -> None:
        if lock is None and getattr(handler, "job_sequential", False):
            lock = self._job_locks.setdefault(_DEFAULT, asyncio.Lock())
        held = self._held.get(job_id)
        try:
            if held is not None:  # else it was answered before it began
                await self._work(held, handler, lock)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Something that the handler waited for was cancelled, and nobody cancelled the job.
            await self._answer(job_id, JobStatus.ERROR, FAILED)
        except Exception:
            logger.exception(f"{self}: a job handler failed")
            await self._answer(job_id, JobStatus.ERROR, FAILED)
        finally:
            self._job_handler_tasks.pop(job_id, None)

    async def _work(self, held: Held, handler: Any, lock: asyncio.Lock | None) -> None:
        """Let a handler work, and wait until somebody has answered."""
        limit = asyncio.timeout_at(held.deadline.at)
        try:
            async with limit:
                held.limit = limit
                async with lock or nullcontext():
                    held.begun = True
                    await handler(held.request)
                    if lock is not None:
                        await held.answered.wait()
                await held.answered.wait()
        except TimeoutError:
            if not limit.expired():
                raise
            await self._give_up(held, TOO_LATE)
            await self._answer(held.request.job_id, JobStatus.FAILED, TOO_LATE)
        finally:
            held.limit = None

    async def _handle_job_cancel(self, message: BusJobCancelMessage) -> None:
        held = self._held.get(message.job_id)
        if held is not None and held.request.source == message.source:
            # A handler that cleans up may have to hear others, so this must not hold up the bus.
            self.create_task(self._cancel_job(held, message.reason), f"cancel_{message.job_id[:8]}")

    async def _cancel_job(self, held: Held, reason: str | None) -> None:
        job_id = held.request.job_id
        if held.given_up:
            return  # the deadline was faster, and its clean-up is at work
        task = self._job_handler_tasks.get(job_id)
        if task is not None:
            await self.cancel_task(task, timeout=CLEAN_UP_TIMEOUT_S)
        if not held.answered.is_set():
            await self._give_up(held, reason)
            await self._answer(job_id, JobStatus.CANCELLED)

    async def _give_up(self, held: Held, reason: str | None) -> None:
        """Cancel what a job asked of others, and let the recipe clean up."""
        request = held.request
        held.given_up = True
        cancel = BusJobCancelMessage(
            source=request.source, target=self.name, job_id=request.job_id, reason=reason
        )
        await self.cancel_parts_of(request.job_id, reason=reason)
        try:
            async with asyncio.timeout(CLEAN_UP_TIMEOUT_S):
                await self.on_job_cancelled(cancel)
                await self._call_event_handler("on_job_cancelled", cancel)
        except Exception:
            logger.exception(f"{self}: cleaning up after a cancelled job failed")

    async def _answer(self, job_id: str, status: JobStatus, why: str | None = None) -> None:
        """Answer a job, unless somebody has."""
        if job_id in self.active_jobs:
            response = None if why is None else {"error": why}
            await self.send_job_response(job_id, response, status=status)

    def _release(self, job_id: str) -> None:
        held = self._held.pop(job_id, None)
        if held is not None:
            held.answered.set()
            if held.limit is not None and not held.limit.expired():
                held.limit.reschedule(None)
