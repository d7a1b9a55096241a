"""A server with an assistant to measure, and what it shows."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as families

from agents import Assistants
from app.caller.assistants import RemoteAssistant
from app.server import running_server
from app.server.serving import SessionServer
from app.settings import Settings
from tests.agents.talking import Talk, talking
from tests.app.server.recipes import RECIPES
from tests.app.telemetry.desk import FAREWELL, FOUND, GREETING, TAKEN_OVER, desk
from tests.proxy.conversation import within

TOKEN = "a-token-of-the-tests"
ADMIN = "an-admin-of-the-tests"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@dataclass
class Served:
    """A server.

    Attributes:
        address: Its address.
        server: The server.
    """

    address: str
    server: SessionServer

    @contextlib.asynccontextmanager
    async def talking(self, **options: Any) -> AsyncIterator[Talk]:
        """Talk to the desk while the block runs, until nothing of the session is left."""
        side = RemoteAssistant(f"{self.address}/ws/desk", token=TOKEN)
        async with talking(side, **options) as talk:
            yield talk
        await within(self.server.sessions.wait_empty())

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for something."""
        url = self.address.replace("ws://", "http://") + path
        async with httpx.AsyncClient() as client:
            return await client.get(url, headers=headers)

    async def scrape(self, accept: str = "text/plain") -> dict[str, Metric]:
        """Give every metric by name."""
        found = await self.get("/metrics", authorization=f"Bearer {ADMIN}", accept=accept)
        assert found.status_code == 200
        parse = open_metrics if "openmetrics" in accept else families
        return {family.name: family for family in parse(found.text)}


def names(metrics: dict[str, Metric]) -> set[str]:
    """Name every sample of ours."""
    found = {sample.name for family in metrics.values() for sample in family.samples}
    return {name for name in found if name.startswith("trunkline_")}


def value(metrics: dict[str, Metric], name: str, **labels: str) -> float:
    """Add up the samples of a name that have these labels."""
    return sum(
        sample.value
        for family in metrics.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@contextlib.asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[Served]:
    """Run a server while the block runs."""
    given = {
        **{"port": 0, "host": "127.0.0.1", "default_assistant": "desk"},
        **{"tokens": TOKEN, "admin_tokens": ADMIN},
    }
    assistants = Assistants([desk, *RECIPES])
    async with running_server(Settings(**{**given, **settings}), assistants) as (address, server):
        yield Served(address, server)


async def whole_conversation(served: Served) -> Talk:
    """Do everything once: ask, hand over, say goodbye."""
    async with served.talking() as talk:
        await talk.hear(GREETING)
        await talk.ask("which bird?", FOUND)
        await talk.ask("the office please", TAKEN_OVER)
        await talk.ask("bye", FAREWELL)
    assert talk.problems == []
    return talk
