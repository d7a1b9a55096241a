"""A session's connections over the two streams of a channel, on every broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from proxy import CloseCode, LinkClosedError
from proxy.bus import channel as channels
from proxy.bus.channel import MAX_UNREAD_BYTES, MAX_UNSENT_BYTES, Channel, ChannelLink, End
from proxy.bus.items import ItemKind, pack, pack_close, unpack
from proxy.bus.streams import BrokerDownError, Streams
from proxy.link import Link
from proxy.wire import SUBPROTOCOL
from tests.proxy.bus.brokers import Broker, Memory, opened
from tests.proxy.conversation import within

UP, DOWN = "acme_up", "acme_down"


@dataclass
class Ends:
    """Both ends of a channel, each with a process's own connection to the broker."""

    here: Streams
    caller: Channel
    pool: Channel

    async def connect(self) -> tuple[ChannelLink, ChannelLink]:
        """Begin a connection, and say a word on it."""
        near = self.caller.connect()
        await near.send(b"hello")
        far = await within(self.pool.next_link())
        assert await within(far.receive()) == b"hello"
        return near, far

    async def leave(self) -> None:
        await self.caller.leave()
        await self.pool.leave()


@contextlib.asynccontextmanager
async def joined(broker: Broker) -> AsyncIterator[Ends]:
    async with opened(broker) as here, opened(broker) as there:
        await here.create([UP, DOWN])
        ends = Ends(
            here,
            Channel(here, End.CALLER, reads=DOWN, writes=UP),
            Channel(there, End.POOL, reads=UP, writes=DOWN),
        )
        ends.caller.start()
        ends.pool.start()
        try:
            yield ends
        finally:
            await within(ends.leave())


@pytest.fixture
async def ends(broker: Broker) -> AsyncIterator[Ends]:
    async with joined(broker) as ends:
        yield ends


@pytest.fixture
async def in_memory() -> AsyncIterator[Ends]:
    async with joined(Memory()) as ends:
        yield ends


async def lost(link: Link) -> LinkClosedError:
    """Receive until the connection is over."""
    with pytest.raises(LinkClosedError) as raised:
        while True:
            await within(link.receive())
    return raised.value


