"""A pool with one parrot, in a process of its own: `python -m tests.proxy.bus.far_process`.

The broker's URL and then one question a line come over the pipe; one answer a line goes back.
"""

import asyncio
import sys

from pipecat.frames.frames import LLMTextFrame

from proxy.bus.claims import Claims
from proxy.bus.pgmq_streams import PgmqStreams
from proxy.bus.redis_streams import RedisStreams
from proxy.bus.streams import Streams
from tests.proxy.bus.buses import PREFIX, SmallPool
from tests.proxy.conversation import parrot

# What the assistant is called, and what it says last.
FAR = "far"
LAST_WORDS = "last words"


def _say(answer: str) -> None:
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


async def _serve() -> None:
    url = (await asyncio.to_thread(sys.stdin.readline)).strip()
    streams: Streams = RedisStreams(url) if url.startswith("redis") else PgmqStreams(url)
    await streams.open()
    task = parrot()
    try:
        async with SmallPool(Claims(streams, PREFIX), FAR, [task]).serving():
            _say("ready")
            while (await asyncio.to_thread(sys.stdin.readline)).strip() == "flush":
                await task.queue_frame(LLMTextFrame(LAST_WORDS))
                _say("flushed" if await task.flush_pipeline() else "nobody answered")
    finally:
        await streams.close()


if __name__ == "__main__":
    asyncio.run(_serve())
