"""Every session of this process, and the end of them all."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator

from loguru import logger

from app.server.admission import Slot
from app.server.session import Session
from proxy import CloseCode
from proxy.arrival import Arrival

# Of the time that a drain may take, what answers may; the rest is for sessions to end.
ANSWERS_SHARE = 0.75


class SessionTable:
    """The sessions that are running.

    Attributes:
        draining: Whether no more are taken.
        begun: How many there were, with those that are running.
        resumes: How those fared who came back, by outcome.
    """

    def __init__(self) -> None:
        """Start without sessions."""
        self.draining = False
        self.resumes: Counter[str] = Counter(dict.fromkeys(("resumed", "refused", "expired"), 0))
        self._sessions: dict[str, Session] = {}
        self.begun = 0
        self._slots: dict[str, Slot] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Count the sessions."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Iterate over a snapshot of the sessions."""
        return iter(list(self._sessions.values()))

    def add(self, session: Session, slot: Slot | None = None) -> None:
        """Take a session in, before its socket is accepted.

        Args:
            session: The session.
            slot: Its place, which is given back when nothing of it is left; None where sessions
                are counted otherwise.
        """
        self.begun += 1
        session.number = self.begun if slot is None else slot.number
        self._sessions[session.id] = session
        if slot is not None:
            self._slots[session.id] = slot
        self._empty.clear()

    def remove(self, session: Session) -> None:
        """Forget a session of which nothing is left."""
        self._sessions.pop(session.id, None)
        if not self._sessions:
            self._empty.set()
        slot = self._slots.pop(session.id, None)
        if slot is not None:
            slot.release()

    async def run(self, session: Session, arrival: Arrival) -> None:
        """Hold a session in a task of its own, for as long as its first connection lasts.

        The session may outlast the connection; it is taken out when nothing of it is left.

        Args:
            session: The session, which was added.
            arrival: Its caller.
        """
        await _first(self.start(session, arrival), arrival)

    def start(self, session: Session, arrival: Arrival) -> "asyncio.Task[None]":
        """Hold a session in a task of its own, until nothing of it is left.

        Args:
            session: The session, which was added.
            arrival: Its caller.

        Returns:
            The task; it ends with the session, and is not to be cancelled.
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
        return running

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

    def end_all(self, code: CloseCode) -> None:
        """Ask every session to end, whatever is under way in it.

        Args:
            code: What callers are told.
        """
        for session in self:
            session.end(code)

    async def drain(self, timeout_s: float) -> None:
        """Take no more sessions, and end each as soon as no answer is under way in it.

        Args:
            timeout_s: How long to wait for all of them; answers are cut short before.
        """
        self.draining = True
        sessions = list(self)
        if not sessions:
            return
        logger.info(f"Draining {len(sessions)} sessions")
        began_at = time.monotonic()
        deadline = asyncio.get_running_loop().time() + timeout_s
        leaving = [asyncio.create_task(session.leave(CloseCode.GOING_AWAY)) for session in sessions]
        try:
            await asyncio.wait(leaving, timeout=timeout_s * ANSWERS_SHARE)
        finally:
            for task in leaving:
                task.cancel()
        cut_short = sum(task.cancelling() > 0 and not task.done() for task in leaving)
        if cut_short:
            logger.warning(f"{cut_short} answers were not over in time")
        self.end_all(CloseCode.GOING_AWAY)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
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
