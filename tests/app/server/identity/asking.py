"""Asking a server, with one credential or another."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from websockets.asyncio.client import connect

from agents import Assistants
from app.server import running_server
from app.server.serving import SessionServer
from app.settings import Settings
from tests.app.server.test_door import refusal
from tests.proxy.conversation import within


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Asking:
    """A server, and whoever asks it."""

    def __init__(self, url: str, server: SessionServer, client: httpx.AsyncClient) -> None:
        self.url = url
        self.server = server
        self.client = client

    async def code(self, token: str | None, assistant: str = "parrot") -> str:
        """Return what a WebSocket is refused with."""
        headers = {} if token is None else bearer(token)
        answer = await refusal(f"{self.url}/ws/{assistant}", headers)
        assert answer.json()["status"] == answer.status_code
        return f"{answer.status_code} {answer.json()['code']}"

    async def enters(self, token: str, assistant: str = "parrot") -> str:
        """Open a session, and return the name of whose it is."""
        return await self.enters_at(f"{self.url}/ws/{assistant}", bearer(token))

    async def enters_at(self, address: str, headers: dict[str, str] | None = None) -> str:
        async with connect(address, additional_headers=headers) as socket:
            await within(socket.recv())
            (session,) = self.server.sessions
            name = session.caller.principal
        await within(self.server.sessions.wait_empty())
        return name

    async def listed(self, token: str) -> set[str]:
        """Return the assistants that a principal is told of."""
        answer = await self.client.get("/v1/assistants", headers=bearer(token))
        return {entry["name"] for entry in answer.json()}


@contextlib.asynccontextmanager
async def asking(assistants: Assistants, **settings: Any) -> AsyncIterator[Asking]:
    """Start a server and a client of it."""
    options: dict[str, Any] = {"port": 0, "host": "127.0.0.1", **settings}
    async with (
        running_server(Settings(**options), assistants) as (url, server),
        httpx.AsyncClient(base_url=url.replace("ws://", "http://")) as client,
    ):
        yield Asking(url, server, client)
