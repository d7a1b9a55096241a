"""A session server with the built-in assistants and a few that misbehave."""

from collections.abc import AsyncIterator

import pytest

from agents import Assistants, discover
from app.server import running_server
from app.server.serving import SessionServer
from app.settings import Settings
from tests.app.server.quitters import QUITTERS
from tests.app.server.recipes import RECIPES

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="session")
def assistants() -> Assistants:
    return Assistants([*discover().values(), *RECIPES, *QUITTERS])


@pytest.fixture
def settings() -> Settings:
    return Settings(port=0, host="127.0.0.1", tokens=TOKEN, start_timeout_s=3.0)  # type: ignore[arg-type]


@pytest.fixture
async def running(
    settings: Settings, assistants: Assistants
) -> AsyncIterator[tuple[str, SessionServer]]:
    async with running_server(settings, assistants) as running:
        yield running


@pytest.fixture
def url(running: tuple[str, SessionServer]) -> str:
    return running[0]
