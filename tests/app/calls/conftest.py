"""A server that hosts calls, with ears or without."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pipecat.processors.filters.identity_filter import IdentityFilter

from agents import Assistants, discover
from app.services import Roles
from tests.app.calls.pages import Page, socket_page, webrtc_page
from tests.app.server.identity.asking import Asking, asking
from tests.app.server.recipes import RECIPES

Pages = Callable[..., AbstractAsyncContextManager[Page]]


@pytest.fixture(scope="session")
def assistants() -> Assistants:
    return Assistants([*discover().values(), *RECIPES])


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the recogniser, which takes seconds to load, where nobody speaks."""

    def stt(self: Roles, phrases: tuple[str, ...] = ()) -> Any:
        return IdentityFilter()

    monkeypatch.setattr(Roles, "stt", stt)


@pytest.fixture
async def server(assistants: Assistants) -> AsyncIterator[Asking]:
    async with asking(assistants) as server:
        yield server


@pytest.fixture(params=["websocket", "webrtc"])
def pages(request: pytest.FixtureRequest) -> Pages:
    """Both ways in which a page calls."""
    return {"websocket": socket_page, "webrtc": webrtc_page}[request.param]


def ends(server: Asking) -> list[str]:
    """Return how the calls of a server ended."""
    return [end for _, end in server.server.state.calls.ended.elements()]
