"""Putting the session server together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI

from agents import Assistants
from app import __version__
from app.hosted import hosted
from app.server import docs, metrics, routes
from app.server.door import Door
from app.server.isolation import contain_exits
from app.server.refusal import TurnedAwayError
from app.server.state import ServerState
from app.services import Roles
from app.settings import Settings
from app.telemetry.tracing import flush_traces

# FastAPI's own telemetry, where it has any: it has the query of addresses and the text of
# exceptions in it, and may export past ours.
_NO_TELEMETRY: Any = dict.fromkeys(
    ("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False
)


def create_app(settings: Settings, assistants: Assistants) -> FastAPI:
    """Make the FastAPI application; its services live as long as its lifespan.

    Args:
        settings: The settings.
        assistants: The assistants to host, as far as they may be hosted.

    Raises:
        SettingsError: If the default assistant may not be.
    """
    assistants = hosted(settings, assistants)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        contain_exits(asyncio.get_running_loop())
        with contextlib.suppress(ImportError):
            # Nearly every assistant has a model; the first caller is not to wait for the import.
            from app.services import language_models  # noqa: F401
        async with Roles.open(settings, assistants) as roles:
            door = Door(settings.tokens, settings.allowed_origins)
            state = app.state.server = ServerState(settings, assistants, roles, door)
            async with state.lag.measuring():
                yield
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
    app.include_router(docs.router)
    app.include_router(metrics.router)
    app.add_exception_handler(TurnedAwayError, routes.on_turned_away)
    return app
