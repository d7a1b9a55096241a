"""Running the session server: listening, signals, and an end that tells every caller."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial

from fastapi import FastAPI
from uvicorn import Config

from agents import Assistants
from app.loopback import EmbeddedServer, started
from app.loops import log_loop
from app.processes.listening import address_of, listen, near_address
from app.server.factory import create_app
from app.server.garbage import collecting_rarely
from app.server.http_protocol import MAX_HEADER_BYTES, DoorProtocol
from app.server.state import ServerState
from app.server.table import SessionTable
from app.server.together import Membership
from app.server.together.passing import Receiver
from app.server.websocket_protocol import LineProtocol
from app.settings import Settings
from app.stopping import LEAVE_TIMEOUT_S, leave, stop_on_signals
from proxy import CloseCode

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
        self._taking: set[asyncio.Task[None]] = set()
        self._unmade: set[socket.socket] = set()

    @property
    def state(self) -> ServerState:
        """The parts of this server; there are none before it listens."""
        state: ServerState = self._app.state.server
        return state

    @property
    def sessions(self) -> SessionTable:
        """The sessions of this server; there is none before it listens."""
        return self.state.sessions

    @property
    def unsettled(self) -> int:
        """How many connections there are that are of no session yet.

        Each may become one. What is only asked over HTTP is counted as long as it lasts, and so
        is a WebSocket whose session is in another process. A session without a WebSocket here, as
        of a hosted call or of a caller who was lost, makes up for one that waits for its session.
        """
        connections = self.server_state.connections
        doors = sum(isinstance(connection, DoorProtocol) for connection in connections)
        websockets = len(connections) - doors
        return len(self._unmade) + doors + max(0, websockets - len(self.sessions))

    def take(self, connection: socket.socket, request: bytes = b"") -> None:
        """Serve a connection that somebody else accepted.

        Args:
            connection: The connection.
            request: What came over it already.
        """
        self._unmade.add(connection)
        taking = asyncio.create_task(self._take(connection, request), name="take")
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)

    async def _take(self, connection: socket.socket, request: bytes) -> None:
        def protocol() -> asyncio.Protocol:
            return DoorProtocol(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
                request=request,
                on_made=partial(self._unmade.discard, connection),
            )

        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)
        except OSError:
            connection.close()  # the caller has gone
        finally:
            self._unmade.discard(connection)

    def hurry(self) -> None:
        """End every session at once, whatever is under way; callers are told so."""
        self.state.room.close()
        self.state.calls.end_all()
        self.sessions.end_all(CloseCode.GOING_AWAY)

    def stop(self) -> None:
        """Drain and stop; may be called again."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name="drain")

    async def _drain(self) -> None:
        try:
            state = self.state
            state.room.close()
            state.peers.leave()
            if state.membership is not None:
                state.membership.go(len(state.sessions), state.sessions.begun)
                # Who asks again asks a process that stays.
                for connection in list(self.server_state.connections):
                    if isinstance(connection, DoorProtocol):
                        connection.retire()
            # First what calls here have to say, as their assistants may be elsewhere.
            await asyncio.gather(
                state.calls.drain(self._drain_timeout_s),
                state.sessions.drain(self._drain_timeout_s),
            )
        finally:
            self.should_exit = True
            self.stopped.set()


@contextlib.asynccontextmanager
async def running_server(
    settings: Settings, assistants: Assistants, membership: Membership | None = None
) -> AsyncIterator[tuple[str, SessionServer]]:
    """Serve while the block runs; drains and stops afterwards.

    Args:
        settings: The settings.
        assistants: The assistants to host.
        membership: This process's place among several; None if it is the whole server. Then it has
            no port, and `SessionServer.take` gives it connections.

    Yields:
        The server's address, for example `ws://127.0.0.1:8765`, and the server.

    Raises:
        AppError: If the port cannot be had, or the server does not start.
    """
    server = SessionServer(create_app(settings, assistants, membership), settings)
    listeners = [listen(settings)] if membership is None else []
    serving = asyncio.create_task(server.serve(sockets=listeners), name="serve")
    receiver: Receiver | None = None
    try:
        await started(server, serving)
        server.state.request_drain = server.stop
        server.state.address = near_address(settings, listeners[0] if listeners else None)
        if membership is not None:
            receiver = Receiver(membership.passing_path(), server.take)
        yield "".join(address_of(one, settings) for one in listeners), server
    finally:
        server.stop()
        await asyncio.shield(serving)
        if receiver is not None:
            await receiver.close()
        for listener in listeners:
            listener.close()


async def serve(
    settings: Settings,
    assistants: Assistants,
    *,
    on_listening: Callable[[str], None],
    membership: Membership | None = None,
) -> None:
    """Serve until told to stop by SIGINT, SIGTERM or an administrator, and end the process with 0.

    Does not return: the process ends within `drain_timeout_s` and `LEAVE_TIMEOUT_S`, after every
    caller was told, whatever the assistants are doing. To serve in a process that lives on, use
    `running_server`. What SIGHUP does is up to whoever calls this.

    Args:
        settings: The settings.
        assistants: The assistants to host.
        on_listening: Called with the address of the server once it takes callers.
        membership: This process's place among several; None if it is the whole server.

    Raises:
        AppError: If the port cannot be had, or the server does not start.
    """
    log_loop()
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    serving: list[SessionServer] = []
    timeout_s = settings.drain_timeout_s + LEAVE_TIMEOUT_S

    def stop() -> None:
        loop.call_soon_threadsafe(asked.set)

    def hurry() -> None:
        for server in serving:
            loop.call_soon_threadsafe(server.hurry)

    with stop_on_signals(stop, hurry, timeout_s) as stopping:
        async with (
            running_server(settings, assistants, membership) as (address, server),
            collecting_rarely(lambda: len(server.sessions) == 0),
        ):
            serving.append(server)
            server.state.request_drain = stopping.begin
            if membership is not None:
                server.state.request_drain = membership.drain_all
                membership.listen(server, stopping)
            on_listening(address)
            await asked.wait()
        leave()
