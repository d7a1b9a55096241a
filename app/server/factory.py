"""Putting the session server together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI

from agents import Assistants
from app.hosted import hosted
from app.server import creating, docs, metrics, routes
from app.server.admin import routes as admin
from app.server.bodies import BodyLimit
from app.server.door import Door
from app.server.isolation import contain_exits
from app.server.lifetime import Lifetimes
from app.server.problems import answer_with_problems
from app.server.state import ServerState
from app.server.together import Membership
from app.server.together.inside import answering_others
from app.services import Roles
from app.settings import Settings
from app.telemetry.tracing import flush_traces
from app.version import __version__

# FastAPI's own telemetry, where it has any: it has the query of addresses and the text of
# exceptions in it, and may export past ours.
_NO_TELEMETRY: Any = dict.fromkeys(
    ("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False
)


@contextlib.asynccontextmanager
async def _others(state: ServerState) -> AsyncIterator[None]:
    """Answer the other processes of the server, if there are any."""
    if state.membership is None:
        yield
        return
    async with answering_others(state, state.membership):
        yield


def create_app(
    settings: Settings, assistants: Assistants, membership: Membership | None = None
) -> FastAPI:
    """Make the FastAPI application; its services live as long as its lifespan.

    Args:
        settings: The settings.
        assistants: The assistants to host, as far as they may be hosted.
        membership: This process's place among several; None if it is the whole server.

    Raises:
        SettingsError: If the default assistant may not be, or if a file that the settings name
            cannot be used.
    """
    # They know the server, and the server knows them.
    from app.calls import routes as calls
    from app.calls.table import CallTable
    from app.page import routes as page

    assistants = hosted(settings, assistants)
    door = Door(settings, None if membership is None else membership.ledger)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        contain_exits(asyncio.get_running_loop())
        with contextlib.suppress(ImportError):
            # Nearly every assistant has a model; the first caller is not to wait for the import.
            from app.services import language_models  # noqa: F401
        async with Roles.open(settings, assistants) as roles:
            table = CallTable(settings.max_calls)
            state = app.state.server = ServerState(
                settings, assistants, roles, door, table, membership=membership
            )
            lifetimes = Lifetimes(
                state.sessions,
                idle_timeout_s=settings.idle_timeout_s,
                max_session_s=settings.max_session_s,
            )
            watching = asyncio.create_task(lifetimes.watch(), name="lifetimes")
            try:
                async with state.lag.measuring(), _others(state):
                    yield
            finally:
                watching.cancel()
                await door.identity.close()
                await flush_traces()

    app = FastAPI(
        title="Trunkline",
        summary="Voice assistants behind a URL.",
        version=__version__,
        lifespan=lifespan,
        telemetry=_NO_TELEMETRY,
        openapi_url=None,  # and with it FastAPI's own pages, which ask nobody for a token
    )
    app.include_router(routes.router)
    app.include_router(creating.router)
    app.include_router(admin.router)
    app.include_router(docs.router)
    app.include_router(metrics.router)
    app.include_router(calls.router)
    app.include_router(routes.nowhere)
    page.serve(app)
    app.add_middleware(BodyLimit)
    answer_with_problems(app)
    return app
