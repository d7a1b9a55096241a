"""A Postgres that is there and says nothing: every wait for it ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.bus import bells, pgmq_pool, pgmq_sql, pgmq_streams
from proxy.bus.pgmq_streams import PgmqStreams
from proxy.bus.streams import BrokerDownError, StreamGoneError
from tests.brokers.postgres import Database
from tests.proxy.bus.pgmq_ends import opened
from tests.proxy.conversation import within
from tests.proxy.relay import Relay

IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'trunkline' AND state LIKE 'idle in transaction%'
"""

UP, DOWN, QUEUE = "acme_up", "acme_down", "acme_claims"


@contextlib.asynccontextmanager
async def behind_relay(postgres: Database) -> AsyncIterator[tuple[PgmqStreams, Relay]]:
    """Be connected over a network that a test can take away."""
    relay = Relay(postgres.server.port)
    async with relay.running():
        port = relay.url.rpartition(":")[2].partition("/")[0]
        url = postgres.url.replace(f":{postgres.server.port}/", f":{port}/")
        async with opened(url) as streams:
            yield streams, relay


class TestHangingConnections:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (pgmq_pool, bells):
            monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.3)
            monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.2)
        monkeypatch.setattr(pgmq_streams, "_TIDY_TIMEOUT_S", 0.2)
        monkeypatch.setattr(pgmq_streams, "POLL_S", 0.1)

    async def test_a_network_that_swallows_everything_is_noticed(self, postgres: Database) -> None:
        async with behind_relay(postgres) as (streams, relay):
            await streams.create([UP])
            await streams.append(UP, [b"1"])
            reader = streams.reader(UP)
            assert await within(reader.read()) == [b"1"]
            relay.freeze()
            with pytest.raises(BrokerDownError):
                await within(streams.append(UP, [b"2"]))
            with pytest.raises(BrokerDownError):
                await within(reader.read())
            relay.cut()
            relay.thaw()
            await streams.append(UP, [b"3"])
            items: list[bytes] = []
            while items[-1:] != [b"3"]:
                with contextlib.suppress(BrokerDownError):
                    items += await within(reader.read())
            assert items in ([b"3"], [b"2", b"3"])

    async def test_a_listener_that_hears_nothing_is_asked(
        self, postgres: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bells, "CHECK_S", 0.05)
        async with behind_relay(postgres) as (streams, relay):
            await streams.create([UP])
            reader = streams.reader(UP)
            reading = asyncio.create_task(reader.read())
            await asyncio.sleep(0.3)  # so long that it was asked, and answered
            assert not reading.done()
            relay.freeze()
            with pytest.raises(BrokerDownError):
                await within(reading)
            await within(reader.close())
            relay.cut()
            relay.thaw()

    async def test_a_listener_that_hangs_is_left_behind(self, postgres: Database) -> None:
        async with behind_relay(postgres) as (streams, relay):
            await streams.create([UP])
            await streams.append(UP, [b"1"])
            reader = streams.reader(UP)
            await within(reader.read())
            relay.freeze()
            await within(reader.close())
            await within(reader.close())
            relay.cut()
            relay.thaw()
            assert await within(streams.reader(UP).read()) == [b"1"]

    async def test_closing_does_not_wait_for_a_server_that_is_away(
        self, postgres: Database
    ) -> None:
        async with behind_relay(postgres) as (streams, relay):
            await streams.create([UP])
            await streams.put(QUEUE, b"x", ttl_s=30)
            reading = asyncio.create_task(streams.reader(UP).read())
            await asyncio.sleep(0.05)  # until it waits; it makes no difference if it does not yet
            relay.freeze()
            await within(streams.close())
            with pytest.raises(BrokerDownError):
                await within(reading)

    async def test_a_reader_that_comes_back_while_the_last_leaves_is_told(
        self, postgres: Database
    ) -> None:
        async with opened(postgres.url) as streams:
            await streams.create([UP])
            listening = streams._bells
            bell = pgmq_sql.bell_of(UP)
            await listening.hang(bell)
            listening._heard_at = 0.0  # so long ago that it is asked first
            async with listening._using:
                coming = asyncio.create_task(listening.hang(bell))
                await asyncio.sleep(0)
                leaving = asyncio.create_task(listening.take_down(bell))
                await asyncio.sleep(0)
            told = await coming
            await leaving
            await streams.append(UP, [b"x"])
            await within(told.wait())

    async def test_a_word_to_a_reader_that_is_leaving_is_heard_by_nobody(
        self, postgres: Database
    ) -> None:
        async with opened(postgres.url) as streams:
            await streams.create([UP, DOWN])
            listening = streams._bells
            told = await listening.hang(pgmq_sql.bell_of(DOWN))
            await listening.hang(pgmq_sql.bell_of(UP))
            async with listening._using:
                leaving = asyncio.create_task(listening.take_down(pgmq_sql.bell_of(UP)))
                await asyncio.sleep(0)
                await streams.append(UP, [b"x"])
                await streams.append(DOWN, [b"x"])
                await within(told.wait())
            await leaving
            assert await within(streams.reader(UP).read()) == [b"x"]

    async def test_who_waits_for_others_to_connect_does_not_wait_for_ever(
        self, postgres: Database
    ) -> None:
        async with opened(postgres.url) as streams:
            await streams._bells.close()
            streams._bells.open()
            async with streams._bells._using:
                with pytest.raises(BrokerDownError):
                    await within(streams._bells.hang("any"))

    async def test_closing_does_not_wait_for_a_statement(self, postgres: Database) -> None:
        async with opened(postgres.url) as streams:

            async def slow(connection: pgmq_pool.Borrowed) -> None:
                await within(streams.close())
                await connection.execute("SELECT 1")

            with pytest.raises(BrokerDownError):
                await streams._database.together(slow)

    async def test_a_stream_that_is_gone_for_its_writer_can_be_made_again(
        self, postgres: Database
    ) -> None:
        async with opened(postgres.url) as streams:
            with pytest.raises(StreamGoneError):
                await streams.append(UP, [b"x"])
            await streams.create([UP])
            await streams.append(UP, [b"x"])
            assert await within(streams.reader(UP).read()) == [b"x"]

    async def test_a_transaction_that_is_cancelled_at_any_moment_leaves_no_connection_in_it(
        self, postgres: Database
    ) -> None:
        problems: list[str] = []

        def complain(_: object, context: dict[str, Any]) -> None:
            problems.append(context["message"])

        asyncio.get_running_loop().set_exception_handler(complain)
        async with opened(postgres.url) as streams:
            for steps in range(60):
                writing = asyncio.create_task(streams._database.run(("SELECT 1",), ("SELECT 2",)))
                for _ in range(steps):
                    await asyncio.sleep(0)
                for _ in range(3):  # who leaves is cancelled, and so is who waits too long for it
                    writing.cancel()
                    await asyncio.sleep(0)
                with contextlib.suppress(asyncio.CancelledError):
                    await within(writing)
            await streams.create([UP])
            assert await within(streams.notices("none")) == {}
        assert [problem for problem in problems if "transaction" in problem] == []
        assert postgres.sql(IN_TRANSACTION) == "0"
