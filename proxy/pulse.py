"""Signs of life on a line: when this end must give one, and when the other is gone."""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.close_codes import CloseCode

# Two signs of life may go missing before a peer counts as gone.
MISSED_HEARTBEATS = 2

# How often the clock is looked at within the shortest time that matters.
TICKS_PER_HEARTBEAT = 4


@dataclass(frozen=True)
class Patience:
    """How long this end waits.

    Attributes:
        heartbeat_s: How long it is silent at most.
        stall_s: How long the other end may take nothing of what waits for it.
        greeting_s: How long the other end may take to answer a hello.
    """

    heartbeat_s: float = 5.0
    stall_s: float = 10.0
    greeting_s: float = 10.0


class Pulse:
    """The times of one line."""

    def __init__(self, patience: Patience, clock: Callable[[], float]) -> None:
        """Begin to count.

        Args:
            patience: How long this end waits.
            clock: Gives the time in seconds.
        """
        self._patience = patience
        self._clock = clock
        self._peer_heartbeat_s: float | None = None
        self.begin()

    def begin(self) -> None:
        """Begin a connection on which the other end has not answered yet."""
        now = self._clock()
        self._heard = self._told = self._ticked = now
        self._blocked: float | None = None
        self._peer_heartbeat_s = None

    def meet(self, peer_heartbeat_s: float) -> None:
        """Learn how long the other end is silent at most."""
        self._peer_heartbeat_s = peer_heartbeat_s

    @property
    def tick_s(self) -> float:
        """How often to look at the clock."""
        shortest = min(self._patience.heartbeat_s, self._patience.stall_s)
        if self._peer_heartbeat_s is not None:
            shortest = min(shortest, self._peer_heartbeat_s)
        return shortest / TICKS_PER_HEARTBEAT

    def heard(self) -> None:
        """Note that something came."""
        self._heard = self._clock()

    def told(self) -> None:
        """Note that a sign of life is being written."""
        self._told = self._clock()

    def blocked(self) -> None:
        """Note that something waits and may not be written."""
        if self._blocked is None:
            self._blocked = self._clock()

    def moved(self) -> None:
        """Note that the other end has taken something."""
        self._blocked = None

    @property
    def silent_s(self) -> float:
        """How long the other end has given no sign of life."""
        return self._clock() - self._heard

    @property
    def silent(self) -> bool:
        """Whether the other end has given no sign of life for too long."""
        if self._peer_heartbeat_s is None:
            return self.silent_s > self._patience.greeting_s
        return self.silent_s > MISSED_HEARTBEATS * self._peer_heartbeat_s

    @property
    def sign_due(self) -> bool:
        """Whether this end must give a sign of life before the next look at the clock."""
        return self._clock() - self._told >= self._patience.heartbeat_s - self.tick_s

    def check(self) -> CloseCode | None:
        """Look at the clock.

        Returns:
            What to close the connection with, or None if all is well.
        """
        now = self._clock()
        if now - self._ticked > 2 * self.tick_s:
            # This process was busy elsewhere; what came meanwhile has not been read yet.
            self._heard = max(self._heard, now - self.tick_s)
            if self._blocked is not None:
                self._blocked = max(self._blocked, now - self.tick_s)
        self._ticked = now
        if self.silent:
            return CloseCode.PEER_SILENT
        if self._blocked is not None and now - self._blocked > self._patience.stall_s:
            return CloseCode.PEER_TOO_SLOW
        return None
