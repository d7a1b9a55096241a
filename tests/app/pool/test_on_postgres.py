"""Pools and callers on Postgres: the same conversations, outages included, as on Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.brokers import open_broker
from app.settings import Settings
from tests.app.pool.places import LEFT_TIMEOUT_S, Place
from tests.app.pool.test_lost_pools import (
    test_a_claim_that_a_pool_took_with_it_is_put_again,
    test_a_job_that_is_under_way_in_a_pool_that_is_killed_fails,
    test_callers_of_a_pool_that_is_killed_go_on_with_another,
    test_the_task_of_a_killed_pool_that_spoke_goes_on_elsewhere,
    test_without_another_pool_the_caller_is_told,
)
from tests.app.pool.test_many_callers import (
    test_a_broker_that_is_killed_for_ten_seconds_costs_no_word,
    test_a_network_that_is_away_for_ten_seconds_costs_no_word,
    test_ending_one_ends_one,
    test_no_word_crosses_between_callers,
)
from tests.brokers.postgres import Database
from tests.proxy.bus.brokers import Postgres, opened
from tests.proxy.conversation import within

__all__ = [
    "test_a_broker_that_is_killed_for_ten_seconds_costs_no_word",
    "test_a_claim_that_a_pool_took_with_it_is_put_again",
    "test_a_job_that_is_under_way_in_a_pool_that_is_killed_fails",
    "test_a_network_that_is_away_for_ten_seconds_costs_no_word",
    "test_callers_of_a_pool_that_is_killed_go_on_with_another",
    "test_ending_one_ends_one",
    "test_no_word_crosses_between_callers",
    "test_the_task_of_a_killed_pool_that_spoke_goes_on_elsewhere",
    "test_without_another_pool_the_caller_is_told",
]


@pytest.fixture
async def there(postgres: Database) -> AsyncIterator[Place]:
    """A database of the test's own; nothing may be left in it."""
    broker = Postgres(postgres)
    async with open_broker(Settings(bus_url=broker.url)) as claims:  # type: ignore[arg-type]
        yield Place(broker, claims, broker.url)  # type: ignore[arg-type]
        await within(_nothing_left(broker), LEFT_TIMEOUT_S)
    assert await broker.left() == []


async def _nothing_left(broker: Postgres) -> None:
    """Wait until what a killed pool had offered was removed, as any process does that comes by."""
    async with opened(broker) as streams:
        while await broker.left():
            await streams.reap()
            await asyncio.sleep(0.1)
