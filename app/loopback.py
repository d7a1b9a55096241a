"""A small HTTP server inside this process, on a loopback port of its own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from app.errors import ServiceError

# A server with embedded services starts within a second; longer means that it never will.
START_TIMEOUT_S = 60.0


class EmbeddedServer(uvicorn.Server):
    """A uvicorn server that leaves the process's signals alone.

    Attributes:
        listening: Set once it takes connections.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        """Prepare; see `uvicorn.Server`."""
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing: whoever started this server also stops it."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening and say so.

        Args:
            sockets: Sockets that are bound already.
        """
        await super().startup(sockets)
        self.listening.set()


async def started(server: EmbeddedServer, serving: "asyncio.Task[None]") -> None:
    """Wait until a server takes connections.

    Args:
        server: The server.
        serving: The task that runs it.

    Raises:
        ServiceError: If it stopped, or did not start in time.
    """
    listening = asyncio.create_task(server.listening.wait())
    waiting: set[asyncio.Task[Any]] = {listening, serving}
    await asyncio.wait(waiting, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    if serving.done():
        serving.result()
    if not server.listening.is_set():
        raise ServiceError("the server did not start; its message is above")


@contextlib.asynccontextmanager
async def serve_on_loopback(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application on a free loopback port while the block runs.

    Args:
        app: The application.

    Yields:
        The base URL, for example `http://127.0.0.1:40123`.

    Raises:
        ServiceError: If the server does not start.
    """
    # Without the protocol's name, asyncio does not turn Nagle's algorithm off.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = EmbeddedServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="loopback-server")
    try:
        await started(server, serving)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.shield(serving)
        listener.close()
