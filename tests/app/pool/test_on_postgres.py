"""Pools and callers on Postgres: the same conversations, outages included, as on Redis."""

from collections.abc import AsyncIterator

import pytest

from app.bench.local_postgres import local_postgres
from app.brokers import open_broker
from app.settings import Settings
from tests.app.pool.places import Place
from tests.app.pool.test_many_callers import (
    test_a_broker_that_is_killed_for_ten_seconds_costs_no_word,
    test_ending_one_ends_one,
    test_no_word_crosses_between_callers,
)
from tests.brokers.postgres import Database
from tests.proxy.bus.brokers import Postgres

__all__ = [
    "test_a_broker_that_is_killed_for_ten_seconds_costs_no_word",
    "test_ending_one_ends_one",
    "test_no_word_crosses_between_callers",
]


@pytest.fixture
async def there() -> AsyncIterator[Place]:
    """A Postgres of the test's own; nothing may be left on it."""
    with local_postgres() as server:
        broker = Postgres(Database(server, "postgres"))
        async with open_broker(Settings(bus_url=broker.url)) as claims:  # type: ignore[arg-type]
            yield Place(broker, claims)  # type: ignore[arg-type]
        assert await broker.left() == []
