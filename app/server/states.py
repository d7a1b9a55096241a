"""How far a session has come, and which moves are legal."""

from enum import StrEnum


class SessionState(StrEnum):
    """The states of a session."""

    STARTING = "starting"  # its slot is taken, its tasks are being built
    READY = "ready"  # the caller may speak to it
    DETACHED = "detached"  # its connection is lost, it waits for the caller to come back
    DRAINING = "draining"  # it is being ended, by whichever side
    ENDED = "ended"  # nothing of it is left


LEGAL_MOVES: dict[SessionState, frozenset[SessionState]] = {
    SessionState.STARTING: frozenset(
        {SessionState.READY, SessionState.DETACHED, SessionState.DRAINING}
    ),
    SessionState.READY: frozenset({SessionState.DETACHED, SessionState.DRAINING}),
    SessionState.DETACHED: frozenset({SessionState.READY, SessionState.DRAINING}),
    SessionState.DRAINING: frozenset({SessionState.ENDED}),
    SessionState.ENDED: frozenset(),
}
