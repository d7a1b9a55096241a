"""What only Postgres has: PGMQ that may be missing, poolers, users, connections that hang."""

import asyncio
import contextlib
import logging
from typing import Any

import pytest
from loguru import logger

from proxy.bus import pgmq_pool, pgmq_sql, pgmq_streams
from proxy.bus.streams import BrokerDownError
from proxy.errors import ConnectError
from tests.brokers.postgres import Database
from tests.proxy.bus.brokers import Postgres
from tests.proxy.bus.pgmq_ends import opened
from tests.proxy.conversation import within

UP, QUEUE = "acme_up", "acme_claims"


async def refused(url: str) -> str:
    """Return why a broker cannot be used, after it was left as it should be."""
    with pytest.raises(ConnectError) as caught:
        async with opened(url):
            pass
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


class TestConnecting:
    async def test_a_database_without_pgmq_is_refused_with_what_to_do(
        self, postgres: Database
    ) -> None:
        postgres.sql("DROP SCHEMA pgmq CASCADE")
        assert "CREATE EXTENSION pgmq" in await refused(postgres.url)

    @pytest.mark.parametrize("url", ["mysql://a:secret@b/c", "postgresql://a:secret@[", "nonsense"])
    async def test_what_is_no_url_of_postgres_is_refused(self, url: str) -> None:
        assert "secret" not in await refused(url)

    async def test_a_url_that_asyncpg_does_not_understand_is_refused(self) -> None:
        words = await refused("postgresql://a:secret@127.0.0.1:1/c?sslmode=perhaps")
        assert "options that asyncpg cannot follow" in words

    async def test_a_wrong_password_is_refused_and_never_named(self, postgres: Database) -> None:
        words = await refused(postgres.url.replace(postgres.server.password, "not-the-secret"))
        assert "refuses this user or password" in words
        assert "secret" not in words

    async def test_a_database_that_is_not_there_is_refused(self, postgres: Database) -> None:
        assert "has no such database" in await refused(postgres.server.url("nowhere"))

    async def test_nobody_listens(self) -> None:
        words = await refused("postgresql://a:secret@127.0.0.1:1/c")
        assert words == "postgresql://127.0.0.1:1/c does not answer (ConnectionRefusedError)"

    async def test_who_may_not_create_the_schema_learns_so(self, postgres: Database) -> None:
        postgres.sql("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        try:
            url = postgres.url.replace(f"trunkline:{postgres.server.password}", "guest:guest")
            assert "does not let this user" in await refused(url)
            async with opened(postgres.url):
                pass  # somebody who may has prepared it
            granted = "GRANT USAGE ON SCHEMA trunkline, pgmq TO guest;"
            granted += "GRANT CREATE ON SCHEMA pgmq TO guest;"
            granted += "GRANT ALL ON ALL TABLES IN SCHEMA trunkline, pgmq TO guest;"
            postgres.sql(granted)
            async with opened(url) as streams:
                await streams.create([UP])
                await streams.put(QUEUE, b"x", ttl_s=5)
                assert await streams.take(QUEUE, wait_s=5) == b"x"
                await streams.remove([UP])
        finally:
            postgres.sql("DROP OWNED BY guest CASCADE; DROP ROLE guest")

    async def test_processes_that_start_at_once_create_the_tables_once(
        self, postgres: Database
    ) -> None:
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.gather(
                *(stack.enter_async_context(opened(postgres.url)) for _ in range(6))
            )
        assert await Postgres(postgres).left() == []

    async def test_a_pooler_that_swallows_notifications_is_refused(
        self, postgres: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pgmq_streams, "PROBE_TIMEOUT_S", 0.05)
        monkeypatch.setattr(pgmq_sql, "RING", "SELECT $1::text")
        assert "pooler in session mode" in await refused(postgres.url)

    async def test_nothing_that_is_logged_names_the_password(
        self, postgres: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        said: list[str] = []
        sink = logger.add(said.append, level="TRACE")
        caplog.set_level(logging.DEBUG)
        async with opened(postgres.url) as streams:
            await streams.create([UP])
            await streams.append(UP, [b"x"])
            await streams.remove([UP])
        await refused(postgres.url + "?application_name=x&nonsense=1")
        logger.remove(sink)
        assert postgres.server.password not in "".join(said) + caplog.text


class TestStreamsOfRows:
    async def test_an_append_that_is_tried_again_is_there_once(
        self, postgres: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with opened(postgres.url) as streams:
            await streams.create([UP])
            run = streams._database.fetch_once
            failed: list[str] = []

            async def answer_lost(sql: str, *values: Any) -> Any:
                rows = await run(sql, *values)
                if not failed:
                    failed.append(sql)
                    raise BrokerDownError("the answer was lost")
                return rows

            monkeypatch.setattr(streams._database, "fetch_once", answer_lost)
            await streams.append(UP, [b"1", b"2"])
            await streams.append(UP, [b"3"])
            assert failed == [pgmq_sql.APPEND]
            assert await within(streams.reader(UP).read()) == [b"1", b"2", b"3"]

    async def test_what_was_read_is_removed_by_the_next_read(self, postgres: Database) -> None:
        async with opened(postgres.url) as streams:
            await streams.create([UP])
            await streams.append(UP, [b"1", b"2"])
            reader = streams.reader(UP)
            assert await within(reader.read()) == [b"1", b"2"]
            await streams.append(UP, [b"3"])
            assert await within(reader.read()) == [b"3"]
            assert postgres.sql("SELECT body FROM trunkline.items") == "\\x33"

    async def test_what_is_read_in_one_go_is_bounded(self, postgres: Database) -> None:
        async with opened(postgres.url) as streams:
            await streams.create([UP])
            half = bytes(pgmq_sql.READ_BYTES // 2)
            await streams.append(UP, [half] * 5)
            reader = streams.reader(UP)
            assert [len(await within(reader.read())) for _ in range(3)] == [2, 2, 1]
            await streams.append(UP, [b"x"] * (pgmq_sql.READ_ITEMS + 1))
            assert [len(await within(reader.read())) for _ in range(2)] == [pgmq_sql.READ_ITEMS, 1]

    async def test_a_stream_that_nobody_reads_is_full_one_day(
        self, postgres: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pgmq_streams, "MAX_STREAM_ITEMS", 30)
        monkeypatch.setattr(pgmq_streams, "_COUNT_EVERY", 10)
        async with opened(postgres.url) as streams:
            await streams.create([UP])
            for _ in range(3):
                await streams.append(UP, [b"x"] * 10)
            with pytest.raises(BrokerDownError, match="nobody reads it"):
                await streams.append(UP, [b"x"])
            await within(streams.reader(UP).read())
            await streams.append(UP, [])
            with pytest.raises(BrokerDownError, match="nobody reads it"):
                await streams.append(UP, [b"x"])  # it was read, but not taken

    async def test_who_was_not_told_looks(
        self, postgres: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pgmq_streams, "POLL_S", 0.05)
        async with opened(postgres.url) as streams:
            await streams.create([UP])
            reading = asyncio.create_task(streams.reader(UP).read())
            postgres.sql(f"INSERT INTO trunkline.items VALUES ('{UP}', 1, 'untold')")
            assert await within(reading) == [b"untold"]

    async def test_what_an_append_left_in_a_swept_stream_is_reaped(
        self, postgres: Database
    ) -> None:
        async with opened(postgres.url) as streams:
            postgres.sql("INSERT INTO trunkline.items VALUES ('acme_gone', 1, 'x')")
            await streams.reap()
            assert await Postgres(postgres).left() == []


class TestQueuesOfPgmq:
    async def test_a_queue_that_somebody_dropped_is_made_again(self, postgres: Database) -> None:
        async with opened(postgres.url) as streams:
            await streams.put(QUEUE, b"1", ttl_s=30)
            postgres.sql(f"SELECT pgmq.drop_queue('{pgmq_sql.queue_of(QUEUE)}')")
            assert await within(streams.take(QUEUE, wait_s=0.01)) is None
            await streams.put(QUEUE, b"2", ttl_s=30)
            assert await within(streams.take(QUEUE, wait_s=5)) == b"2"
            postgres.sql(f"SELECT pgmq.drop_queue('{pgmq_sql.queue_of(QUEUE)}')")
        assert await Postgres(postgres).left() == []

    async def test_a_queue_in_which_something_waits_is_kept(self, postgres: Database) -> None:
        async with opened(postgres.url) as streams:
            await streams.put(QUEUE, b"1", ttl_s=30)
            assert await streams.reap() == 0
        async with opened(postgres.url) as streams:
            assert await within(streams.take(QUEUE, wait_s=5)) == b"1"
            assert await streams.reap() == 1
            assert await streams.reap() == 0
        assert await Postgres(postgres).left() == []

    async def test_a_queue_that_is_in_use_is_not_dropped(self, postgres: Database) -> None:
        async with opened(postgres.url) as streams, opened(postgres.url) as other:
            await streams.put(QUEUE, b"1", ttl_s=0.001)

            async def use(connection: pgmq_pool.Borrowed) -> None:
                await connection.execute(pgmq_sql.USE_QUEUE, pgmq_sql.queue_of(QUEUE))
                assert await streams.reap() == 0

            await other._database.together(use)
            assert await streams.reap() == 1

    async def test_a_taker_that_is_cancelled_takes_nothing_with_it(
        self, postgres: Database
    ) -> None:
        async with opened(postgres.url) as streams:
            for number in range(40):
                await streams.put(QUEUE, b"%d" % number, ttl_s=30)
            got = []
            for steps in range(300):
                taking = asyncio.create_task(streams.take(QUEUE, wait_s=0.01))
                for _ in range(steps % 23):
                    await asyncio.sleep(0)
                if steps % 3:
                    taking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    got.append(await within(taking))
            # What was given back comes last.
            assert sorted(filter(None, got)) == sorted(b"%d" % number for number in range(40))
