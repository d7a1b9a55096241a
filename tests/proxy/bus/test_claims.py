"""Offers, claims, and dialling over a broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from proxy import ConnectError
from proxy.bus import dialler as diallers
from proxy.bus.channel import Channel, End
from proxy.bus.claims import Claim, Claims, Offer, PrefixError, new_secret
from proxy.bus.dialler import ChannelDialler, NotServedError
from proxy.bus.streams import Streams
from proxy.errors import LinkClosedError, SessionLostError
from tests.proxy.bus.brokers import Broker, Memory, opened
from tests.proxy.conversation import within

OFFER = Offer("a-pool", "acme", ("support",), ("greeter", "support"), ("greeter", "support"), 1)


def claims_of(streams: Streams, prefix: str = "acme") -> Claims:
    return Claims(streams, prefix)


class TestClaims:
    async def test_an_offer_is_seen_until_it_is_withdrawn(self, streams: Streams) -> None:
        claims = claims_of(streams)
        await claims.offer(OFFER)
        assert await claims.offers("acme") == [OFFER]
        assert await claims.offers("other") == []
        assert await claims_of(streams, "acme_eu").offers("acme") == []
        await claims.withdraw(OFFER)
        assert await claims.offers("acme") == []

    async def test_a_claim_is_taken_by_a_pool_with_these_tasks_in_any_order(
        self, streams: Streams
    ) -> None:
        claims = claims_of(streams)
        claim = Claim(new_secret(), ("b", "a"))
        await claims.put("acme", claim)
        assert await claims.take("acme", ("a",), wait_s=0.01) is None
        assert await claims_of(streams, "acm").take("acme", ("a", "b"), wait_s=0.01) is None
        assert await within(claims.take("acme", ("a", "b"), wait_s=30)) == claim

    async def test_what_is_no_offer_and_no_claim_is_passed_over(self) -> None:
        async with opened(Memory()) as streams:
            claims = claims_of(streams)
            board = claims._name("offers", "acme")
            await streams.post(board, "broken", b"\xc1")
            await streams.post(board, "other", b"\x80")
            assert await claims.offers("acme") == []
            await streams.put(claims._queue("acme", ("a",)), b"\x80", ttl_s=5)
            assert await claims.take("acme", ("a",), wait_s=1) is None

    def test_names_tell_nothing_but_their_prefix(self) -> None:
        claims = Claims(None, "acme")  # type: ignore[arg-type]
        up, down = claims.channel_names("a-secret")
        assert up != down
        for name in (up, down):
            assert name.startswith("acme_")
            assert len(name) <= 47
            assert "secret" not in name

    @pytest.mark.parametrize("prefix", ["", "a b", "x" * 21, "a*"])
    def test_a_prefix_fits_every_broker(self, prefix: str) -> None:
        with pytest.raises(PrefixError, match="cannot be a prefix"):
            Claims(None, prefix)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def dialling(broker: Broker, timeout_s: float = 30) -> AsyncIterator[ChannelDialler]:
    async with opened(broker) as streams:
        dialler = ChannelDialler(claims_of(streams), OFFER, timeout_s=timeout_s)
        try:
            yield dialler
        finally:
            await within(dialler.close())
            await within(dialler.close())


@contextlib.asynccontextmanager
async def taken(broker: Broker) -> AsyncIterator[tuple[ChannelDialler, Channel]]:
    """A dialler whose claim a pool has taken, and the pool's end of the channel."""
    async with dialling(broker) as dialler, opened(broker) as there:
        claims = claims_of(there)
        await claims.offer(OFFER)
        dialled = asyncio.create_task(dialler.dial())
        claim = await within(claims.take("acme", OFFER.tasks, wait_s=30))
        up, down = claims.channel_names(claim.channel)
        channel = Channel(there, End.POOL, reads=up, writes=down)
        await channel.say_taken(OFFER.pool)
        channel.start()
        link = await within(dialled)
        link.abort()
        try:
            yield dialler, channel
        finally:
            await channel.leave()


