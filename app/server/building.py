"""Building assistants where a recipe that blocks holds up nobody but its own caller.

A plain function runs in a thread of its own, a coroutine function on the loop. A thread cannot be
stopped: one whose session gave up on it goes on for as long as the recipe likes. There are only so
many, and when all are taken by such recipes the server says that it is busy.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from pipecat.workers.base_worker import BaseWorker

from agents import Recipe, SessionContext

# Recipes construct objects, which takes milliseconds. So many at a time is more than a process
# with one interpreter lock makes use of, and few enough to lose.
MAX_THREADS = 16


class RecipeFailedError(Exception):
    """A recipe raised something that is not an Exception, such as SystemExit."""


@dataclass(frozen=True)
class _Outcome:
    """What came of a recipe in a thread."""

    tasks: list[BaseWorker] | None = None
    error: BaseException | None = None


class Builder:
    """Builds the tasks of sessions.

    Attributes:
        max_threads: How many threads there are at most.
    """

    def __init__(self, max_threads: int = MAX_THREADS) -> None:
        """Start without threads.

        Args:
            max_threads: How many recipes may be built at a time.
        """
        self.max_threads = max_threads
        self._free = asyncio.Semaphore(max_threads)
        self._running: set[asyncio.Future[_Outcome]] = set()

    @property
    def stuck(self) -> int:
        """How many threads run recipes that nobody waits for any more."""
        return sum(finished.cancelled() for finished in self._running)

    def can_build(self, recipe: Recipe) -> bool:
        """Tell whether there is a thread that is not stuck, or none is needed."""
        return recipe.is_async or self.stuck < self.max_threads

    async def build(self, recipe: Recipe, session: SessionContext) -> list[BaseWorker]:
        """Build the tasks of one session.

        Cancelling gives up on the recipe: a coroutine function is cancelled, a thread abandoned.

        Args:
            recipe: The assistant.
            session: The session.

        Raises:
            RecipeFailedError: If the recipe asked the process to end.
            Exception: Whatever else the recipe raised.
        """
        if recipe.is_async:
            return await recipe.tasks_on_loop(session)
        return await self._in_thread(lambda: recipe.tasks(session))

    async def _in_thread(self, build: Callable[[], list[BaseWorker]]) -> list[BaseWorker]:
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[_Outcome] = loop.create_future()
        context = copy_context()

        def work() -> None:
            outcome = context.run(_attempt, build)
            # The loop is closed if the server is gone by now.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._finish, finished, outcome)

        self._running.add(finished)
        threading.Thread(target=work, name="recipe", daemon=True).start()
        outcome = await finished
        if outcome.tasks is None:
            raise _shown(outcome.error)
        return outcome.tasks

    def _finish(self, finished: "asyncio.Future[_Outcome]", outcome: _Outcome) -> None:
        self._free.release()
        self._running.discard(finished)
        if not finished.done():
            finished.set_result(outcome)


def _attempt(build: Callable[[], list[BaseWorker]]) -> _Outcome:
    try:
        return _Outcome(tasks=build())
    except BaseException as error:
        return _Outcome(error=error)


def _shown(error: Any) -> Exception:
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RecipeFailedError(type(error).__name__)
