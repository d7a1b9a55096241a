"""Every call of this process: how many there may be, and the end of them all."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Protocol

from loguru import logger

from app.calls.endings import GOING_AWAY, CallEnd, Ending
from app.calls.models import Candidate
from app.server.admission.slots import RETRY_S
from app.server.refusal import Refusal, TurnedAwayError

# Of the time that a drain may take, what answers may; as for sessions.
ANSWERS_SHARE = 0.75

CALLS_FULL = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "calls_full", "the server has no call to spare", RETRY_S
)
NO_CALLS = Refusal(HTTPStatus.NOT_IMPLEMENTED, "no_calls", "this server hosts no calls")

# How calls reach the server.
TRANSPORTS = ("webrtc", "websocket")


class Connection(Protocol):
    """What a page negotiates with; see `app.calls.webrtc.PageConnection`."""

    async def answer(self, sdp: str, *, restart: bool | None = None) -> str:
        """Answer an offer."""

    async def add_candidates(self, candidates: Sequence[Candidate]) -> None:
        """Learn where else the page can be reached."""


class Call(Protocol):
    """What the table knows of a call; see `app.calls.call.HostedCall`.

    Attributes:
        id: Its id.
        principal: The name of whoever calls.
        ending: How it ends, or ended.
    """

    id: str
    principal: str
    ending: Ending | None

    def end(self, ending: Ending) -> None:
        """Have it end now."""

    async def leave(self, ending: Ending) -> None:
        """Have it end as soon as no answer is under way in it."""


class Place:
    """The place of one call in the table, from before anything of it is built."""

    def __init__(self, transport: str, give_back: Callable[["Place"], None]) -> None:
        """Take it; what has it is filled in later.

        Args:
            transport: How the call reaches the server.
            give_back: Called once, when it is released.
        """
        self.transport = transport
        self.call: Call | None = None
        self.connection: Connection | None = None
        self._give_back: Callable[[Place], None] | None = give_back

    def release(self) -> None:
        """Give it back; may be called again."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(self)


class CallTable:
    """The calls that are running.

    Attributes:
        max_calls: How many there may be.
        started: How many there were, by transport.
        ended: How many have ended, by transport and how.
        warming: Loads what calls are made of; None before anybody seems to want one.
    """

    def __init__(self, max_calls: int) -> None:
        """Start without calls.

        Args:
            max_calls: How many there may be; 0 for none.
        """
        self.max_calls = max_calls
        self.started: Counter[str] = Counter(dict.fromkeys(TRANSPORTS, 0))
        # A rate misses the first of each that is not there before.
        self.ended: Counter[tuple[str, str]] = Counter(
            {(transport, end.value): 0 for transport in TRANSPORTS for end in CallEnd}
        )
        self.warming: asyncio.Task[None] | None = None
        self._draining = False
        self._places: set[Place] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Count the calls, with those that are about to begin."""
        return len(self._places)

    def now(self) -> Counter[str]:
        """Count the calls by transport."""
        counts = Counter(dict.fromkeys(TRANSPORTS, 0))
        counts.update(place.transport for place in self._places)
        return counts

    def __iter__(self) -> Iterator[Call]:
        """Iterate over a snapshot of the calls that have begun."""
        return iter([place.call for place in self._places if place.call is not None])

    def check(self) -> None:
        """Refuse somebody for whom there is no place; see `reserve`."""
        if self.max_calls == 0:
            raise TurnedAwayError(NO_CALLS)
        if len(self._places) >= self.max_calls:
            raise TurnedAwayError(CALLS_FULL)

    def connection_of(self, call_id: str, principal: str) -> Connection | None:
        """Find what the page of a call negotiates with; None if somebody has no such call.

        Args:
            call_id: The call.
            principal: Who says it is theirs.
        """
        for place in self._places:
            call = place.call
            if call is not None and call.id == call_id and call.principal == principal:
                return place.connection
        return None

    def reserve(self, transport: str) -> Place:
        """Take a place.

        Args:
            transport: How the call reaches the server.

        Raises:
            TurnedAwayError: 501 if no calls are hosted here, 503 if every place is taken.
        """
        self.check()
        place = Place(transport, self._forget)
        self._places.add(place)
        self._empty.clear()
        return place

    def start(
        self, place: Place, call: Call, holding: Coroutine[Any, Any, None]
    ) -> "asyncio.Task[None]":
        """Hold a call in a task of its own, until nothing of it is left.

        Args:
            place: Its place, which is given back then.
            call: The call.
            holding: Holds it.

        Returns:
            The task; it ends with the call, and is not to be cancelled.
        """
        place.call = call
        if self._draining:
            call.end(GOING_AWAY)
        self.started[place.transport] += 1
        running = asyncio.create_task(holding, name="hold-call")
        self._running.add(running)

        def over(task: "asyncio.Task[None]") -> None:
            self._running.discard(task)
            if call.ending is not None:
                self.ended[place.transport, call.ending.end.value] += 1
            place.release()
            if not task.cancelled() and task.exception() is not None:
                logger.opt(exception=task.exception()).error("A call failed")

        running.add_done_callback(over)
        return running

    async def wait_empty(self) -> None:
        """Wait until there is no call."""
        await self._empty.wait()

    def end_all(self) -> None:
        """Ask every call to end, whatever is under way in it."""
        for call in self:
            call.end(GOING_AWAY)

    async def drain(self, timeout_s: float) -> None:
        """End each call as soon as no answer is under way in it; no more are taken by then.

        Args:
            timeout_s: How long to wait for all of them; answers are cut short before.
        """
        self._draining = True
        leaving = [asyncio.create_task(call.leave(GOING_AWAY)) for call in self]
        deadline = asyncio.get_running_loop().time() + timeout_s
        if leaving:
            await asyncio.wait(leaving, timeout=timeout_s * ANSWERS_SHARE)
        for task in leaving:
            task.cancel()
        self.end_all()
        try:
            async with asyncio.timeout_at(deadline):
                await self.wait_empty()
        except TimeoutError:
            logger.warning(f"{len(self)} calls did not end within {timeout_s:g} s")

    def _forget(self, place: Place) -> None:
        self._places.discard(place)
        if not self._places:
            self._empty.set()
