"""Every session of this process, and the end of them all."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

from loguru import logger

from app.server.session import Session
from proxy import CloseCode


class SessionTable:
    """The sessions that are running.

    Attributes:
        draining: Whether no more are taken.
    """

    def __init__(self) -> None:
        """Start without sessions."""
        self.draining = False
        self._sessions: dict[str, Session] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Count the sessions."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Iterate over a snapshot of the sessions."""
        return iter(list(self._sessions.values()))

    def add(self, session: Session) -> None:
        """Take a session in, before its socket is accepted."""
        self._sessions[session.id] = session
        self._empty.clear()

    def remove(self, session: Session) -> None:
        """Forget a session of which nothing is left."""
        self._sessions.pop(session.id, None)
        if not self._sessions:
            self._empty.set()

    async def wait_empty(self) -> None:
        """Wait until there is no session; a new one may begin at once."""
        await self._empty.wait()

    async def drain(self, timeout_s: float) -> None:
        """Take no more sessions, tell every caller, and wait for the end of all of them.

        Args:
            timeout_s: How long to wait.
        """
        self.draining = True
        sessions = list(self)
        if not sessions:
            return
        logger.info(f"Draining {len(sessions)} sessions")
        began_at = time.monotonic()
        for session in sessions:
            session.end(CloseCode.GOING_AWAY)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.wait_empty()
        told = sum(session.told for session in sessions)
        lasted_s = time.monotonic() - began_at
        logger.info(f"Drained in {lasted_s:.1f} s: {told} of {len(sessions)} callers told")
        if self._sessions:
            logger.warning(f"{len(self)} sessions did not end within {timeout_s:g} s")
