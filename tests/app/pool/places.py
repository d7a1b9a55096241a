"""Pools and callers of one test process, on a Redis of their own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents import Assistants, Recipe, discover
from app.brokers import open_broker
from app.caller.pooled import PooledAssistant
from app.pool.pool import Pool
from app.pool.serving import running_pool
from app.settings import Settings
from proxy.bus.claims import Claims
from tests.app.pool.errand import errand
from tests.app.pool.pair import pair
from tests.app.server.recipes import RECIPES
from tests.brokers.redis import RedisServer, redis_server
from tests.proxy.conversation import within
from tests.proxy.relay import Relay

# The offers of pools vanish within seconds; a session's streams are removed before.
LEFT_TIMEOUT_S = 10.0

ASSISTANTS = Assistants([*discover().values(), *RECIPES, errand, pair])


@dataclass
class Place:
    """A Redis, and what this process has on it.

    Attributes:
        server: The Redis.
        claims: What callers share.
        url: Where programs find it.
    """

    server: RedisServer
    claims: Claims
    url: str

    def settings(self, **further: Any) -> Settings:
        """Return the settings of a program on this Redis."""
        return Settings(bus_url=self.url, **further)  # type: ignore[arg-type]

    def side(self, assistant: str, **options: Any) -> PooledAssistant:
        """Return the assistant's side of a new conversation."""
        recipe: Recipe = ASSISTANTS[assistant]
        return PooledAssistant(self.claims, assistant, recipe, where="the broker", **options)

    @contextlib.asynccontextmanager
    async def over(self, relay: Relay) -> AsyncIterator["Place"]:
        """Be behind a network while the block runs."""
        port = urlsplit(relay.url).port
        url = self.url.replace(f":{relay.target}", f":{port}")
        async with open_broker(Settings(bus_url=url)) as claims:  # type: ignore[arg-type]
            yield replace(self, claims=claims, url=url)

    @contextlib.asynccontextmanager
    async def pool(self, assistant: str, *tasks: str, **settings: Any) -> AsyncIterator[Pool]:
        """Run a pool while the block runs."""
        recipe = ASSISTANTS[assistant]
        async with running_pool(self.settings(**settings), ASSISTANTS, recipe, tasks) as pool:
            yield pool


@contextlib.asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    """Run a Redis while the block runs; nothing may be left on it."""
    async with redis_server(folder) as server:
        async with open_broker(Settings(bus_url=server.url)) as claims:  # type: ignore[arg-type]
            yield Place(server, claims, server.url)
        await within(_nothing_left(server), LEFT_TIMEOUT_S)


async def _nothing_left(server: RedisServer) -> None:
    while await server.keys():  # noqa: ASYNC110  # what a killed pool had offered vanishes by itself
        await asyncio.sleep(0.1)
