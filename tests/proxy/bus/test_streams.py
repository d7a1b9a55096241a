"""What every broker promises; the same tests over each of them."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

import pytest
from loguru import logger

from proxy.bus.streams import (
    STREAM_TTL_S,
    BrokerDownError,
    StreamGoneError,
    StreamReader,
    Streams,
)
from tests.proxy.bus.brokers import PREFIX, Broker, opened
from tests.proxy.conversation import within

UP, DOWN = f"{PREFIX}up", f"{PREFIX}down"
QUEUE, BOARD = f"{PREFIX}claims", f"{PREFIX}offers"


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(start, start + count)]


async def read(reader: StreamReader, count: int) -> list[bytes]:
    """Read so many items, or a few more."""
    items: list[bytes] = []
    while len(items) < count:
        items += await within(reader.read())
    return items


async def read_again(reader: StreamReader, count: int) -> list[bytes]:
    """Read as somebody does who dials again when told that the broker was away."""
    try:
        return await read(reader, count)
    except BrokerDownError:
        return await read(reader, count)


async def _once(reading: Awaitable[Sequence[bytes]]) -> Sequence[bytes]:
    return await reading


@contextlib.asynccontextmanager
async def doing(*work: "asyncio.Future[None] | asyncio.Task[None]") -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


class TestStreams:
    async def test_items_come_in_the_order_of_their_writer(
        self, broker: Broker, streams: Streams
    ) -> None:
        await streams.create([UP])
        async with opened(broker) as there:
            for start in range(0, 300, 30):
                await streams.append(UP, numbered(30, start))
            assert await read(there.reader(UP), 300) == numbered(300)

    async def test_a_reader_that_waits_is_told_at_once(
        self, broker: Broker, streams: Streams
    ) -> None:
        await streams.create([UP])
        async with opened(broker) as there:
            reader = there.reader(UP)
            for number in range(20):
                waiting = asyncio.create_task(read(reader, 1))
                await streams.append(UP, [b"%d" % number])
                assert await waiting == [b"%d" % number]

    async def test_appends_at_the_same_time_are_whole_and_all_there(self, streams: Streams) -> None:
        await streams.create([UP])
        batches = [[b"%d.%d" % (batch, n) for n in range(5)] for batch in range(30)]
        await asyncio.gather(*(streams.append(UP, batch) for batch in batches))
        items = await read(streams.reader(UP), 150)
        assert sorted(items[start : start + 5] for start in range(0, 150, 5)) == sorted(batches)

    async def test_a_reader_that_is_cancelled_now_and_then_gets_everything_once(
        self, broker: Broker, streams: Streams
    ) -> None:
        await streams.create([UP])
        rng = random.Random(5)
        got: list[bytes] = []

        async def write() -> None:
            for start in range(0, 400, 4):
                await streams.append(UP, numbered(4, start))

        async with opened(broker) as there:
            reader, writing = there.reader(UP), asyncio.create_task(write())
            async with doing(writing):
                while len(got) < 400:
                    reading = asyncio.create_task(reader.read())
                    for _ in range(rng.randrange(12)):
                        await asyncio.sleep(0)
                    if rng.random() < 0.5:
                        reading.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        got += await within(reading)
        assert got == numbered(400)

    async def test_streams_do_not_bleed_into_each_other(self, streams: Streams) -> None:
        names = ["acme_1", "acme_eu_1", "acme_eu_11", "acme_" + "x" * 80, "acme_" + "x" * 81]
        await streams.create(names)
        for name in names:
            await streams.append(name, [name.encode()])
        for name in names:
            assert await read(streams.reader(name), 1) == [name.encode()]
        await streams.remove(names[1:2])
        await streams.append(names[0], [b"still there"])
        await streams.append(names[2], [b"still there"])

    async def test_large_items_and_very_many_cross(self, streams: Streams) -> None:
        await streams.create([UP])
        large = [random.Random(n).randbytes(3_000_000) for n in range(4)]
        await streams.append(UP, large)
        await streams.append(UP, numbered(2_000))
        assert await read(streams.reader(UP), 2_004) == [*large, *numbered(2_000)]

    async def test_an_empty_item_is_an_item(self, streams: Streams) -> None:
        await streams.create([UP])
        await streams.append(UP, [b"", b"x", b""])
        assert await read(streams.reader(UP), 3) == [b"", b"x", b""]


class TestGoneStreams:
    async def test_what_was_never_created_is_gone(self, streams: Streams) -> None:
        with pytest.raises(StreamGoneError):
            await streams.append(UP, [b"x"])
        with pytest.raises(StreamGoneError):
            await within(streams.reader(UP).read())

    async def test_an_append_does_not_create_a_removed_stream_again(
        self, broker: Broker, streams: Streams
    ) -> None:
        await streams.create([UP, DOWN])
        await streams.append(UP, [b"x"])
        await streams.remove([UP, DOWN])
        with pytest.raises(StreamGoneError):
            await streams.append(UP, [b"x"])
        await streams.refresh([UP, DOWN])
        await streams.remove([UP, DOWN])
        assert await broker.left() == []

    async def test_a_reader_that_waits_learns_that_its_stream_is_removed(
        self, broker: Broker, streams: Streams
    ) -> None:
        await streams.create([UP])
        async with opened(broker) as there:
            reader = there.reader(UP)
            await streams.append(UP, [b"x"])
            await read(reader, 1)
            waiting = asyncio.create_task(reader.read())
            await asyncio.sleep(0)
            await streams.remove([UP])
            with pytest.raises(StreamGoneError):
                await within(waiting)
            await reader.close()
            await reader.close()

    async def test_removing_while_the_other_end_writes_leaves_nothing(
        self, broker: Broker, streams: Streams
    ) -> None:
        async def write(there: Streams, name: str) -> None:
            with contextlib.suppress(StreamGoneError):
                while True:
                    await there.append(name, numbered(3))

        async with opened(broker) as there:
            for number in range(10):
                name = f"{UP}{number}"
                await streams.create([name])
                writing = [asyncio.create_task(write(there, name)) for _ in range(2)]
                await read(streams.reader(name), 5)
                await streams.remove([name])
                await within(asyncio.gather(*writing))
        assert await broker.left() == []

    async def test_streams_vanish_unless_they_are_refreshed(
        self, broker: Broker, streams: Streams
    ) -> None:
        await streams.create([UP, DOWN])
        await broker.age(STREAM_TTL_S - 20)
        await streams.refresh([UP])
        await broker.age(30)
        await streams.append(UP, [b"x"])
        with pytest.raises(StreamGoneError):
            await streams.append(DOWN, [b"x"])
        with pytest.raises(StreamGoneError):
            await within(streams.reader(DOWN).read())
        await streams.refresh([DOWN])
        with pytest.raises(StreamGoneError):
            await streams.append(DOWN, [b"x"])


class TestQueues:
    async def test_each_item_is_taken_by_exactly_one_of_many(
        self, broker: Broker, streams: Streams
    ) -> None:
        taken: list[bytes] = []
        all_taken = asyncio.Event()

        async def take(there: Streams) -> None:
            while True:
                item = await there.take(QUEUE, wait_s=5)
                if item is not None:
                    taken.append(item)
                if len(taken) == 60:
                    all_taken.set()

        async with opened(broker) as one, opened(broker) as other:
            takers = [asyncio.create_task(take(there)) for there in (one, other) for _ in range(3)]
            async with doing(*takers):
                for item in numbered(60):
                    await streams.put(QUEUE, item, ttl_s=30)

                await within(all_taken.wait())
        assert sorted(taken, key=int) == numbered(60)

    async def test_the_oldest_is_taken_first_and_then_there_is_none(self, streams: Streams) -> None:
        for item in numbered(3):
            await streams.put(QUEUE, item, ttl_s=30)
        assert [await streams.take(QUEUE, wait_s=1) for _ in range(3)] == numbered(3)
        assert await within(streams.take(QUEUE, wait_s=0.01)) is None

    async def test_who_waits_is_told_at_once(self, broker: Broker, streams: Streams) -> None:
        async with opened(broker) as there:
            waiting = asyncio.create_task(there.take(QUEUE, wait_s=60))
            await asyncio.sleep(0)
            await streams.put(QUEUE, b"x", ttl_s=30)
            assert await within(waiting) == b"x"

    async def test_who_comes_too_late_gets_nothing(self, streams: Streams) -> None:
        await streams.put(QUEUE, b"old", ttl_s=0.001)
        await asyncio.sleep(0.01)
        assert await within(streams.take(QUEUE, wait_s=0.01)) is None
        await streams.put(QUEUE, b"new", ttl_s=30)
        assert await within(streams.take(QUEUE, wait_s=5)) == b"new"

    async def test_queues_do_not_bleed_into_each_other(self, streams: Streams) -> None:
        names = ["acme_q", "acme_Q", "acme:q", "acme_eu_q", "acme_" + "x" * 80, "acme_" + "x" * 81]
        for name in names:
            await streams.put(name, name.encode(), ttl_s=30)
        for name in names:
            assert await within(streams.take(name, wait_s=5)) == name.encode()
            assert await within(streams.take(name, wait_s=0.01)) is None


class TestNotices:
    async def test_a_notice_is_seen_by_all_until_it_is_taken_down(
        self, broker: Broker, streams: Streams
    ) -> None:
        async with opened(broker) as there:
            await streams.post(BOARD, "one", b"1")
            await there.post(BOARD, "other", b"2")
            await streams.post(BOARD, "one", b"3")
            assert await there.notices(BOARD) == {"one": b"3", "other": b"2"}
            await streams.unpost(BOARD, "one")
            await streams.unpost(BOARD, "one")
            assert await there.notices(BOARD) == {"other": b"2"}
            assert await there.notices(f"{BOARD}_eu") == {}

    async def test_a_notice_that_is_not_refreshed_vanishes(self, streams: Streams) -> None:
        await streams.post(BOARD, "kept", b"1")
        await streams.post(BOARD, "dead", b"2")

        async def only_one() -> None:
            while set(await streams.notices(BOARD)) != {"kept"}:
                await streams.post(BOARD, "kept", b"1")
                await asyncio.sleep(0.2)

        await within(only_one())


class TestTidying:
    async def test_a_session_leaves_nothing(self, broker: Broker) -> None:
        async with opened(broker) as streams, opened(broker) as there:
            await streams.create([UP, DOWN])
            await streams.put(QUEUE, b"claim", ttl_s=30)
            assert await there.take(QUEUE, wait_s=5) == b"claim"
            await there.post(BOARD, "pool", b"offer")
            await streams.append(UP, numbered(10))
            reader = there.reader(UP)
            await read(reader, 10)
            await there.append(DOWN, numbered(10))
            await streams.remove([UP, DOWN])
            await there.unpost(BOARD, "pool")
            await reader.close()
        assert await broker.left() == []

    async def test_what_killed_processes_left_is_reaped(self, broker: Broker) -> None:
        async with opened(broker) as dead, opened(broker) as living:
            await dead.create([UP, DOWN])
            await dead.append(UP, numbered(10))
            await dead.put(QUEUE, b"claim", ttl_s=0.001)
            await dead.post(BOARD, "pool", b"offer")
            await living.create([f"{UP}_living"])
            await broker.age(STREAM_TTL_S + 1)
            await living.refresh([f"{UP}_living"])
            await living.create([f"{UP}_living"])
            await living.reap()
            await living.append(f"{UP}_living", [b"x"])
            await living.remove([f"{UP}_living"])

            async def nothing_left() -> None:
                while await broker.left():
                    await asyncio.sleep(0.2)
                    await living.reap()

            await within(nothing_left())

    async def test_closing_wakes_who_waits_and_may_be_done_again(self, broker: Broker) -> None:
        streams = broker.streams()
        await streams.close()
        await streams.open()
        await streams.create([UP])
        waiting = asyncio.create_task(_once(streams.reader(UP).read()))
        await asyncio.sleep(0.05)  # until it waits; it makes no difference if it does not yet
        await streams.remove([UP])
        await streams.close()
        await streams.close()
        with pytest.raises((BrokerDownError, StreamGoneError)):
            await within(waiting)
        with pytest.raises(BrokerDownError):
            await streams.append(UP, [b"x"])


class TestOutages:
    async def test_a_broker_that_is_killed_comes_back(self, broker: Broker) -> None:
        said: list[str] = []
        sink = logger.add(said.append, level="TRACE")
        async with opened(broker) as streams, opened(broker) as there:
            await streams.create([UP, DOWN])
            reader = there.reader(UP)
            await streams.append(UP, numbered(5))
            assert await read(reader, 5) == numbered(5)
            waiting = asyncio.create_task(reader.read())
            taking = asyncio.create_task(there.take(QUEUE, wait_s=60))
            await asyncio.sleep(0.1)  # until both wait; it makes no difference if they do not yet

            await broker.kill()
            fails: list[Awaitable[Any]] = [
                waiting,
                taking,
                reader.read(),
                streams.append(UP, [b"x"]),
                streams.create([f"{UP}2"]),
                streams.refresh([UP]),
                streams.remove([DOWN]),
                streams.put(QUEUE, b"x", ttl_s=5),
                streams.take(QUEUE, wait_s=5),
                streams.post(BOARD, "pool", b"x"),
                streams.unpost(BOARD, "pool"),
                streams.notices(BOARD),
            ]
            for failing in fails:
                with pytest.raises(BrokerDownError):
                    await within(failing)
            await reader.close()
            await broker.start()

            # What was written when it died may be there or not; what comes now is, once, in order.
            await streams.append(UP, numbered(5, 100))
            items = await read_again(reader, 5)
            assert items[-5:] == numbered(5, 100)
            assert items[:-5] in ([], [b"x"])
            await streams.put(QUEUE, b"claim", ttl_s=30)
            assert await within(there.take(QUEUE, wait_s=30)) == b"claim"
            await streams.post(BOARD, "pool", b"offer")
            assert await there.notices(BOARD) == {"pool": b"offer"}
            await streams.remove([UP, DOWN])
            await streams.unpost(BOARD, "pool")
        logger.remove(sink)
        assert await broker.left() == []
        assert "@" not in "".join(said)
