"""Two processes of one server, without the processes: both run here, behind one port."""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from agents import Assistants
from app.processes.ledger import Ledger
from app.server import running_server
from app.server.serving import SessionServer
from app.server.together import Membership
from app.settings import Settings
from tests.app.server.identity.asking import bearer
from tests.app.server.recipes import RECIPES
from tests.proxy.conversation import within

TOKEN, OTHERS_TOKEN = "the-token-of-the-caller", "the-token-of-another"
ADMIN = "an-admin-of-the-tests"


class Pair:
    """Two processes behind one port.

    Attributes:
        url: The port.
        to: Which of them gets the next connection.
        servers: Both.
        memberships: Their places.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        self.to = 0
        self.servers: list[SessionServer] = []
        self.memberships: list[Membership] = []
        self._listener = listener

    async def accept(self) -> None:
        """Hand out connections, as the parent does."""
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            self.servers[self.to].take(connection)

    async def ask(
        self, to: int, path: str, *, method: str = "GET", token: str = ADMIN, **options: Any
    ) -> httpx.Response:
        """Ask one of them."""
        self.to = to
        base = self.url.replace("ws://", "http://")
        async with httpx.AsyncClient(base_url=base, headers=bearer(token)) as client:
            return await client.request(method, path, **options)

    async def emptied(self) -> None:
        """Wait until neither has a session."""
        for server in self.servers:
            await within(server.sessions.wait_empty())


@contextlib.asynccontextmanager
async def two_processes(**further: Any) -> AsyncIterator[Pair]:
    """Run a pair while the block runs."""
    options: dict[str, Any] = {
        **{"host": "127.0.0.1", "tokens": f"{TOKEN},{OTHERS_TOKEN}", "admin_tokens": ADMIN},
        **further,
    }
    settings = Settings(**options)
    with (
        tempfile.TemporaryDirectory(prefix="tl-") as name,  # a socket's path is short
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        listener.setblocking(False)
        directory = Path(name)
        Ledger.make(directory).close()
        pair = Pair(listener)
        async with contextlib.AsyncExitStack() as stack:
            for place in range(2):
                member = Membership(place, directory, None, settings.stall_timeout_s)
                stack.callback(member.close)
                running = running_server(settings, Assistants(RECIPES), member)
                _, server = await stack.enter_async_context(running)
                pair.memberships.append(member)
                pair.servers.append(server)
            accepting = asyncio.create_task(pair.accept())
            try:
                yield pair
            finally:
                accepting.cancel()
                await asyncio.wait({accepting})
