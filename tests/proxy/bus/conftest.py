"""The brokers, as fixtures."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.bus.streams import Streams
from tests.brokers.postgres import Database
from tests.proxy.bus.brokers import REDISES, Broker, Postgres, a_broker, opened

KINDS = ("memory", *REDISES, "postgres")


@pytest.fixture(params=KINDS)
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker with nothing in it, which the test may kill."""
    if request.param == "postgres":
        database: Database = request.getfixturevalue("postgres")
        yield Postgres(database)
    else:
        async with a_broker(request.param, tmp_path) as alone:
            yield alone


@pytest.fixture
async def streams(broker: Broker) -> AsyncIterator[Streams]:
    """What a process has of a broker."""
    async with opened(broker) as here:
        yield here