class TestConnections:
    async def test_messages_cross_in_order_both_ways(self, ends: Ends) -> None:
        near, far = await ends.connect()
        assert near.subprotocol == SUBPROTOCOL
        for number in range(300):
            await near.send(b"up %d" % number)
            await far.send(b"down %d" % number)
        for number in range(300):
            assert await within(far.receive()) == b"up %d" % number
            assert await within(near.receive()) == b"down %d" % number

    async def test_the_caller_hears_first_who_serves_it(self, ends: Ends) -> None:
        await ends.pool.say_taken("a pool")
        await ends.pool.say_taken("another")
        assert await within(asyncio.shield(ends.caller.taken)) == "a pool"

    @pytest.mark.parametrize("caller_closes", [True, False])
    async def test_a_close_carries_its_code_and_leaves_nothing(
        self, broker: Broker, ends: Ends, caller_closes: bool
    ) -> None:
        near, far = await ends.connect()
        closing, other = (near, far) if caller_closes else (far, near)
        await closing.send(b"the last word")
        await closing.close(CloseCode.ENDED, "we are done")
        await closing.close(CloseCode.INTERNAL_ERROR)
        assert await within(other.receive()) == b"the last word"
        error = await lost(other)
        assert (error.code, error.reason) == (CloseCode.ENDED, "we are done")
        with pytest.raises(LinkClosedError):
            await closing.send(b"more")
        await within(ends.leave())
        await within(ends.leave())
        assert await broker.left() == []

    async def test_a_new_connection_takes_the_place_of_the_old(self, ends: Ends) -> None:
        near, far = await ends.connect()
        near.abort()
        again, far_again = await ends.connect()
        assert (await lost(far)).code == CloseCode.ABNORMAL
        await ends.here.append(UP, [pack(1, ItemKind.DATA, b"of the old one")])
        await again.send(b"of the new one")
        assert await within(far_again.receive()) == b"of the new one"
        with pytest.raises(LinkClosedError):
            await near.send(b"x")

    async def test_who_leaves_without_a_word_takes_both_streams_along(
        self, broker: Broker, ends: Ends
    ) -> None:
        _, far = await ends.connect()
        await within(ends.caller.leave())
        assert (await lost(far)).code == CloseCode.SESSION_GONE
        with pytest.raises(LinkClosedError):
            await within(ends.pool.next_link())
        await within(ends.pool.leave())
        assert await broker.left() == []

    async def test_a_code_that_a_session_outlives_is_not_the_last_word(
        self, broker: Broker, ends: Ends
    ) -> None:
        near, far = await ends.connect()
        await near.close(CloseCode.RESYNC)
        assert (await lost(far)).code == CloseCode.RESYNC
        again, _ = await ends.connect()
        again.abort()
        await within(ends.leave())
        assert await broker.left() == []

    async def test_the_last_word_reaches_an_end_that_had_given_up_the_connection(
        self, in_memory: Ends
    ) -> None:
        near, far = await in_memory.connect()
        far.abort()
        await near.send(b"unheard")
        await near.close(CloseCode.RESYNC)
        await in_memory.here.append(UP, [pack_close(1, CloseCode.ENDED, "")])
        await within(in_memory.pool.gone.wait())

    async def test_what_is_written_to_an_end_that_has_left_is_forgotten(
        self, in_memory: Ends
    ) -> None:
        near, _ = await in_memory.connect()
        await in_memory.here.remove([UP])
        await near.send(b"x")
        await within(in_memory.caller.flush())
        assert near.lost is None

    async def test_what_was_not_sent_when_a_connection_is_dropped_is_forgotten(
        self, in_memory: Ends
    ) -> None:
        near, far = await in_memory.connect()
        await near.send(b"never sent")
        near.abort()
        await asyncio.sleep(0)
        again, far_again = await in_memory.connect()
        await again.send(b"sent")
        assert await within(far_again.receive()) == b"sent"
        assert (await lost(far)).code == CloseCode.ABNORMAL

    async def test_a_channel_that_was_never_started_can_be_left(self, in_memory: Ends) -> None:
        channel = Channel(in_memory.here, End.POOL, reads=UP, writes=DOWN)
        await within(channel.leave())
        assert (await lost(in_memory.caller.connect())).code == CloseCode.SESSION_GONE
        await within(in_memory.caller.gone.wait())
        assert (await lost(in_memory.caller.connect())).code == CloseCode.SESSION_GONE

    async def test_what_is_no_item_is_passed_over(self, in_memory: Ends) -> None:
        near, far = await in_memory.connect()
        await in_memory.here.append(UP, [b"", b"x", pack(1, ItemKind.DATA, b"")[:-1] + b"\xff"])
        await in_memory.here.append(UP, [pack(9, ItemKind.TAKEN, b"nobody")])
        far_wrote = pack(7, ItemKind.DATA, b"a connection that was never begun")
        await in_memory.here.append(DOWN, [far_wrote])
        await near.send(b"good")
        await far.send(b"good")
        assert await within(far.receive()) == b"good"
        assert await within(near.receive()) == b"good"


async def closed(ends: Ends) -> bytes | str:
    """Say a word and close, as a line does that dials again whenever a connection is lost."""
    while True:
        near = ends.caller.connect()
        try:
            await near.send(b"back")
            async with asyncio.timeout(1):
                far = await ends.pool.next_link()
                said = await far.receive()
            await near.close(CloseCode.ENDED)
            if near.lost is not None and near.lost.code == CloseCode.ENDED:
                assert (await lost(far)).code == CloseCode.ENDED
                return said
        except (LinkClosedError, TimeoutError):
            near.abort()


