"""A caller whose pool is killed: how long it hears nothing until another pool speaks."""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from agents import discover
from app.bench.calls import TIMEOUT_S
from app.bench.child import running
from app.bench.names import TALKER
from app.bench.pool_far import talking_settings
from app.brokers import open_broker
from app.caller.pooled import PooledAssistant
from app.caller.typed import TypedConversation

_POOL = "app.bench.pool_far"


class _Ears:
    """A caller's screen, of which only the time matters."""

    def __init__(self) -> None:
        self.word = asyncio.Event()
        self.turn = asyncio.Event()

    def text(self, text: str) -> None:
        if text.strip():
            self.word.set()

    def tool(self, name: str, arguments: object) -> None:
        pass

    def job(self, news: Mapping[str, Any]) -> None:
        pass

    def turn_over(self) -> None:
        self.turn.set()

    def problem(self, text: str) -> None:
        pass


async def silence_s(url: str) -> float:
    """Talk to a pool, kill it, and wait for the next word, which another pool says.

    Args:
        url: The broker.

    Returns:
        The time from the kill to the word, in seconds.

    Raises:
        AppError: If a pool does not start.
        TimeoutError: If nobody speaks.
    """
    channel = f"bench_{secrets.token_hex(4)}"
    ears = _Ears()
    async with running(_POOL) as first, open_broker(talking_settings(url, channel)) as claims:
        await first.ask("serve", url=url, channel=channel)
        side = PooledAssistant(claims, TALKER, discover()[TALKER], where="the broker")
        async with _listening(TypedConversation(side, ears)), running(_POOL) as second:
            await second.ask("serve", url=url, channel=channel)
            async with asyncio.timeout(TIMEOUT_S):
                await ears.turn.wait()
                ears.word.clear()
                os.kill(first.pid, signal.SIGKILL)
                killed_at = time.perf_counter()
                await ears.word.wait()
            return time.perf_counter() - killed_at


@contextlib.asynccontextmanager
async def _listening(conversation: TypedConversation) -> AsyncIterator[None]:
    """Be a caller who says nothing, while the block runs."""
    over = asyncio.Event()

    async def lines() -> AsyncIterator[str]:
        await over.wait()
        yield ""

    holding = asyncio.create_task(conversation.hold(lines()))
    try:
        yield
    finally:
        conversation.stop()
        over.set()
        await holding
