"""PGMQ as an extension does what it does as SQL alone."""

from collections.abc import Iterator

import pytest

from app.bench.local_postgres import LocalPostgres
from proxy.bus import pgmq_sql
from tests.brokers.postgres import Database, drop, new_database
from tests.proxy.bus.brokers import Postgres
from tests.proxy.bus.pgmq_ends import opened
from tests.proxy.conversation import within

UP, QUEUE = "acme_up", "acme_claims"
GUEST = "guest_of_the_extension"


@pytest.fixture
def extended(postgres_server: LocalPostgres) -> Iterator[Database]:
    """A database with the extension."""
    database = new_database(postgres_server, template="template1")
    database.sql("CREATE EXTENSION pgmq")
    yield database
    drop(database)


async def use(url: str) -> None:
    """Use a broker as a session does: a claim, a stream, notices, and nothing left behind."""
    async with opened(url) as streams:
        await streams.create([UP])
        await streams.append(UP, [b"1", b"2"])
        assert await within(streams.reader(UP).read()) == [b"1", b"2"]
        await streams.put(QUEUE, b"claim", ttl_s=30)
        assert await within(streams.take(QUEUE, wait_s=5)) == b"claim"
        await streams.post("acme_offers", "me", b"x")
        assert await streams.notices("acme_offers") == {"me": b"x"}
        await streams.unpost("acme_offers", "me")
        await streams.remove([UP])


async def test_a_session_uses_the_extension_and_leaves_nothing(extended: Database) -> None:
    await use(extended.url)
    assert await Postgres(extended).left() == []
    assert extended.sql("SELECT extname FROM pg_extension WHERE extname = 'pgmq'") == "pgmq"


async def test_a_user_who_does_not_own_the_extension_can_use_it(extended: Database) -> None:
    server = extended.server
    server.sql(f"CREATE ROLE {GUEST} LOGIN PASSWORD 'guest'")
    try:
        extended.sql(
            f"GRANT CREATE ON DATABASE {extended.name} TO {GUEST};"
            f"GRANT USAGE, CREATE ON SCHEMA pgmq TO {GUEST};"
            f"GRANT ALL ON ALL TABLES IN SCHEMA pgmq TO {GUEST};"
        )
        await use(extended.url.replace(f"trunkline:{server.password}", f"{GUEST}:guest"))
        assert await Postgres(extended).left() == []
    finally:
        extended.sql(f"DROP OWNED BY {GUEST} CASCADE")
        server.sql(f"DROP ROLE {GUEST}")


async def test_a_queue_that_a_killed_process_left_is_reaped(extended: Database) -> None:
    async with opened(extended.url) as streams:
        await streams.put(QUEUE, b"claim", ttl_s=0.001)
        assert extended.sql("SELECT queue_name FROM pgmq.list_queues()") == pgmq_sql.queue_of(QUEUE)
        assert await streams.reap() == 1
    assert await Postgres(extended).left() == []