class TestOutages:
    async def test_a_connection_is_lost_with_the_broker_and_another_follows(
        self, broker: Broker
    ) -> None:
        async with joined(broker) as ends:
            near, far = await ends.connect()
            await broker.kill()
            assert (await lost(near)).code == CloseCode.ABNORMAL
            assert (await lost(far)).code == CloseCode.ABNORMAL
            assert ends.caller.outage_at is not None
            await broker.start()
            assert await within(closed(ends)) == b"back"
            await within(ends.leave())
            assert await broker.left() == []

    async def test_leaving_while_the_broker_is_away_is_bounded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broker = Memory()
        async with joined(broker) as ends:
            await ends.connect()
            await broker.kill()
            await within(ends.leave())
            await broker.start()
            await ends.here.remove([UP, DOWN])


@dataclass
class Slow:
    """A broker's writing that takes as long as a test lets it."""

    going: asyncio.Event = field(default_factory=asyncio.Event)
    removed: list[str] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    refreshed: asyncio.Event = field(default_factory=asyncio.Event)

    async def append(self, name: str, items: Sequence[bytes]) -> None:
        await self.going.wait()
        self.written += items

    async def remove(self, names: Sequence[str]) -> None:
        self.removed += names
        await self.going.wait()

    async def refresh(self, names: Sequence[str]) -> None:
        self.refreshed.set()
        raise BrokerDownError("away")

    def reader(self, name: str) -> "Slow":
        return self

    async def read(self) -> Sequence[bytes]:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def close(self) -> None:
        pass


@contextlib.asynccontextmanager
async def slowly(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Slow, Channel]]:
    monkeypatch.setattr(channels, "CLOSE_TIMEOUT_S", 0.01)
    monkeypatch.setattr(channels, "LEAVE_TIMEOUT_S", 0.01)
    monkeypatch.setattr(channels, "STREAM_TTL_S", 0.01)
    slow = Slow()
    channel = Channel(slow, End.CALLER, reads=DOWN, writes=UP)  # type: ignore[arg-type]
    channel.start()
    try:
        yield slow, channel
    finally:
        await within(channel.leave())


class TestBounds:
    async def test_who_sends_waits_while_much_is_unsent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with slowly(monkeypatch) as (slow, channel):
            link = channel.connect()
            await link.send(b"x")
            await asyncio.sleep(0)
            await link.send(bytes(MAX_UNSENT_BYTES + 1))
            sending = asyncio.create_task(link.send(b"last"))
            await asyncio.sleep(0)
            assert not sending.done()
            slow.going.set()
            await within(sending)
            await channel.flush()
            assert slow.written[-1].endswith(b"last")

    async def test_who_waits_to_send_is_let_go_when_the_connection_is_over(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with slowly(monkeypatch) as (_, channel):
            link = channel.connect()
            await link.send(b"x")
            await asyncio.sleep(0)
            await link.send(bytes(MAX_UNSENT_BYTES + 1))
            sending = asyncio.create_task(link.send(b"last"))
            await asyncio.sleep(0)
            link.abort()
            with pytest.raises(LinkClosedError):
                await within(sending)

    async def test_closing_and_leaving_wait_for_nobody(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with slowly(monkeypatch) as (slow, channel):
            link = channel.connect()
            await within(link.close(CloseCode.ENDED))
            assert (await lost(link)).code == CloseCode.ENDED
            await within(slow.refreshed.wait())
        assert slow.removed == [DOWN]

    async def test_a_reader_that_is_behind_holds_the_stream_up(self, in_memory: Ends) -> None:
        near, far = await in_memory.connect()
        half = bytes(MAX_UNREAD_BYTES)
        for _ in range(4):
            await near.send(half)
        assert await within(far.receive()) == half
        assert await within(far.receive()) == half
        near_lost = in_memory.pool.connect()  # whatever ends it lets the stream go on
        assert (await lost(far)).code == CloseCode.ABNORMAL
        near_lost.abort()


def test_a_close_without_a_code_is_read_as_none() -> None:
    item = unpack(pack(1, ItemKind.CLOSE, b""))
    assert item is not None
    assert item.code == CloseCode.ABNORMAL
    assert item.reason == ""
