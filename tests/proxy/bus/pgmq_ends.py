"""Processes that are connected with a Postgres."""

import contextlib
from collections.abc import AsyncIterator

from proxy.bus.pgmq_streams import PgmqStreams
from tests.proxy.conversation import within


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[PgmqStreams]:
    streams = PgmqStreams(url)
    await within(streams.open())
    try:
        yield streams
    finally:
        await within(streams.close())
