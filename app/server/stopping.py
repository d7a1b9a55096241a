"""The end of a process that serves: on a signal, within a bounded time, whatever recipes do.

A recipe can block the loop, swallow every cancellation, or leave a thread behind that Python would
wait for at its exit. So a thread of ours keeps the clock, and `os._exit`, which waits for nobody,
ends the process.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from loguru import logger

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# What closing the listener, the last sockets and the shared services may take after the drain.
LEAVE_TIMEOUT_S = 1.5

# A log line takes no time, unless nobody reads the log.
LOG_TIMEOUT_S = 0.2


@contextlib.contextmanager
def stop_on_signals(stop: Callable[[], None], timeout_s: float) -> Iterator[Callable[[], None]]:
    """Have SIGINT and SIGTERM stop this process while the block runs.

    The first one asks it to stop, and ends it for good when that takes too long. The second one
    ends it at once.

    Args:
        stop: Asks the process to stop; called in a thread of its own.
        timeout_s: How long that may take.

    Yields:
        What does the same as the first signal, for those who ask by other means. A signal that
        comes after it is still the first one: whoever has a server drained, and then stopped, is in
        no hurry.
    """
    watchdog = _Watchdog(stop, timeout_s)
    before = {number: signal.signal(number, watchdog.on_signal) for number in SIGNALS}
    try:
        yield watchdog.begin
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        watchdog.close()


def leave() -> None:
    """End this process with 0, without waiting for threads or anything else."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


class _Watchdog:
    """A thread that waits for a signal and then counts down."""

    def __init__(self, stop: Callable[[], None], timeout_s: float) -> None:
        self._stop = stop
        self._timeout_s = timeout_s
        self._signalled = False
        self._closed = threading.Event()
        # A pipe, because a signal handler may take no lock that the main thread could be holding.
        self._reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal. Runs between any two instructions of the main thread."""
        if self._signalled:
            os._exit(0)
        self._signalled = True
        self.begin()

    def begin(self) -> None:
        """Ask the process to stop."""
        os.write(self._writer, b"!")

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        os.close(self._writer)
        self._thread.join()
        os.close(self._reader)

    def _watch(self) -> None:
        if not os.read(self._reader, 1):
            return
        self._stop()
        if not self._closed.wait(self._timeout_s):
            saying = threading.Thread(target=self._say, daemon=True)
            saying.start()
            saying.join(LOG_TIMEOUT_S)
            os._exit(0)

    def _say(self) -> None:
        logger.warning(f"Not everything ended within {self._timeout_s:g} s; leaving it behind")
