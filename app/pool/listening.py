"""What a pool tells an operator over HTTP: whether it lives, whether it takes callers, its metrics.

Callers come over the broker; nobody else has to reach this, so it is on loopback by default.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.exposition import choose_encoder
from uvicorn import Config

from app.loopback import EmbeddedServer, started
from app.pool.pool import Pool
from app.processes.condition import ProcessState
from app.processes.listening import address_of, listen
from app.server.door import Door
from app.server.http_protocol import MAX_HEADER_BYTES, DoorProtocol
from app.server.metrics import METRICS_PATH
from app.server.refusal import TurnedAwayError
from app.server.states import SessionState
from app.settings import Settings
from app.telemetry import LoopLag, ServerView
from app.telemetry.together import with_processes

# A pool whose broker is away takes nobody, and can do nothing about it.
AWAY = "broker_away"


def view_of(pool: Pool) -> ServerView:
    """Say what the metrics of a pool are read from.

    Args:
        pool: The pool.
    """
    return ServerView(
        assistants=(pool.share.recipe.name,),
        states=tuple(state for state in SessionState if state is not SessionState.ENDED),
        sessions=lambda: ((one.recipe.name, one.state) for one in pool.sessions),
        max_sessions=pool.max_sessions,
        draining=lambda: pool.sessions.draining,
        refusals={},
        resumes=pool.sessions.resumes,
    )


def create_pool_app(settings: Settings, pool: Pool, lag: LoopLag) -> FastAPI:
    """Make the FastAPI application.

    Args:
        settings: The settings.
        pool: What it tells of.
        lag: How late the event loop is.

    Raises:
        SettingsError: If a file that the settings name cannot be used.
    """
    door = Door(settings)
    app = FastAPI(openapi_url=None)
    pool.metrics.serve(view_of(pool))

    def condition() -> ProcessState:
        if pool.sessions.draining:
            return ProcessState.DRAINING
        stalled = lag.stalled(asyncio.get_running_loop().time())
        return ProcessState.STALLED if stalled else ProcessState.READY

    @app.get("/livez")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def ready() -> JSONResponse:
        status: str = condition()
        if status == ProcessState.READY and pool.broker_away:
            status = AWAY
        taken = status == ProcessState.READY
        return JSONResponse(
            {"status": status}, HTTPStatus.OK if taken else HTTPStatus.SERVICE_UNAVAILABLE
        )

    @app.get(METRICS_PATH)
    async def metrics(request: Request) -> Response:
        try:
            await door.admit_observer(request)
        except TurnedAwayError as turned_away:
            return turned_away.refusal.response()
        counts = {one.value: int(one is condition()) for one in ProcessState}
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        registry = with_processes(pool.metrics.registry, counts)
        return Response(encode(registry), headers={"Content-Type": content_type})

    return app


@contextlib.asynccontextmanager
async def telling(settings: Settings, pool: Pool) -> AsyncIterator[str | None]:
    """Tell of a pool while the block runs, if the settings name a port for it.

    Args:
        settings: The settings.
        pool: The pool.

    Yields:
        The address, for example `http://127.0.0.1:9101`; None without a port.

    Raises:
        AppError: If the port cannot be had.
    """
    if settings.pool_port is None:
        yield None
        return
    lag = LoopLag(settings.stall_timeout_s, pool.metrics.lag.observe)
    app = create_pool_app(settings, pool, lag)
    place = settings.model_copy(update={"host": settings.pool_host, "port": settings.pool_port})
    listener = listen(place)
    server = EmbeddedServer(
        Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            http=DoorProtocol,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            ws="none",
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="tell")
    try:
        async with lag.measuring():
            await started(server, serving)
            yield address_of(listener, place).replace("ws://", "http://")
    finally:
        server.should_exit = True
        await asyncio.wait({serving})
        listener.close()
