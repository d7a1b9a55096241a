"""Running the session server: listening, signals, and an end that tells every caller."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI
from uvicorn import Config

from agents import Assistants
from app.errors import AppError
from app.loopback import EmbeddedServer, started
from app.loops import log_loop
from app.server.factory import create_app
from app.server.garbage import collecting_rarely
from app.server.http_protocol import MAX_HEADER_BYTES, DoorProtocol
from app.server.state import ServerState
from app.server.stopping import LEAVE_TIMEOUT_S, leave, stop_on_signals
from app.server.table import SessionTable
from app.server.websocket_protocol import LineProtocol
from app.settings import Settings

# How long uvicorn may take to close what is left after every session has ended.
SHUTDOWN_TIMEOUT_S = 1

# A caller that vanished without a word is noticed after two of these.
PING_INTERVAL_S = 5.0


class SessionServer(EmbeddedServer):
    """A uvicorn server whose sessions end before its sockets do.

    uvicorn closes WebSockets with 1012 before the application hears of the shutdown. Here the
    sessions are drained first, and only then is uvicorn told to stop.

    Attributes:
        stopped: Set when the sessions are drained and the server is about to close.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        """Configure uvicorn for long-lived sockets that carry untrusted messages.

        Args:
            app: The application of `create_app`.
            settings: The settings.
        """
        super().__init__(
            Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                http=DoorProtocol,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                ws=LineProtocol,
                ws_max_size=settings.max_message_bytes,
                ws_per_message_deflate=False,
                ws_ping_interval=PING_INTERVAL_S,
                ws_ping_timeout=PING_INTERVAL_S,
                timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
            )
        )
        self._app = app
        self.stopped = asyncio.Event()
        self._drain_timeout_s = settings.drain_timeout_s
        self._draining: asyncio.Task[None] | None = None

    @property
    def state(self) -> ServerState:
        """The parts of this server; there are none before it listens."""
        state: ServerState = self._app.state.server
        return state

    @property
    def sessions(self) -> SessionTable:
        """The sessions of this server; there is none before it listens."""
        return self.state.sessions

    def stop(self) -> None:
        """Drain and stop; may be called again."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name="drain")

    async def _drain(self) -> None:
        try:
            self.state.room.close()
            await self.sessions.drain(self._drain_timeout_s)
        finally:
            self.should_exit = True
            self.stopped.set()


@contextlib.asynccontextmanager
async def running_server(
    settings: Settings, assistants: Assistants
) -> AsyncIterator[tuple[str, SessionServer]]:
    """Serve while the block runs; drains and stops afterwards.

    Args:
        settings: The settings.
        assistants: The assistants to host.

    Yields:
        The server's address, for example `ws://127.0.0.1:8765`, and the server.

    Raises:
        AppError: If the port cannot be had, or the server does not start.
    """
    server = SessionServer(create_app(settings, assistants), settings)
    listener = _listen(settings)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="serve")
    try:
        await started(server, serving)
        server.state.request_drain = server.stop
        yield _address(settings, listener), server
    finally:
        server.stop()
        await asyncio.shield(serving)
        listener.close()


async def serve(
    settings: Settings, assistants: Assistants, *, on_listening: Callable[[str], None]
) -> None:
    """Serve until told to stop by SIGINT, SIGTERM or an administrator, and end the process with 0.

    Does not return: the process ends within `drain_timeout_s` and `LEAVE_TIMEOUT_S`, after every
    caller was told, whatever the assistants are doing. To serve in a process that lives on, use
    `running_server`.

    Args:
        settings: The settings.
        assistants: The assistants to host.
        on_listening: Called with the address of the server once it takes callers.

    Raises:
        AppError: If the port cannot be had, or the server does not start.
    """
    log_loop()
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    timeout_s = settings.drain_timeout_s + LEAVE_TIMEOUT_S

    def stop() -> None:
        loop.call_soon_threadsafe(asked.set)

    with stop_on_signals(stop, timeout_s) as begin:
        async with (
            running_server(settings, assistants) as (address, server),
            collecting_rarely(lambda: len(server.sessions) == 0),
        ):
            server.state.request_drain = begin
            on_listening(address)
            await asked.wait()
        leave()


def _listen(settings: Settings) -> socket.socket:
    host = settings.listen_host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named. With it, a message that
    # follows another waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, settings.port))
    except OSError as error:
        listener.close()
        raise AppError(f"cannot listen on {host}:{settings.port}: {error.strerror}") from None
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    host = settings.listen_host
    shown = f"[{host}]" if ":" in host else host
    return f"ws://{shown}:{port}"
