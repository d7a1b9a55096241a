"""Every session of this process, and the end of them all."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator

from loguru import logger

from app.server.session import Session
from proxy import CloseCode
from proxy.arrival import Arrival


class SessionTable:
    """The sessions that are running.

    Attributes:
        draining: Whether no more are taken.
        resumes: How those fared who came back, by outcome.
    """

    def __init__(self) -> None:
        """Start without sessions."""
        self.draining = False
        self.resumes: Counter[str] = Counter(dict.fromkeys(("resumed", "refused", "expired"), 0))
        self._sessions: dict[str, Session] = {}
        self._running: set[asyncio.Task[None]] = set()
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

    async def run(self, session: Session, arrival: Arrival) -> None:
        """Hold a session in a task of its own, for as long as its first connection lasts.

        The session may outlast the connection; it is taken out when nothing of it is left.

        Args:
            session: The session, which was added.
            arrival: Its caller.
        """
        running = asyncio.create_task(session.run(arrival), name=f"hold-{session.id[:8]}")
        self._running.add(running)

        def over(task: "asyncio.Task[None]") -> None:
            self._running.discard(task)
            self.remove(session)
            self.resumes["expired"] += session.abandoned
            if not task.cancelled() and task.exception() is not None:
                logger.opt(exception=task.exception()).error("A session failed")

        running.add_done_callback(over)
        await _first(running, arrival)

    async def take_back(self, arrival: Arrival, principal: str) -> None:
        """Carry on with a session over a new connection, for as long as that lasts.

        Args:
            arrival: A caller that says it comes back.
            principal: Who that is; nobody else's session is found.
        """
        hello = arrival.hello
        session = None if hello is None else self._sessions.get(hello.session or "")
        if session is None or not session.knows(arrival, principal):
            self.resumes["refused"] += 1
            await arrival.link.close(CloseCode.SESSION_GONE)
            return
        self.resumes["resumed"] += 1
        await session.resume(arrival)
        await arrival.link.over.wait()

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


async def _first(running: "asyncio.Task[None]", arrival: Arrival) -> None:
    """Wait until the session or its first connection is over."""
    over = asyncio.create_task(arrival.link.over.wait())
    try:
        await asyncio.wait({running, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        over.cancel()
