"""Putting the session server together."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from agents import Assistants
from app import __version__
from app.server.door import Door, Refusal
from app.server.routes import on_refusal, router
from app.server.state import ServerState
from app.services import Roles
from app.settings import Settings


def create_app(settings: Settings, assistants: Assistants) -> FastAPI:
    """Make the FastAPI application; its services live as long as its lifespan.

    Args:
        settings: The settings.
        assistants: The assistants to host.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Roles.open(settings, assistants) as roles:
            app.state.server = ServerState(settings, assistants, roles, Door(settings.tokens))
            yield
            await app.state.server.sessions.drain(settings.drain_timeout_s)

    app = FastAPI(
        title="Trunkline",
        summary="Voice assistants behind a URL.",
        version=__version__,
        lifespan=lifespan,
    )
    app.include_router(router)
    app.add_exception_handler(Refusal, on_refusal)
    return app
