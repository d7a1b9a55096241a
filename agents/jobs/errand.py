"""Waiting for jobs that others do: Pipecat's context managers, and what they miss.

Pipecat's own cancel a job if the block raises, but not if the wait behind the block is cancelled,
which is where an interrupted tool stands; and they listen for updates only after the request has
been sent.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipecat.pipeline.job_context import (
    JobContext,
    JobError,
    JobEvent,
    JobGroup,
    JobGroupContext,
    JobGroupError,
    JobGroupEvent,
    JobGroupParams,
    JobStatus,
)

from agents.jobs.deadline import Deadline

if TYPE_CHECKING:
    from agents.jobs.asking import Asking


@dataclass(kw_only=True)
class Errand(JobGroup):
    """Jobs that were sent out together.

    Attributes:
        deadline: When all answers must be there.
        part_of: The id of the job that they are part of, and are cancelled with; None for none.
        statuses: How each ended that has, by the worker's name.
    """

    deadline: Deadline
    part_of: str | None = None
    statuses: dict[str, JobStatus] = field(default_factory=dict)

    async def next_event(self) -> JobGroupEvent:
        """Wait for the next update or piece of a stream.

        Raises:
            StopAsyncIteration: If there are no more, however often it is asked for.
        """
        events = self.event_queue
        if events is None or (self.is_done and events.empty()):
            raise StopAsyncIteration
        event = await events.get()
        if event is None:
            raise StopAsyncIteration
        return event  # type: ignore[no-any-return]


class _Errands:
    """What the two contexts have in common: one errand, cancelled however the block is left."""

    _worker: Any
    _group: Any

    async def _run(self, names: list[str], params: JobGroupParams) -> None:
        asking: Asking = self._worker
        self._group = await asking.send_errand(names, params, watched=True)

    @contextlib.asynccontextmanager
    async def _settled(self) -> AsyncIterator[Errand]:
        errand: Errand = self._group
        try:
            yield errand
        finally:
            if errand.job_id in self._worker.job_groups:
                # The work is short and goes on if whoever waits here is cancelled once more.
                await asyncio.shield(
                    self._worker.cancel_job_group(errand.job_id, reason="nobody waits any more")
                )

    async def _left(self, error: BaseException | None) -> bool:
        async with self._settled() as errand:
            if error is None:
                await errand.wait()
        return False


class OneJob(_Errands, JobContext):
    """A job for one worker; see Pipecat's `JobContext`."""

    @property
    def status(self) -> JobStatus | None:
        """How the job ended; None if nobody has answered."""
        errand: Errand = self._group
        return errand.statuses.get(self._worker_name)

    async def __anext__(self) -> JobEvent:
        event = await self._group.next_event()
        return JobEvent(type=event.type, data=event.data)

    async def __aenter__(self) -> "OneJob":
        try:
            await self._run([self._worker_name], JobGroupParams(**self._params.model_dump()))
        except JobGroupError as error:
            raise JobError(str(error)) from error
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        try:
            return await self._left(error)
        except JobGroupError as failure:
            raise JobError(str(failure)) from failure


class SeveralJobs(_Errands, JobGroupContext):
    """Jobs for several workers; see Pipecat's `JobGroupContext`."""

    @property
    def statuses(self) -> dict[str, JobStatus]:
        """How the jobs ended that have, by the worker's name."""
        errand: Errand = self._group
        return errand.statuses

    async def __anext__(self) -> JobGroupEvent:
        event: JobGroupEvent = await self._group.next_event()
        return event

    async def __aenter__(self) -> "SeveralJobs":
        await self._run(list(self._worker_names), self._params)
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        return await self._left(error)
