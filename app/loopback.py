"""A small HTTP server inside this process, on a loopback port of its own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from loguru import logger

from app.errors import ServiceError

# A server with embedded services starts within a second; longer means that it never will.
START_TIMEOUT_S = 60.0


class _Reporting:
    """An application whose start and end leave a record when they fail.

    uvicorn is told of such a failure in one text, which no log may hold.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["type"] == "lifespan":
                logger.opt(exception=error).error("The server could not start, or end")
            raise


class EmbeddedServer(uvicorn.Server):
    """A uvicorn server that leaves the process's signals alone.

    Attributes:
        listening: Set once it takes connections.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        """Prepare; see `uvicorn.Server`."""
        config.app = _Reporting(config.app)
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing: whoever started this server also stops it."""
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop.

        Args:
            sockets: Sockets that are bound already.

        Raises:
            ServiceError: If the application or a socket cannot be started; uvicorn itself would end
                the process from inside of it.
        """
        try:
            await super().serve(sockets)
        except SystemExit:
            raise ServiceError("the server did not start; its message is above") from None

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


class LoopbackServer:
    """An ASGI application on a free loopback port, served in the background.

    Its port takes connections as soon as it is made: they wait until it is served.

    Attributes:
        url: The base URL, for example `http://127.0.0.1:40123`.
    """

    def __init__(self, app: Any) -> None:
        """Take a port; nothing is served yet.

        Args:
            app: The application.
        """
        # Without the protocol's name, asyncio does not turn Nagle's algorithm off.
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = EmbeddedServer(config)
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Serve from now on, unless it was stopped already; on the event loop."""
        if self._server.should_exit:
            return
        serving = self._server.serve(sockets=[self._listener])
        self._serving = asyncio.create_task(serving, name="loopback-server")

    async def started(self) -> None:
        """Wait until it is served.

        Raises:
            ServiceError: If the server does not start.
        """
        assert self._serving is not None
        await started(self._server, self._serving)

    async def stop(self) -> None:
        """Stop serving and give the port back."""
        self._server.should_exit = True
        if self._serving is not None:
            await asyncio.shield(self._serving)
        self._listener.close()


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
    server = LoopbackServer(app)
    server.start()
    try:
        await server.started()
        yield server.url
    finally:
        await server.stop()
