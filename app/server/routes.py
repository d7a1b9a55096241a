"""The addresses of the session server."""

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, WebSocket
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from agents import Recipe
from app.server.metadata import metadata_of
from app.server.refusal import Refusal, TurnedAwayError
from app.server.session import Caller, Session, SessionLimits
from app.server.state import ServerState, state_of
from app.settings import Settings
from proxy import LineError
from proxy.arrival import arrive
from proxy.wire import SESSION_HEADER

router = APIRouter()

# A conversation lasts minutes, so a slot is free again soon; a draining server is replaced soon.
BUSY_RETRY_S = 5

_NO_ASSISTANT = Refusal(HTTPStatus.NOT_FOUND, "no_assistant", "there is no such assistant here")
_DRAINING = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "draining", "the server is going away", BUSY_RETRY_S
)
_FULL = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "full", "the server has no session to spare", BUSY_RETRY_S
)

State = Annotated[ServerState, Depends(state_of)]


class AssistantInfo(BaseModel):
    """What `/v1/assistants` tells of one assistant.

    Attributes:
        name: The last part of its address.
        description: One line for people.
        tasks: The tasks that a caller may address, the one to activate first.
        phrases: What callers say, for recognisers that can be taught.
        speaks: Whether its tasks send sound, so that a caller needs no voice.
        default: Whether it is the one behind `/ws`.
    """

    name: str
    description: str
    tasks: list[str]
    phrases: list[str]
    speaks: bool
    default: bool


class Health(BaseModel):
    """What the health addresses tell."""

    status: str


def admitted(connection: HTTPConnection, state: State) -> str:
    """Let nobody in without a valid token; gives the caller's name."""
    return state.door.admit(connection)


@router.get("/livez")
async def live() -> Health:
    """Tell that the process answers."""
    return Health(status="alive")


@router.get("/readyz", responses={503: {"model": Health}})
async def ready(state: State) -> JSONResponse:
    """Tell whether new sessions are taken."""
    if state.sessions.draining:
        return JSONResponse({"status": "draining"}, HTTPStatus.SERVICE_UNAVAILABLE)
    if state.lag.stalled(asyncio.get_running_loop().time()):
        return JSONResponse({"status": "stalled"}, HTTPStatus.SERVICE_UNAVAILABLE)
    return JSONResponse({"status": "ready"})


@router.get("/v1/assistants")
async def assistants(
    state: State, principal: Annotated[str, Depends(admitted)]
) -> list[AssistantInfo]:
    """List the assistants that this server hosts."""
    return [
        AssistantInfo(
            name=recipe.name,
            description=recipe.description,
            tasks=list(recipe.exports),
            phrases=list(recipe.phrases),
            speaks=recipe.speaks,
            default=recipe.name == state.settings.default_assistant,
        )
        for recipe in state.assistants.values()
    ]


@router.websocket("/ws")
@router.websocket("/ws/{assistant}")
async def session(websocket: WebSocket, state: State, assistant: str | None = None) -> None:
    """Hold one session with an assistant, or carry on with one over a new connection."""
    returning = SESSION_HEADER in websocket.headers
    try:
        caller, recipe = _admit(websocket, state, assistant, returning=returning)
    except TurnedAwayError as turned_away:
        await websocket.send_denial_response(state.turned_away(turned_away.refusal))
        return
    # The slot is taken before the socket is accepted. Who comes back has one.
    limits = _limits(state.settings)
    held = Session(recipe, caller, state.roles, limits, state.builder, metrics=state.metrics)
    if not returning:
        state.sessions.add(held)
    try:
        arrival = await arrive(websocket)
    except (LineError, TimeoutError):
        state.sessions.remove(held)
        return
    except BaseException:
        state.sessions.remove(held)
        raise
    if not arrival.returning and not returning:
        await state.sessions.run(held, arrival)
        return
    state.sessions.remove(held)
    await state.sessions.take_back(arrival, caller.principal)


async def on_turned_away(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that the door refused."""
    assert isinstance(error, TurnedAwayError)
    return state_of(request).turned_away(error.refusal)


def _admit(
    websocket: WebSocket, state: ServerState, assistant: str | None, *, returning: bool
) -> tuple[Caller, Recipe]:
    principal = state.door.admit(websocket)
    name = assistant or state.settings.default_assistant
    recipe = state.assistants.get(name)
    if recipe is None:
        raise TurnedAwayError(_NO_ASSISTANT)
    caller = Caller(principal, metadata_of(websocket))
    if state.sessions.draining:
        raise TurnedAwayError(_DRAINING)
    full = len(state.sessions) >= state.settings.max_sessions
    if not returning and (full or not state.builder.can_build(recipe)):
        raise TurnedAwayError(_FULL)
    return caller, recipe


def _limits(settings: Settings) -> SessionLimits:
    return SessionLimits(
        start_timeout_s=settings.start_timeout_s,
        max_message_bytes=settings.max_message_bytes,
        max_waiting_bytes=settings.max_waiting_bytes,
        window_bytes=settings.window_bytes,
        heartbeat_s=settings.heartbeat_s,
        resume_window_s=settings.resume_window_s,
    )
