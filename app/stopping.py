"""The end of a process that serves: on a signal, within a bounded time, whatever recipes do.

A recipe can block the loop, swallow every cancellation, or leave a thread behind that Python would
wait for at its exit. So a thread of ours keeps the clock, and `os._exit`, which waits for nobody,
ends the process.
"""

import asyncio
import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from loguru import logger

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# What closing the listener, the last sockets and the shared services may take after the drain.
LEAVE_TIMEOUT_S = 1.5

# What telling the callers may take when somebody is in a hurry.
HURRY_TIMEOUT_S = 1.0

# A log line takes no time, unless nobody reads the log.
LOG_TIMEOUT_S = 0.2

_STOP, _HURRY = b"!", b"?"


class Stopping:
    """A thread that waits until the process is to stop, and then counts down."""

    def __init__(
        self, stop: Callable[[], None], hurry: Callable[[], None], timeout_s: float
    ) -> None:
        """Start watching; `stop_on_signals` does so.

        Args:
            stop: Asks the process to stop; called in a thread of its own.
            hurry: Asks it to stop without waiting for anything; likewise.
            timeout_s: How long stopping may take.
        """
        self._stop = stop
        self._hurry = hurry
        self._timeout_s = timeout_s
        self._signalled = False
        # A pipe, because a signal handler may take no lock that the main thread could be holding.
        self._reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Ask the process to stop, as the first signal does; may be called again.

        A signal that comes after it is still the first one: whoever has a server drained, and then
        stopped, is in no hurry.
        """
        os.write(self._writer, _STOP)

    def hurry(self) -> None:
        """Have the process end within `HURRY_TIMEOUT_S`, as the second signal does."""
        os.write(self._writer, _HURRY)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal. Runs between any two instructions of the main thread."""
        if self._signalled:
            self.hurry()
        self._signalled = True
        self.begin()

    def close(self) -> None:
        """Stop watching."""
        os.close(self._writer)
        self._thread.join()
        os.close(self._reader)

    def _watch(self) -> None:
        deadline: float | None = None
        hurrying = False
        while True:
            left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._reader], [], [], left_s)[0]:
                self._give_up(hurrying)
            word = os.read(self._reader, 1)
            if not word:
                return
            if deadline is None:
                deadline = time.monotonic() + self._timeout_s
                self._stop()
            if word == _HURRY and not hurrying:
                hurrying = True
                deadline = min(deadline, time.monotonic() + HURRY_TIMEOUT_S)
                self._hurry()

    def _give_up(self, hurrying: bool) -> None:
        if not hurrying:
            saying = threading.Thread(target=self._say, daemon=True)
            saying.start()
            saying.join(LOG_TIMEOUT_S)
        os._exit(0)

    def _say(self) -> None:
        logger.warning(f"Not everything ended within {self._timeout_s:g} s; leaving it behind")


@contextlib.contextmanager
def stop_on_signals(
    stop: Callable[[], None], hurry: Callable[[], None], timeout_s: float
) -> Iterator[Stopping]:
    """Have SIGINT and SIGTERM stop this process while the block runs.

    The first one asks it to stop, and ends it for good when that takes too long. The second one
    asks it to hurry, and ends it within `HURRY_TIMEOUT_S`.

    Args:
        stop: Asks the process to stop; called in a thread of its own.
        hurry: Asks it to stop without waiting for anything; likewise.
        timeout_s: How long stopping may take.

    Yields:
        What does the same as the signals, for those who ask by other means.
    """
    stopping = Stopping(stop, hurry, timeout_s)
    before = {number: signal.signal(number, stopping.on_signal) for number in SIGNALS}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stopping.close()


def outlive_hangups(instead: str) -> None:
    """Have SIGHUP, as of a terminal that is closed, end no call; for the rest of the process.

    Args:
        instead: What replaces a process without losing a call, for the log.
    """

    def on_hangup() -> None:
        logger.warning(
            "SIGHUP changes nothing: one process is not replaced while it serves. SIGTERM ends it "
            f"after a drain; {instead}"
        )

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)


def leave() -> None:
    """End this process with 0, without waiting for threads or anything else."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)