class TestDialling:
    async def test_a_claim_that_is_taken_is_a_connection(self, broker: Broker) -> None:
        async with taken(broker) as (dialler, channel):
            assert dialler.pool == "a-pool"
            assert dialler.where == "a pool with support of acme"
            link = await dialler.dial("the session")
            await link.send(b"back")
            assert await within((await channel.next_link()).receive()) == b"back"

    async def test_a_claim_that_nobody_takes_is_given_up_and_leaves_no_stream(self) -> None:
        broker = Memory()
        async with dialling(broker, timeout_s=0.01) as dialler:
            with pytest.raises(NotServedError, match="nobody took the claim to a pool with supp"):
                await dialler.dial()
        assert broker.broker.streams == {}

    async def test_without_a_broker_nobody_is_reached(self) -> None:
        broker = Memory()
        async with dialling(broker) as dialler:
            await broker.kill()
            with pytest.raises(ConnectError, match="the broker is away"):
                await dialler.dial()
            await broker.start()

    async def test_a_pool_without_an_offer_is_gone(self) -> None:
        async with taken(Memory()) as (dialler, _):
            await dialler._claims.withdraw(OFFER)
            with pytest.raises(SessionLostError) as raised:
                await dialler.dial("the session")
            assert raised.value.final

    async def test_a_pool_that_dies_with_its_offer_still_up_is_not_waited_for(self) -> None:
        async with taken(Memory()) as (dialler, _):
            link = await dialler.dial("the session")
            await dialler._claims.withdraw(OFFER)
            with pytest.raises(LinkClosedError):
                await within(link.receive())
            with pytest.raises(SessionLostError):
                await dialler.dial("the session")

    async def test_a_pool_that_is_slow_to_greet_is_waited_for_while_it_offers(self) -> None:
        async with taken(Memory()) as (dialler, channel):
            link = await dialler.dial("the session")
            await link.send(b"hello")
            await dialler._claims.withdraw(OFFER)
            await within(missed(dialler))
            await dialler._claims.offer(OFFER)
            await within(missed(dialler, False))
            await (await within(channel.next_link())).send(b"welcome")
            assert await within(link.receive()) == b"welcome"
            watching = dialler._watching
            assert watching is not None
            await within(watching)
            assert link.lost is None

    async def test_a_broker_that_goes_away_before_the_greeting_is_an_outage(self) -> None:
        broker = Memory()
        async with taken(broker) as (dialler, _):
            link = await dialler.dial("the session")
            await broker.kill()
            with pytest.raises(LinkClosedError):
                await within(link.receive())
            assert dialler._watching is not None
            await within(dialler._watching)
            await broker.start()

    async def test_after_an_outage_pools_have_time_to_offer_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broker = Memory()
        async with taken(broker) as (dialler, _):
            channel = dialler._channel
            assert channel is not None
            await broker.kill()
            await within(outage(channel))
            await broker.start()
            broker.broker.boards.clear()
            with pytest.raises(ConnectError) as raised:
                await dialler.dial("the session")
            assert not raised.value.final
            monkeypatch.setattr(diallers, "GRACE_S", 0.0)
            with pytest.raises(SessionLostError):
                await dialler.dial("the session")

    async def test_a_session_whose_streams_are_removed_is_lost(self) -> None:
        async with taken(Memory()) as (dialler, channel):
            await channel.leave()
            assert dialler._channel is not None
            await within(dialler._channel.gone.wait())
            with pytest.raises(SessionLostError, match="has ended the session"):
                await dialler.dial("the session")


async def missed(dialler: ChannelDialler, is_so: bool = True) -> None:
    while (dialler._missed_at is not None) is not is_so:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.01)


async def outage(channel: Channel) -> None:
    while channel.outage_at is None:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.01)
