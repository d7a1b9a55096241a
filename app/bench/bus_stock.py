"""Pipecat's own buses on a broker, connected as its examples do it."""

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit

from pipecat.bus import WorkerBus

from app.errors import AppError

MISSING = "Pipecat's own buses need their clients; install pipecat-ai[redis,pgmq]"


@contextlib.asynccontextmanager
async def stock_bus(url: str, channel: str) -> AsyncIterator[WorkerBus]:
    """Give Pipecat's bus for a broker.

    Args:
        url: The broker.
        channel: The channel.

    Raises:
        AppError: If a package is missing.
    """
    if urlsplit(url).scheme.startswith("redis"):
        async with _redis_bus(url, channel) as bus:
            yield bus
    else:
        async with _pgmq_bus(url, channel) as bus:
            yield bus


@contextlib.asynccontextmanager
async def _redis_bus(url: str, channel: str) -> AsyncIterator[WorkerBus]:
    try:
        from pipecat.bus.network.redis import RedisBus
        from redis.asyncio import Redis
    except ImportError:
        raise AppError(MISSING) from None
    redis = Redis.from_url(url)
    try:
        yield RedisBus(redis=redis, channel=channel)
    finally:
        await redis.aclose()


@contextlib.asynccontextmanager
async def _pgmq_bus(url: str, channel: str) -> AsyncIterator[WorkerBus]:
    try:
        from pgmq.async_queue import PGMQueue
        from pipecat.bus.network.pgmq import PgmqBus
    except ImportError:
        raise AppError(MISSING) from None
    parts = urlsplit(url)
    queue = PGMQueue(
        host=parts.hostname or "",
        port=str(parts.port or 5432),
        database=parts.path.lstrip("/"),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        pool_size=4,
    )
    await queue.init(init_extension=False)
    try:
        yield PgmqBus(pgmq=queue, channel=channel)
    finally:
        queue.pool.terminate()
