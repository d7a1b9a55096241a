"""The event loop of a process that serves.

uvicorn chooses the loop that suits its protocols, but only where it starts the process itself. Here
it is a guest in a process that is ours, so we ask it for its choice: uvloop where that is
installed, asyncio's own elsewhere.

Source: `trunkline bench line`; on uvloop, 1,000 messages each way cost the server a third less.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from loguru import logger
from uvicorn.loops.auto import auto_loop_factory

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a program that serves until it is done, as `asyncio.run` does.

    Args:
        main: The program.
    """
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(main)


def log_loop() -> None:
    """Write into the log which loop runs."""
    loop = type(asyncio.get_running_loop())
    logger.debug(f"Event loop: {loop.__module__}.{loop.__qualname__}")
