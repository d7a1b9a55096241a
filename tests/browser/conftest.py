"""One browser and one server for all tests of a process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from pipecat.processors.filters.identity_filter import IdentityFilter
from playwright.async_api import Browser

from agents import Assistants, discover
from app.services import Roles
from tests.app.server.identity.asking import Asking, asking
from tests.browser.assistants import rude
from tests.browser.chromium import chromium, ensure_an_address
from tests.browser.microphone import Microphone
from tests.browser.visit import ROOT, Visit, visiting


@pytest.fixture(scope="session")
def assistants() -> Assistants:
    return Assistants([*discover().values(), rude])


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Microphone:
    return Microphone(tmp_path_factory.mktemp("microphone") / "heard.wav")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(microphone: Microphone) -> AsyncIterator[Browser]:
    ensure_an_address()
    async with chromium(microphone.path) as started:
        yield started


@pytest.fixture(autouse=True)
def this_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the code assistant reads, for one test: others follow in the same process."""
    monkeypatch.setenv("PROJECT_PATH", str(ROOT))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(assistants: Assistants) -> AsyncIterator[Asking]:
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            # Without it, `code` is not hosted.
            patch.setenv("PROJECT_PATH", str(ROOT))
            started = await stack.enter_async_context(asking(assistants))
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, server: Asking) -> AsyncIterator[Visit]:
    async with visiting(browser, http_of(server)) as opened:
        yield opened


def http_of(server: Asking) -> str:
    return server.url.replace("ws://", "http://")


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the recogniser, which takes seconds to load, where nobody speaks."""

    def stt(self: Roles, phrases: tuple[str, ...] = ()) -> Any:
        return IdentityFilter()

    monkeypatch.setattr(Roles, "stt", stt)
