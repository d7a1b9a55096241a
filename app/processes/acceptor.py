"""The port of a server whose work others do: every connection goes to the process with least to do.

The parent reads nothing of what callers send, so that nobody can keep it busy; and it keeps no
connection, so that a parent that ends takes none along.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable

from loguru import logger

from app.processes.child import Child, Phase

# As uvicorn has it.
BACKLOG = 2048

# Accepted in one go, before anything else gets its turn.
ACCEPTS_AT_ONCE = 64

# Where this process or machine has no descriptor left, after asyncio's example.
PAUSE_S = 1.0


class Acceptor:
    """Accepts connections and hands them out."""

    def __init__(self, listener: socket.socket, children: Callable[[], Iterable[Child]]) -> None:
        """Prepare; `start` accepts.

        Args:
            listener: The port, which was bound.
            children: Gives the processes that there are.
        """
        self._listener = listener
        self._children = children
        self._loop = asyncio.get_running_loop()
        self._started = False
        self._accepting = False
        self._pausing: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self._started = True
        self.resume()

    def stop(self) -> None:
        """Accept no more, and give the port back; may be called again."""
        self._pause()
        self._started = False
        if self._pausing is not None:
            self._pausing.cancel()
        self._listener.close()

    def resume(self) -> None:
        """Accept again after a time without anybody to hand connections to."""
        if self._started and not self._accepting and self._best():
            self._accepting = True
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            best = self._best()
            if not best:
                # Who comes now waits in the kernel until one of the processes is replaced.
                self._pause()
                return
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.error(f"No connection can be accepted for {PAUSE_S:g} s: {error.strerror}")
                self._pause()
                self._pausing = self._loop.call_later(PAUSE_S, self.resume)
                return
            with connection:
                if not any(child.hand(connection) for child in best):
                    logger.warning("A connection was dropped: no process takes any")

    def _best(self) -> list[Child]:
        """List the processes that could take a connection, the best first."""
        children = list(self._children())
        ready = [child for child in children if child.phase is Phase.READY]
        # One that ends still says so to whoever comes, if there is no other.
        return sorted(
            ready or [child for child in children if child.listens],
            key=lambda child: (child.stalled, child.load, child.place),
        )
