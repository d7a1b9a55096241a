"""The broker of the settings, Redis or Postgres, for conversations spread over processes."""

import contextlib
from collections.abc import AsyncIterator

from app.errors import AppError, MissingExtraError
from app.settings import REDIS_SCHEMES, Settings
from proxy import ConnectError
from proxy.bus.claims import Claims, PrefixError
from proxy.bus.streams import Streams

HOW_TO_NAME_IT = "give --bus redis://HOST:PORT or postgresql://…, or set TRUNKLINE_BUS_URL"


@contextlib.asynccontextmanager
async def open_broker(settings: Settings) -> AsyncIterator[Claims]:
    """Be connected with the broker while the block runs.

    Args:
        settings: The settings.

    Raises:
        AppError: If none is set, it cannot be reached, or refuses us.
    """
    url = settings.broker_url
    if url is None:
        raise AppError(f"no broker is set; {HOW_TO_NAME_IT}")
    try:
        streams, prefix = _streams(url, settings)
        claims = Claims(streams, prefix)
        await streams.open()
    except (ConnectError, PrefixError) as error:
        raise AppError(str(error)) from None
    try:
        yield claims
    finally:
        await streams.close()


def _streams(url: str, settings: Settings) -> tuple[Streams, str]:
    if url.partition(":")[0] in REDIS_SCHEMES:
        try:
            from proxy.bus.redis_streams import RedisStreams
        except ImportError:
            raise MissingExtraError("The client for Redis", "redis") from None
        return RedisStreams(url), settings.redis_channel
    try:
        from proxy.bus.pgmq_streams import PgmqStreams
    except ImportError:
        raise MissingExtraError("The client for Postgres", "postgres") from None
    return PgmqStreams(url), settings.pgmq_channel
