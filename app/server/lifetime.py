"""How long sessions last: those in which nothing is said, and all of them."""

import asyncio
import time
from collections.abc import Callable

from loguru import logger

from app.server.session import Session
from app.server.states import SessionState
from app.server.table import SessionTable
from proxy import CloseCode

# A limit of minutes need not be kept to the second.
LOOK_EVERY_S = 1.0

# How often at least within the shortest limit.
LOOKS_PER_LIMIT = 4


class Lifetimes:
    """Ends sessions that last for too long. One task looks at all of them."""

    def __init__(
        self,
        sessions: SessionTable,
        *,
        idle_timeout_s: float,
        max_session_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            sessions: The sessions.
            idle_timeout_s: How long nothing may be said in one; 0 for ever.
            max_session_s: How long one may last; 0 for ever.
            clock: Tells the time in seconds, as `Session.started_at` has it.
        """
        self._sessions = sessions
        self._idle_timeout_s = idle_timeout_s
        self._max_session_s = max_session_s
        self._clock = clock

    async def watch(self) -> None:
        """Look at every session now and then, until cancelled."""
        limits_s = [limit_s for limit_s in (self._idle_timeout_s, self._max_session_s) if limit_s]
        every_s = min([LOOK_EVERY_S, *(limit_s / LOOKS_PER_LIMIT for limit_s in limits_s)])
        while True:
            await asyncio.sleep(every_s)
            try:
                self.look()
            except Exception:
                # What is wrong with one session is no reason for all the others to last for ever.
                logger.exception("The age of a session could not be told")

    def look(self) -> None:
        """End the sessions whose time is over."""
        now = self._clock()
        for session in self._sessions:
            idle_s = session.idle_s(now)
            if session.state in (SessionState.DRAINING, SessionState.ENDED):
                continue
            if self._max_session_s and now - session.started_at >= self._max_session_s:
                _end(session, CloseCode.TIME_IS_UP)
            elif self._idle_timeout_s and idle_s >= self._idle_timeout_s:
                _end(session, CloseCode.IDLE)


def _end(session: Session, code: CloseCode) -> None:
    with logger.contextualize(session=session.id[:8]):
        logger.info(f"The session ends: {code.name.lower()}")
    session.end(code)
