"""The parent's end of one process."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from enum import Enum, auto
from pathlib import Path

from app.processes.condition import Condition, ProcessState
from app.processes.control import ToParent, ToProcess


class Phase(Enum):
    """How far a process has come, as the parent knows it."""

    STARTING = auto()
    READY = auto()
    GOING = auto()  # it takes no more callers, or is gone


# When a process is replaced is the parent's to say: a terminal that is closed, or whoever signals
# the whole group, is not to end one, and not while it starts either. uvloop gives a process that it
# starts all signals as they are by default, so that the process has to see to it itself.
_DEAF_TO_HANGUPS = ("/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh")


class Child:
    """One process.

    Attributes:
        place: Its place; no other process has it as long as this one lives.
        phase: How far it has come.
        load: How many sessions it has, and how many connections that may become one.
        stalled: Whether its event loop stands still, or did of late.
        told: Whether it was told to end.
    """

    def __init__(
        self, place: int, process: asyncio.subprocess.Process, ours: socket.socket
    ) -> None:
        """Hold a process that was just started; see `start`.

        Args:
            place: Its place.
            process: The process.
            ours: Our end of the pair of sockets.
        """
        self.place = place
        self.phase = Phase.STARTING
        self.load = 0
        self.stalled = False
        self.told = False
        self._born_at = time.monotonic()
        self._process = process
        self._control = ours
        self._loop = asyncio.get_running_loop()
        self._changed: Callable[[], None] = lambda: None
        self._drain_all: Callable[[], None] = lambda: None
        self._settled = asyncio.Event()
        self._was_ready = False
        self._handed = 0
        self._loop.add_reader(ours.fileno(), self._hear)

    @classmethod
    async def start(cls, place: int, directory: Path, environment: Mapping[str, str]) -> "Child":
        """Start a process.

        Args:
            place: A place that nobody has.
            directory: Where the ledger is.
            environment: Settings of the parent that the process has to have as well.

        Raises:
            OSError: If it cannot be started.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            process = await asyncio.create_subprocess_exec(
                *(*_DEAF_TO_HANGUPS, sys.executable, "-m", "app.cli", "process"),
                *(str(place), str(theirs.fileno()), str(directory)),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, **environment},
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(place, process, ours)

    def on_news(self, changed: Callable[[], None], drain_all: Callable[[], None]) -> None:
        """Say whom to tell.

        Args:
            changed: Called when the phase changes.
            drain_all: Called when the process is asked to have the whole server stopped.
        """
        self._changed, self._drain_all = changed, drain_all

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def listens(self) -> bool:
        """Whether it hears what it is told, and has come so far that it takes connections."""
        return self._was_ready and self._control.fileno() >= 0

    @property
    def lived_s(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._born_at

    def hand(self, connection: socket.socket) -> bool:
        """Give the process a connection.

        Args:
            connection: The connection, which stays the caller's to close.

        Returns:
            Whether it was given; it is not where the process has not taken the last ones.
        """
        word = [ToProcess.CONNECTION.value]
        try:
            socket.send_fds(self._control, word, [connection.fileno()])
        except OSError:
            return False
        self.load += 1
        self._handed += 1
        return True

    def measured(self, condition: Condition) -> None:
        """Take note of how the process says it is.

        Args:
            condition: What it said last.
        """
        self.stalled = condition.state is ProcessState.STALLED
        work = condition.work
        # A process that is busy has not even seen what it was given last.
        self.load = work.sessions + work.unsettled + max(0, self._handed - work.taken)

    def drain(self) -> None:
        """Have the process end after the answers that are under way."""
        self._tell(ToProcess.DRAIN)

    def hurry(self) -> None:
        """Have the process end now."""
        self._tell(ToProcess.HURRY)

    def kill(self) -> None:
        """End the process without a word."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def settled(self) -> bool:
        """Wait until the process takes connections, or never will; tells which."""
        await self._settled.wait()
        return self.phase is Phase.READY

    async def gone(self) -> int:
        """Wait until the process has ended; gives its exit code, or minus the signal's number."""
        code = await self._process.wait()
        self._go()
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
        return code

    def _tell(self, word: ToProcess) -> None:
        self.phase = Phase.GOING
        self.told = True
        self._settled.set()
        try:
            if not self._was_ready:
                raise BlockingIOError  # it does not listen yet
            self._control.send(word.value)
        except OSError:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def _hear(self) -> None:
        try:
            words = self._control.recv(64)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        if not words:
            self._loop.remove_reader(self._control.fileno())
            self._go()
        for word in words:
            match ToParent(bytes([word])):
                case ToParent.READY if self.phase is Phase.STARTING:
                    self.phase = Phase.READY
                    self._was_ready = True
                    self._settled.set()
                    self._changed()
                case ToParent.GOING:
                    self._go()
                case ToParent.DRAIN_ALL:
                    self._drain_all()
                case _:
                    pass

    def _go(self) -> None:
        if self.phase is not Phase.GOING:
            self.phase = Phase.GOING
            self._changed()
        self._settled.set()
