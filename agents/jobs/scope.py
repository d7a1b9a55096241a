"""What a task is working on when it starts a job, so that the job inherits its deadline."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field

from pipecat.bus.messages import BusJobRequestMessage

from agents.jobs.deadline import Deadline


@dataclass(eq=False)
class Held:
    """A job that a task has been asked to do.

    Attributes:
        worker: The task's name.
        request: The request, without the deadline in its payload.
        deadline: When the answer must be there.
        begun: Whether a handler has it, as opposed to waiting for the one before.
        given_up: Whether the job is over without an answer, and what it left is being cleaned up.
        answered: Set once somebody has been answered.
        limit: Ends the handler at the deadline.
    """

    worker: str
    request: BusJobRequestMessage
    deadline: Deadline
    begun: bool = False
    given_up: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    limit: asyncio.Timeout | None = None


@dataclass(frozen=True)
class Scope:
    """What bounds the jobs that a task starts.

    Attributes:
        worker: The name of the task that it holds for.
        deadline: None for no bound.
        held: The job that they are part of, and are cancelled with; None for none.
    """

    worker: str
    deadline: Deadline | None
    held: Held | None = None


# Set while a handler or an activation runs, and in every asyncio task that starts there.
SCOPE: ContextVar[Scope | None] = ContextVar("trunkline_job_scope", default=None)


def scope_of(worker: str) -> Scope | None:
    """Return the scope that holds for a task here, or None.

    Asyncio tasks inherit their creator's, so that another task's may be seen here; and a job that
    has been answered bounds nothing any more.

    Args:
        worker: The task's name.
    """
    scope = SCOPE.get()
    if scope is None or scope.worker != worker:
        return None
    if scope.held is not None and scope.held.answered.is_set():
        return None
    return scope
