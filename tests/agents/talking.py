"""Talking to assistants step by step: say something, and wait until certain words are heard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agents import Assistants, Recipe
from app.brokers import open_broker
from app.caller.assistants import AssistantSide, RemoteAssistant
from app.caller.local import LocalAssistant
from app.caller.pooled import PooledAssistant
from app.caller.typed import TypedConversation, TypedResult
from app.pool.serving import running_pool
from app.pool.share import share_of
from app.server import running_server
from app.server.building import Builder
from app.services import Roles
from app.settings import Settings
from proxy.bus.claims import Claims
from tests.brokers.redis import redis_server
from tests.proxy.conversation import within

TOKEN = "a-token-of-the-tests"

# A busy machine is slow; an assistant that says nothing would never say it.
HEAR_TIMEOUT_S = 40.0

# Options for talking to who neither greets nor says goodbye.
CURT: Mapping[str, Any] = {"greeting_timeout_s": 0.01, "farewell_timeout_s": 0.01}


class Placement(StrEnum):
    """Where an assistant is."""

    HERE = "in process"
    TRUNK = "behind a URL"
    BROKER = "on a broker"
    SPREAD = "spread over a broker"  # every task in a pool of its own


@dataclass
class Placed:
    """Assistants in a place.

    Attributes:
        placement: The place.
        roles: Makes services for a caller, and for assistants in this process.
        address: The server's address; "" where there is none.
        claims: The broker; None where there is none.
    """

    placement: Placement
    roles: Roles
    assistants: Assistants
    address: str = ""
    claims: Claims | None = None

    def side(self, name: str, *, has_screen: bool = False) -> AssistantSide:
        """Return the assistant's side of a new conversation.

        Args:
            name: The assistant's name.
            has_screen: Whether the caller wants what is for a screen.
        """
        recipe = self.assistants[name]
        if self.placement is Placement.HERE:
            return LocalAssistant(recipe, self.roles, has_screen=has_screen)
        if self.claims is not None:
            where = "the broker"
            return PooledAssistant(self.claims, name, recipe, where=where, has_screen=has_screen)
        return RemoteAssistant(self.url(name), token=TOKEN, has_screen=has_screen)

    def url(self, name: str) -> str:
        """Return where an assistant is, behind a URL."""
        return f"{self.address}/ws/{name}"


@contextlib.asynccontextmanager
async def placed(
    placement: Placement, *recipes: Recipe, settings: Settings | None = None
) -> AsyncIterator[Placed]:
    """Offer assistants in a place while the block runs.

    Args:
        placement: The place.
        *recipes: The assistants.
        settings: Whose services they use; embedded ones by default.
    """
    settings = settings or Settings()
    assistants = Assistants(recipes)
    async with contextlib.AsyncExitStack() as stack:
        address, claims = "", None
        if placement in (Placement.BROKER, Placement.SPREAD):
            claims = await stack.enter_async_context(_pools(placement, settings, assistants))
        if placement is Placement.TRUNK:
            update = {"port": 0, "host": "127.0.0.1", "tokens": (TOKEN,)}
            serving = Settings(**{**settings.model_dump(), **update})
            address, _ = await stack.enter_async_context(running_server(serving, assistants))
        roles = await stack.enter_async_context(Roles.open(settings, assistants))
        yield Placed(placement, roles, assistants, address, claims)


@contextlib.asynccontextmanager
async def _pools(
    placement: Placement, settings: Settings, assistants: Assistants
) -> AsyncIterator[Claims]:
    """Serve assistants on a Redis while the block runs; nothing may be left on it."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = await stack.enter_async_context(redis_server(folder))
        serving = Settings(**{**settings.model_dump(), "bus_url": server.url})
        async with contextlib.AsyncExitStack() as pools:
            for recipe in assistants.values():
                for tasks in await _shares(placement, serving, assistants, recipe):
                    pool = running_pool(serving, assistants, recipe, tasks)
                    await pools.enter_async_context(pool)
            yield await pools.enter_async_context(open_broker(serving))
        assert await server.keys() == []


async def _shares(
    placement: Placement, settings: Settings, assistants: Assistants, recipe: Recipe
) -> list[list[str]]:
    """Tell which tasks each pool is to have."""
    if placement is Placement.BROKER:
        return [[]]
    async with Roles.open(settings, assistants) as roles:
        share = await share_of(recipe, (), roles, Builder(), timeout_s=HEAR_TIMEOUT_S)
    return [[task] for task in share.all_tasks]


@dataclass
class Talk:
    """A typed conversation; also the screen that it is shown on.

    Attributes:
        said: Everything that the assistant said.
        tools: The tools that it called, with their arguments.
        problems: What failed.
        jobs: What became of jobs, where the side has a screen.
    """

    said: str = ""
    tools: list[tuple[str, object]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    jobs: list[Mapping[str, Any]] = field(default_factory=list)
    result: TypedResult | None = None
    _heard: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _lines: "asyncio.Queue[str | None]" = field(default_factory=asyncio.Queue)

    def text(self, text: str) -> None:
        self.said += text
        self._news.set()

    def tool(self, name: str, arguments: object) -> None:
        self.tools.append((name, arguments))
        self._news.set()

    def job(self, news: Mapping[str, Any]) -> None:
        self.jobs.append(news)
        self._news.set()

    def turn_over(self) -> None:
        self.said += "\n"
        self._news.set()

    def problem(self, text: str) -> None:
        self.problems.append(text)

    @property
    def tools_called(self) -> list[str]:
        return [name for name, _ in self.tools]

    async def hear(self, words: str) -> None:
        """Wait until the assistant has said certain words, after those that were waited for."""
        try:
            async with asyncio.timeout(HEAR_TIMEOUT_S):
                while (place := self.said.find(words, self._heard)) < 0:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"{words!r} was not said, but: {self.said[self._heard :]!r}"
            ) from None
        self._heard = place + len(words)

    async def say(self, text: str) -> None:
        """Say something, when the assistant has finished; or at once, if that was asked for."""
        await self._lines.put(text)

    async def ask(self, text: str, words: str) -> None:
        """Say something and wait for the answer."""
        await self.say(text)
        await self.hear(words)

    async def lines(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            yield line

    def hang_up(self) -> None:
        self._lines.put_nowait(None)


@contextlib.asynccontextmanager
async def talking(side: AssistantSide, **options: Any) -> AsyncIterator[Talk]:
    """Talk to an assistant while the block runs, then hang up unless it does so first."""
    talk = Talk()
    conversation = TypedConversation(side, talk, **{"may_interrupt": False, **options})
    holding = asyncio.create_task(conversation.hold(talk.lines()))
    try:
        yield talk
        talk.hang_up()
        talk.result = await within(holding, 60)
    finally:
        holding.cancel()
        await asyncio.wait({holding})
