"""Dialling over a broker: a claim that one pool takes, and then connections over a channel."""

import asyncio
import contextlib

from loguru import logger

from proxy.bus.channel import Channel, ChannelLink, End
from proxy.bus.claims import CLAIM_TTL_S, Claim, Claims, Offer, new_secret
from proxy.bus.streams import NOTICE_PERIOD_S, NOTICE_TTL_S, BrokerDownError
from proxy.errors import ConnectError, LinkClosedError, SessionLostError

# Pools put up their offers again as soon as a broker is back, which they notice within this.
GRACE_S = 2 * NOTICE_TTL_S

# A pool without an offer may have been busy for seconds; so long it may go on, and its caller still
# gets over its death in five.
CONFIRM_S = 1.0


class NotServedError(ConnectError):
    """Nobody took the claim."""

    final = True


class ChannelDialler:
    """Makes the connections of one session; see `Dialler`.

    Attributes:
        pool: The id of the pool that took the claim; empty before one has.
    """

    def __init__(self, claims: Claims, wanted: Offer, *, timeout_s: float = CLAIM_TTL_S) -> None:
        """Prepare; nothing is claimed yet.

        Args:
            claims: The broker.
            wanted: An offer; any pool that makes the same may serve it.
            timeout_s: How long to wait for one.
        """
        self.pool = ""
        self._claims = claims
        self._wanted = wanted
        self._timeout_s = timeout_s
        self._secret = new_secret()
        self._channel: Channel | None = None
        self._missed_at: float | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def where(self) -> str:
        """Which tasks it claims."""
        return f"a pool with {', '.join(self._wanted.tasks)} of {self._wanted.assistant}"

    async def dial(self, session: str = "") -> ChannelLink:
        """Claim a pool, or connect with it again; see `Dialler.dial`.

        Raises:
            NotServedError: If nobody took the claim.
            SessionLostError: If the pool is gone.
            ConnectError: If the broker is away.
        """
        await self._watch_no_more()
        channel = self._channel
        try:
            if channel is None:
                channel = await self._claim()
            else:
                await self._ensure_there(channel)
        except BrokerDownError as error:
            raise ConnectError(str(error)) from None
        link = channel.connect()
        self._watching = asyncio.create_task(self._watch(channel, link), name="watch-pool")
        return link

    async def close(self) -> None:
        """Leave the channel; see `Dialler.close`."""
        await self._watch_no_more()
        if self._channel is not None:
            await self._channel.leave()

    async def _claim(self) -> Channel:
        streams, wanted = self._claims.streams, self._wanted
        up, down = self._claims.channel_names(self._secret)
        await streams.create([up, down])
        channel = self._channel = Channel(streams, End.CALLER, reads=down, writes=up)
        channel.start()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._claims.put(wanted.assistant, Claim(self._secret, wanted.tasks))
                self.pool = await asyncio.shield(channel.taken)
        except TimeoutError:
            raise NotServedError(f"nobody took the claim to {self.where}") from None
        logger.debug(f"The pool {self.pool[:8]} took the claim to {self.where}")
        return channel

    async def _ensure_there(self, channel: Channel) -> None:
        """Give up a session whose pool shows no sign of life on a broker that is there."""
        if channel.gone.is_set():
            raise SessionLostError("the pool has ended the session")
        while not await self._offered():
            if _was_away(channel):
                raise ConnectError("the pool has not come back yet")
            if self._missed_s() >= CONFIRM_S:
                raise SessionLostError("the pool is gone")
            await asyncio.sleep(NOTICE_PERIOD_S / 2)

    async def _watch(self, channel: Channel, link: ChannelLink) -> None:
        """Cut a connection on which a pool says nothing as it is gone.

        It may die with its offer still up, and whoever dials then would wait for a greeting that
        does not come.
        """
        while link.lost is None and not link.answered:
            await asyncio.sleep(NOTICE_PERIOD_S / 2)
            # A broker that is away ends the connection by itself.
            with contextlib.suppress(BrokerDownError):
                there = await self._offered() or _was_away(channel)
                if not there and self._missed_s() >= CONFIRM_S:
                    link.lose(LinkClosedError())
                    return
        self._missed_at = None

    async def _watch_no_more(self) -> None:
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.wait({watching})

    def _missed_s(self) -> float:
        """For how long the pool's offer has been missing, in seconds."""
        now = asyncio.get_running_loop().time()
        if self._missed_at is None:
            self._missed_at = now
        return now - self._missed_at

    async def _offered(self) -> bool:
        """Tell whether the pool that took the claim still offers anything."""
        offers = await self._claims.offers(self._wanted.assistant)
        there = any(offer.pool == self.pool for offer in offers)
        if there:
            self._missed_at = None
        return there


def _was_away(channel: Channel) -> bool:
    """Tell whether the broker was away so lately that pools may not have come back to it yet."""
    now = asyncio.get_running_loop().time()
    return channel.outage_at is not None and now - channel.outage_at < GRACE_S
