"""How each process of a server is, as it says itself, four times a second."""

import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from enum import StrEnum

from app.processes.ledger import Ledger


class ProcessState(StrEnum):
    """How a process is."""

    READY = "ready"  # it takes callers
    STALLED = "stalled"  # its event loop stands still, or did of late
    DRAINING = "draining"  # it takes no more callers, and ends


@dataclass(frozen=True)
class Workload:
    """What a process has to do.

    Attributes:
        sessions: How many sessions it has.
        started: How many it has had.
        taken: How many connections it has taken from the parent, with those that are over.
        unsettled: How many connections it has that are of no session yet.
    """

    sessions: int = 0
    started: int = 0
    taken: int = 0
    unsettled: int = 0


@dataclass(frozen=True)
class Condition:
    """How a process is.

    Attributes:
        place: Which process.
        state: What it said, or `STALLED` if it has said nothing for too long.
        work: What it had to do when it said so.
        silent_s: For how long it has said nothing.
    """

    place: int
    state: ProcessState
    work: Workload
    silent_s: float


class Conditions:
    """What the processes of a server say of themselves."""

    def __init__(
        self, ledger: Ledger, stall_timeout_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare.

        Args:
            ledger: Where they say it.
            stall_timeout_s: After how long without a word one counts as standing still.
            clock: Tells the time in seconds, the same in every process of this machine.
        """
        self._ledger = ledger
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock

    def say(self, place: int, state: ProcessState, work: Workload) -> None:
        """Say how a process is.

        Args:
            place: The process.
            state: Its state.
            work: What it has to do.

        Raises:
            LedgerError: If it cannot be written.
        """
        self._ledger.run(
            "INSERT OR REPLACE INTO processes VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(place, state.value, self._clock(), *astuple(work)),
        )

    def of_all(self) -> dict[int, Condition]:
        """Tell how every process is that has said something, by its place.

        Raises:
            LedgerError: If it cannot be read.
        """
        now = self._clock()
        rows = self._ledger.rows("SELECT * FROM processes ORDER BY place")
        found = {}
        for place, said, seen_at, *work in rows:
            silent_s = max(0.0, now - seen_at)
            state = ProcessState(said)
            if state is ProcessState.READY and silent_s >= self._stall_timeout_s:
                state = ProcessState.STALLED
            found[place] = Condition(place, state, Workload(*work), silent_s)
        return found

    def of_server(self) -> ProcessState:
        """Tell how the server is: ready if one of its processes is.

        Raises:
            LedgerError: If it cannot be read.
        """
        if self._ledger.draining:
            return ProcessState.DRAINING
        states = {condition.state for condition in self.of_all().values()}
        known = (ProcessState.READY, ProcessState.STALLED)
        return next((state for state in known if state in states), ProcessState.DRAINING)
