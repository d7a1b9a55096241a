"""A pool: offers the tasks that it has, takes callers' claims, and holds their sessions."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NoReturn

from loguru import logger

from app.pool.share import Share
from app.server.building import Builder
from app.server.caller import Caller
from app.server.limits import SessionLimits
from app.server.session import Session
from app.server.table import SessionTable
from app.services import Roles
from app.telemetry import Metrics
from proxy import LinkClosedError
from proxy.arrival import HELLO_TIMEOUT_S, hear
from proxy.backoff import delays_s
from proxy.bus.channel import Channel, End
from proxy.bus.claims import Claim, Claims, Offer
from proxy.bus.streams import NOTICE_PERIOD_S, BrokerDownError, StreamGoneError
from proxy.close_codes import CloseCode

# The name of callers; the broker has let them in.
PRINCIPAL = "bus"

# How often a pool that waits for a claim looks up, to see whether it is to stop.
TAKE_WAIT_S = 1.0

# A broker that comes back is asked again soon.
RETRY_CAP_S = 1.0

# What is left behind expires after two minutes; nobody is in a hurry to see it go.
REAP_PERIOD_S = 60.0

# A channel is left within two seconds after its session.
LEAVE_TIMEOUT_S = 3.0


@dataclass(eq=False)
class Pool:
    """One pool.

    Attributes:
        claims: The broker.
        share: The tasks that it has.
        roles: Makes the services of sessions.
        builder: Builds the tasks of sessions.
        limits: What a session may take.
        max_sessions: How many sessions it holds at a time.
        sessions: Those that are running.
        id: Its id.
        metrics: What it counts.
        broker_away: Whether the broker did not answer when it was last asked.
    """

    claims: Claims
    share: Share
    roles: Roles
    builder: Builder
    limits: SessionLimits
    max_sessions: int
    sessions: SessionTable = field(default_factory=SessionTable)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    metrics: Metrics = field(default_factory=Metrics, repr=False)
    broker_away: bool = field(default=False, init=False)
    _holding: "set[asyncio.Task[None]]" = field(default_factory=set, init=False)
    _room: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @contextlib.asynccontextmanager
    async def serving(self, drain_timeout_s: float) -> AsyncIterator[None]:
        """Serve while the block runs; then tell every caller, and end all sessions.

        Args:
            drain_timeout_s: How long sessions may take to end.

        Raises:
            BrokerDownError: If the broker does not take the first offer.
        """
        await self.claims.offer(self._offer())
        telling = [
            asyncio.create_task(self._advertise(), name="advertise"),
            asyncio.create_task(self._reap(), name="reap"),
        ]
        taking = asyncio.create_task(self._take_all(), name="take-claims")
        try:
            yield
        finally:
            draining = self._drain(telling, taking, drain_timeout_s)
            await asyncio.shield(asyncio.create_task(draining, name="drain"))

    @property
    def free(self) -> int:
        """How many more sessions it takes."""
        able = not self.sessions.draining and self.builder.can_build(self.share.recipe)
        return self.max_sessions - len(self._holding) if able else 0

    def _offer(self) -> Offer:
        recipe, share = self.share.recipe, self.share
        return Offer(
            pool=self.id,
            assistant=recipe.name,
            tasks=share.tasks,
            all_tasks=share.all_tasks,
            exports=share.exports,
            free=self.free,
            speaks=recipe.speaks,
            phrases=recipe.phrases,
        )

    async def _advertise(self) -> NoReturn:
        while True:
            try:
                await self.claims.offer(self._offer())
            except BrokerDownError as error:
                if not self.broker_away:
                    logger.warning(f"The broker is away, and is waited for: {error}")
                self.broker_away = True
            else:
                if self.broker_away:
                    logger.info("The broker is back")
                self.broker_away = False
            await asyncio.sleep(NOTICE_PERIOD_S)

    async def _reap(self) -> NoReturn:
        """Remove now and then what processes that were killed have left."""
        while True:
            with contextlib.suppress(BrokerDownError):
                count = await self.claims.streams.reap()
                if count:
                    logger.info(f"Removed {count} streams and queues that nobody uses any more")
            await asyncio.sleep(REAP_PERIOD_S)

    async def _take_all(self) -> None:
        delays = delays_s(cap_s=RETRY_CAP_S)
        while not self.sessions.draining:
            if self.free <= 0:
                self._room.clear()
                # A recipe that blocked a thread may let go of it, which nobody tells.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TAKE_WAIT_S):
                        await self._room.wait()
                continue
            name, tasks = self.share.recipe.name, self.share.tasks
            try:
                claim = await self.claims.take(name, tasks, wait_s=TAKE_WAIT_S)
            except BrokerDownError:
                await asyncio.sleep(next(delays))
                continue
            delays = delays_s(cap_s=RETRY_CAP_S)
            if claim is not None:
                await self._begin(claim)

    async def _begin(self, claim: Claim) -> None:
        if self.sessions.draining:
            with contextlib.suppress(BrokerDownError):
                await self.claims.put(self.share.recipe.name, claim)  # another pool may serve it
            return
        holding = asyncio.create_task(self._hold(claim), name="hold")
        self._holding.add(holding)

        def over(task: "asyncio.Task[None]") -> None:
            self._holding.discard(task)
            self._room.set()
            if not task.cancelled() and task.exception() is not None:
                logger.opt(exception=task.exception()).error("A claim could not be served")

        holding.add_done_callback(over)

    async def _hold(self, claim: Claim) -> None:
        """Serve one claim, from its channel to nothing."""
        up, down = self.claims.channel_names(claim.channel)
        channel = Channel(self.claims.streams, End.POOL, reads=up, writes=down)
        try:
            await channel.say_taken(self.id)
            channel.start()
            await self._converse(channel)
        except (BrokerDownError, StreamGoneError, LinkClosedError, TimeoutError) as error:
            logger.info(f"A caller put a claim and did not come ({type(error).__name__})")
        finally:
            await channel.leave()

    async def _converse(self, channel: Channel) -> None:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            arrival = await hear(await channel.next_link())
        if self.sessions.draining:
            await arrival.link.close(CloseCode.GOING_AWAY)
            return
        session = Session(
            self.share.recipe,
            Caller(PRINCIPAL),
            self.roles,
            self.limits,
            self.builder,
            self.share.family,
            metrics=self.metrics,
        )
        self.sessions.add(session)
        running = self.sessions.start(session, arrival)
        returning = asyncio.create_task(self._take_back(channel, session), name="take-back")
        try:
            await asyncio.wait({running})
        finally:
            returning.cancel()
            await asyncio.wait({returning})

    async def _take_back(self, channel: Channel, session: Session) -> None:
        """Carry on over each further connection of the session."""
        while True:
            try:
                arrival = await hear(await channel.next_link())
            except LinkClosedError:
                if channel.gone.is_set():
                    session.end(CloseCode.ENDED)  # the caller has left for good
                    return
                continue
            await self.sessions.take_back(arrival, PRINCIPAL)

    async def _drain(
        self,
        telling: "list[asyncio.Task[NoReturn]]",
        taking: "asyncio.Task[None]",
        timeout_s: float,
    ) -> None:
        self.sessions.draining = True
        self._room.set()
        for loop in telling:
            loop.cancel()
        await asyncio.wait(telling)
        with contextlib.suppress(BrokerDownError):
            await self.claims.withdraw(self._offer())
        await self.sessions.drain(timeout_s)
        await asyncio.wait({taking, *self._holding}, timeout=LEAVE_TIMEOUT_S)
        for task in (taking, *self._holding):
            task.cancel()
        await asyncio.wait({taking, *self._holding}, timeout=LEAVE_TIMEOUT_S)
