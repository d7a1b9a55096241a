"""Keeping one session's `sys.exit` from ending every session.

asyncio stores what a task raises, except for SystemExit and KeyboardInterrupt: those go straight
out of the event loop and end the process. A tool that calls `sys.exit`, or a library that does so
in its name, would take all callers with it. Here every task that is started while a session runs,
by whomever, gets a coroutine around its own that turns the two into the end of that session.

Source: `asyncio.Task.__step` and `asyncio.Handle._run`.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextvars import ContextVar
from typing import Any

Escape = Callable[[BaseException], None]
WeakEscape = Callable[[], Escape | None]

# Tasks inherit the context that they are started in, so this reaches everything in a session. It
# holds a weak reference, because contexts live on in timers and finished tasks.
_escape: ContextVar[WeakEscape | None] = ContextVar("trunkline_escape", default=None)

# What asks a process to end, wherever it is raised.
EXITS = (SystemExit, KeyboardInterrupt)


def contain_exits(loop: asyncio.AbstractEventLoop) -> None:
    """Make a loop start the tasks of sessions contained; other tasks are as before.

    Args:
        loop: The loop; one that does so already stays as it is.
    """
    if not isinstance(loop.get_task_factory(), _Factory):
        loop.set_task_factory(_Factory(loop.get_task_factory()))


@contextlib.contextmanager
def contained(escape: WeakEscape) -> Iterator[None]:
    """Contain every task that is started in this block, and every one that those start.

    Args:
        escape: A weak reference to what is called with a SystemExit or KeyboardInterrupt that one
            of them raised. The task that raised it ends as cancelled.
    """
    token = _escape.set(escape)
    try:
        yield
    finally:
        _escape.reset(token)


class _Factory:
    """A task factory, over the one that was there before."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        context = options.get("context")
        escape = _escape.get() if context is None else context.get(_escape)
        if escape is not None and inspect.iscoroutine(coro):
            coro = _Contained(coro, escape)
        if self._inner is not None:
            return self._inner(loop, coro, **options)
        return asyncio.Task(coro, loop=loop, **options)


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine that tells of an exit instead of raising it.

    It also ends without a warning if its task is cancelled before it began. A conversation has two
    dozen of them, so it is one small object and not a coroutine around another.
    """

    __slots__ = ("_coro", "_escape")

    def __init__(self, coro: Coroutine[Any, Any, Any], escape: WeakEscape) -> None:
        self._coro = coro
        self._escape = escape

    def send(self, value: Any) -> Any:
        try:
            return self._coro.send(value)
        except EXITS as error:
            self._tell(error)
            raise asyncio.CancelledError from None

    def throw(self, *error: Any) -> Any:
        try:
            return self._coro.throw(*error)
        except EXITS as exit_:
            self._tell(exit_)
            raise asyncio.CancelledError from None
        finally:
            del error  # or this frame, and all of the session with it, waits for the collector

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coro.__await__()

    def __del__(self) -> None:
        self._coro.close()

    def _tell(self, error: BaseException) -> None:
        tell = self._escape()
        if tell is not None:
            tell(error)
