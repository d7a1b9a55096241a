"""A pool that holds conversations, in a process of its own that can be killed.

`python -m app.bench.pool_far`; the broker's URL comes over the pipe, see `app.bench.bus_far`.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from agents import discover
from app.bench.control import Control
from app.bench.names import TALKER
from app.logs import configure_logs
from app.loops import run
from app.pool.serving import running_pool
from app.settings import Settings


def talking_settings(url: str, channel: str) -> Settings:
    """Return the settings of pools and callers; a script answers, which takes no time.

    Args:
        url: The broker.
        channel: What all names on it begin with.
    """
    return Settings(
        bus_url=SecretStr(url),
        redis_channel=channel,
        pgmq_channel=channel,
        llm="embedded",
        drain_timeout_s=1.0,
    )


async def _answer(control: Control) -> None:
    async with contextlib.AsyncExitStack() as stack:

        async def serve(url: str, channel: str) -> Mapping[str, Any]:
            assistants = discover()
            settings = talking_settings(url, channel)
            pool = running_pool(settings, assistants, assistants[TALKER], ())
            await stack.enter_async_context(pool)
            return {}

        control.say({})
        await control.answer({"serve": serve})


def main() -> None:
    """Answer until the parent has no more questions."""
    control = Control()
    configure_logs("CRITICAL")
    run(_answer(control))


if __name__ == "__main__":
    main()
