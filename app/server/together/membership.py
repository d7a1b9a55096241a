"""One process's place among those of its server."""

import array
import asyncio
import contextlib
import socket
import uuid
from pathlib import Path
from typing import Protocol

from loguru import logger

from app.processes.condition import Conditions, ProcessState, Workload
from app.processes.control import ToParent, ToProcess
from app.processes.ledger import Ledger, LedgerError
from app.processes.places import passing_path, socket_path

# Words of the parent that are heard before others get their turn.
WORDS_AT_ONCE = 64

# The last digits of a session's id say which process has it.
_PLACE_DIGITS = 2
_ID_CHARS = 32


class Stop(Protocol):
    """What ends the process; see `app.stopping.Stopping`."""

    def begin(self) -> None:
        """End it after a drain."""

    def hurry(self) -> None:
        """End it now."""


class Server(Protocol):
    """What serves connections; see `app.server.serving.SessionServer`."""

    @property
    def unsettled(self) -> int:
        """How many connections it has that are of no session yet."""

    def take(self, connection: socket.socket) -> None:
        """Serve a connection."""


class Membership:
    """A process's place among those of its server.

    Attributes:
        place: Its place; no other process that lives has it.
        ledger: What is shared.
        conditions: How the processes are.
    """

    def __init__(
        self, place: int, directory: Path, control: socket.socket | None, stall_timeout_s: float
    ) -> None:
        """Join.

        Args:
            place: The place that the parent gave.
            directory: Where the ledger is, and the sockets.
            control: Our end of the pair of sockets; None where nobody listens.
            stall_timeout_s: After how long without a word a process counts as standing still.

        Raises:
            LedgerError: If the ledger cannot be opened.
        """
        self.place = place
        self.ledger = Ledger(directory)
        self.conditions = Conditions(self.ledger, stall_timeout_s)
        self._directory = directory
        self._control = control
        self._going = False
        self._server: Server | None = None
        self._taken = 0

    def new_session_id(self) -> str:
        """Make an id for a session, unguessable, which says that this process has it."""
        return uuid.uuid4().hex[:-_PLACE_DIGITS] + f"{self.place:0{_PLACE_DIGITS}x}"

    def elsewhere(self, session_id: str | None) -> int | None:
        """Tell which other process has a session; None if none can have it.

        Args:
            session_id: What somebody says is the id of a session.
        """
        if session_id is None or len(session_id) != _ID_CHARS:
            return None
        try:
            place = int(session_id[-_PLACE_DIGITS:], 16)
        except ValueError:
            return None
        return None if place == self.place else place

    def socket_path(self, place: int | None = None) -> Path:
        """Say where a process answers the others.

        Args:
            place: Which; None for this one.
        """
        return socket_path(self._directory, self.place if place is None else place)

    def passing_path(self, place: int | None = None) -> Path:
        """Say where a process takes the callers that others hand on.

        Args:
            place: Which; None for this one.
        """
        return passing_path(self._directory, self.place if place is None else place)

    def room(self, max_sessions: int) -> dict[int, int]:
        """Tell for how many callers the other processes have room, the emptiest first.

        Args:
            max_sessions: How many sessions each may have.

        Raises:
            LedgerError: If that cannot be told.
        """
        counted = self.ledger.rows("SELECT place, count(assistant) FROM entries GROUP BY place")
        taken = dict(counted)
        ready = [
            place
            for place, condition in self.conditions.of_all().items()
            if condition.state is ProcessState.READY and place != self.place
        ]
        room = {place: max_sessions - int(taken.get(place, 0)) for place in ready}
        fullest_last = sorted(room, key=lambda place: room[place], reverse=True)
        return {place: room[place] for place in fullest_last if room[place] > 0}

    def others(self) -> list[int]:
        """List the other processes that there are.

        Raises:
            LedgerError: If that cannot be told.
        """
        return [place for place in self.conditions.of_all() if place != self.place]

    def say(self, state: ProcessState, sessions: int, started: int) -> None:
        """Say how this process is, and settle what the ledger is owed.

        Args:
            state: Its state.
            sessions: How many sessions it has.
            started: How many it has had.
        """
        unsettled = 0 if self._server is None else self._server.unsettled
        work = Workload(sessions, started, self._taken, unsettled)
        with contextlib.suppress(LedgerError):
            said = ProcessState.DRAINING if self._going else state
            self.conditions.say(self.place, said, work)
            self.ledger.settle()

    def go(self, sessions: int, started: int) -> None:
        """Say that this process takes no more callers, and that those it has come elsewhere.

        Args:
            sessions: How many sessions it has.
            started: How many it has had.
        """
        self._going = True
        self._tell(ToParent.GOING)
        self.say(ProcessState.DRAINING, sessions, started)
        self.ledger.forget_entries(self.place)

    def drain_all(self) -> None:
        """Have the whole server stopped."""
        with contextlib.suppress(LedgerError):
            self.ledger.drain()
        self._tell(ToParent.DRAIN_ALL)

    def listen(self, server: Server, stop: Stop) -> None:
        """Take connections, and do what the parent says, until the process ends.

        Args:
            server: Serves them.
            stop: Ends the process.
        """
        assert self._control is not None
        control = self._control
        control.setblocking(False)
        loop = asyncio.get_running_loop()
        self._server = server

        def hear() -> None:
            for _ in range(WORDS_AT_ONCE):
                try:
                    word, descriptors = _receive(control)
                except BlockingIOError:
                    return
                if not word:
                    loop.remove_reader(control.fileno())
                    logger.error("The process that started this one is gone, so this one ends")
                    stop.begin()
                    return
                match ToProcess(word):
                    case ToProcess.CONNECTION:
                        self._taken += 1
                        for descriptor in descriptors:
                            server.take(socket.socket(fileno=descriptor))
                    case ToProcess.DRAIN:
                        stop.begin()
                    case ToProcess.HURRY:
                        stop.hurry()

        loop.add_reader(control.fileno(), hear)
        self._tell(ToParent.READY)

    def close(self) -> None:
        """Leave; may be called again."""
        self.ledger.close()

    def _tell(self, word: ToParent) -> None:
        if self._control is not None:
            with contextlib.suppress(OSError):
                self._control.send(word.value)


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    """Read one word, and the connection that came with it; no word if the other end is gone."""
    size = socket.CMSG_SPACE(array.array("i").itemsize)
    flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    try:
        word, ancillary, _, _ = control.recvmsg(1, size, flags)
    except ConnectionError:
        return b"", []
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return word, list(descriptors)
