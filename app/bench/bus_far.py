"""The far end of a bus, in a process of its own: `python -m app.bench.bus_far PEER`.

Whoever asks it to join a broker gets every text back from it. The broker's URL comes over the pipe
and not on the command line, where everybody on the machine could read its password.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from pipecat.workers.runner import WorkerRunner
from pydantic import SecretStr

from agents import Assistants
from app.bench.bus_stock import stock_bus
from app.bench.control import Control, usage
from app.bench.names import ASSISTANT, Scene
from app.bench.report import Peer
from app.bench.scenes import DUMMY_KEY, NOWHERE, Echo, recipe
from app.logs import configure_logs
from app.loops import run
from app.pool.serving import running_pool
from app.settings import Settings


def our_settings(url: str, channel: str) -> Settings:
    """Return the settings of both ends of ours.

    Args:
        url: The broker.
        channel: What all names on it begin with.
    """
    return Settings(
        bus_url=SecretStr(url),
        redis_channel=channel,
        pgmq_channel=channel,
        default_assistant=Scene.ECHO.value,
        llm="openai",
        openai_api_key=SecretStr(DUMMY_KEY),
        openai_base_url=NOWHERE,
        drain_timeout_s=1.0,
    )


@contextlib.asynccontextmanager
async def our_end(url: str, channel: str) -> AsyncIterator[None]:
    """Be a pool, as `trunkline agents` is."""
    echo = recipe(Scene.ECHO)
    async with running_pool(our_settings(url, channel), Assistants([echo]), echo, ()):
        yield


@contextlib.asynccontextmanager
async def stock_end(url: str, channel: str) -> AsyncIterator[None]:
    """Be a process with one worker, as Pipecat's examples are."""
    async with stock_bus(url, channel) as bus:
        runner = WorkerRunner(bus=bus, handle_sigint=False)
        await runner.add_workers(Echo(ASSISTANT))
        running = asyncio.create_task(runner.run(auto_end=False))
        try:
            yield
        finally:
            await runner.cancel()
            await running


_ENDS = {Peer.OURS: our_end, Peer.STOCK: stock_end}


async def _answer(control: Control, peer: Peer) -> None:
    async with contextlib.AsyncExitStack() as stack:

        async def join(url: str, channel: str) -> Mapping[str, Any]:
            end: AbstractAsyncContextManager[None] = _ENDS[peer](url, channel)
            await stack.enter_async_context(end)
            return {}

        control.say({})
        await control.answer({"join": join, "usage": usage})


def main() -> None:
    """Answer until the parent has no more questions."""
    control = Control()
    configure_logs("CRITICAL")
    run(_answer(control, Peer(sys.argv[1])))


if __name__ == "__main__":
    main()
