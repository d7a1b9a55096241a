"""A benchmark's child process: it answers its parent's questions over its standard streams.

One JSON object a line. The parent asks `{"do": "usage"}`, the child answers with another object.
The end of its standard input ends the child, so that none outlives its parent.
"""

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Answer = Callable[..., Awaitable[Mapping[str, Any]]]

# A page of memory, in which Linux counts what a process holds.
_PAGE_BYTES = resource.getpagesize()


class Control:
    """The child's end."""

    def __init__(self) -> None:
        """Take standard output for answers; what else is written to it goes to standard error."""
        self._answers_to = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        _allow_many_files()

    def say(self, answer: Mapping[str, Any]) -> None:
        """Send one object to the parent."""
        self._answers_to.write(json.dumps(answer) + "\n")
        self._answers_to.flush()

    async def answer(self, answers: Mapping[str, Answer]) -> None:
        """Answer questions until the parent has no more.

        Args:
            answers: What to call for each question; its other members are keyword arguments.
        """
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            question = json.loads(line)
            try:
                self.say(await answers[question.pop("do")](**question))
            except Exception as error:
                self.say({"error": f"{type(error).__name__}: {error}"})


async def usage() -> dict[str, float]:
    """Tell what this process has used so far, and how long it has waited for a core."""
    return {
        "cpu_s": time.process_time(),
        "waited_s": waited_s(),
        "resident_bytes": resident_bytes(),
    }


async def settle() -> dict[str, float]:
    """Collect garbage, then tell what this process has used and holds.

    The objects are those that the garbage collector knows, frozen or not.
    """
    gc.collect()
    return {**await usage(), "objects": len(gc.get_objects()) + gc.get_freeze_count()}


def waited_s() -> float:
    """Return how long this process could have run and did not, as others had the cores."""
    try:
        with open("/proc/self/schedstat", encoding="ascii") as schedstat:
            return int(schedstat.read().split()[1]) / 1e9
    except OSError:
        return 0.0  # elsewhere than on Linux nobody counts it


def resident_bytes() -> int:
    """Return how much memory this process holds."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except OSError:
        # Elsewhere than on Linux: the most it ever held, in bytes on macOS.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
