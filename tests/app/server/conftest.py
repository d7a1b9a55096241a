"""A session server with the built-in assistants and a few that misbehave."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agents import Assistants, discover
from app.processes.ledger import Ledger
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


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """What the processes of a server share; nothing is in it."""
    made = Ledger.make(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["one-process", "several-processes"])
def shared(request: pytest.FixtureRequest) -> Ledger | None:
    """None where one process is the server, what they share where it is one of several."""
    if request.param == "one-process":
        return None
    found: Ledger = request.getfixturevalue("ledger")
    return found
