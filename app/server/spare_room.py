"""Giving back the room that the events and queues of a session hold for many who wait.

An `asyncio.Event` makes room for 64 who wait as soon as it is there, 0.7 kB of it, and a queue does
so three times. Pipecat's objects of one session have more than fifty events and two dozen queues.
At most of them nobody ever waits, at any other hardly ever more than one task, so that a list does:
it takes room when somebody comes.

Source: measured with `trunkline bench sessions`, where it is a quarter of a session's memory; the
attributes are those of `asyncio.locks` and `asyncio.queues` of CPython 3.11 to 3.13.
"""

import asyncio
from collections import deque
from typing import Any

from pipecat.workers.runner import WorkerRunner

from app.server.parts import processors_of, workers_of

# Where an event keeps who waits for it; where a queue keeps who waits for an item, who waits to put
# one, and the event that tells when all were handled.
_WAITERS = "_waiters"
_GETTERS = "_getters"
_PUTTERS = "_putters"
_FINISHED = "_finished"

_WAITED_AT = (asyncio.Event, asyncio.Queue)


class Waiting(list[Any]):
    """Who waits at a queue: as much of a deque as `asyncio.Queue` uses."""

    __slots__ = ()

    def popleft(self) -> Any:
        """Remove and return the first."""
        return self.pop(0)


def give_back_room(runner: WorkerRunner) -> None:
    """Give back the room in what a runner, its tasks and their processors have.

    Whoever waits at any of it goes on waiting.

    To be called on the event loop.

    Args:
        runner: A runner whose tasks have started.
    """
    _trim_all(runner)
    for worker in workers_of(runner):
        for owner in (worker, *processors_of(worker)):
            _trim_all(owner)


def trim(waited_at: asyncio.Event | asyncio.Queue[Any]) -> None:
    """Give back the room in one event or queue.

    Args:
        waited_at: The event or queue; afterwards it does what it did before.
    """
    if isinstance(waited_at, asyncio.Event):
        _replace(waited_at, _WAITERS)
        return
    _replace(waited_at, _GETTERS)
    if waited_at.maxsize <= 0:  # then nobody ever waits to put something into it
        setattr(waited_at, _PUTTERS, ())
    _replace(getattr(waited_at, _FINISHED), _WAITERS)


def _replace(owner: object, name: str) -> None:
    # Not by way of `vars`, which would give each of them a dictionary that it has no need of.
    waiting = getattr(owner, name)
    if isinstance(waiting, deque):
        setattr(owner, name, Waiting(waiting))


def _trim_all(owner: object) -> None:
    for part in vars(owner).values():
        if isinstance(part, _WAITED_AT):
            trim(part)
