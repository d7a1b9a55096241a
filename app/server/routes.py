"""The addresses of the session server."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Security, WebSocket
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect

from agents import Recipe
from app.processes.condition import ProcessState
from app.server.admission import Place, Slot, wait_for_slot, wants_to_wait
from app.server.admission.slots import FULL, RETRY_S
from app.server.caller import Caller
from app.server.identity import Principal
from app.server.metadata import metadata_of
from app.server.problems import FRAMEWORK_PROBLEMS, problems
from app.server.refusal import Refusal, TurnedAwayError
from app.server.session import Session
from app.server.state import ServerState, state_of
from app.server.together.joining import Waiter
from proxy import CloseCode, LineError, LinkClosedError
from proxy.arrival import Arrival, arrive
from proxy.close_codes import reason_for
from proxy.wire import SCREEN_HEADER, SESSION_HEADER

router = APIRouter()

# What comes after every other route.
nowhere = APIRouter()

# A draining server is replaced soon.
NOTHING_HERE = Refusal(HTTPStatus.NOT_FOUND, *FRAMEWORK_PROBLEMS[HTTPStatus.NOT_FOUND])
NO_ASSISTANT = Refusal(HTTPStatus.NOT_FOUND, "no_assistant", "there is no such assistant here")
DRAINING = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "draining", "the server is going away", RETRY_S)

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


class Readiness(Health):
    """Whether the server takes callers.

    Attributes:
        processes: How each of its processes is, by its place.
    """

    processes: dict[str, str]


# Only described here; the door reads the header itself, of WebSockets too.
Described = Annotated[
    object,
    Security(
        HTTPBearer(scheme_name="bearer", description="A token of ours, or a JWT.", auto_error=False)
    ),
]


async def admitted(connection: HTTPConnection, state: State, _: Described) -> Principal:
    """Let nobody in without a valid token."""
    return await state.door.admit(connection)


Admitted = Annotated[Principal, Depends(admitted)]


# Balancers ask with HEAD.
@router.head("/livez", include_in_schema=False)
@router.get("/livez")
async def live() -> Health:
    """Tell that the process answers."""
    return Health(status="alive")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def ready(state: State) -> JSONResponse:
    """Tell whether new sessions are taken: by one process of the server at least."""
    now = asyncio.get_running_loop().time()
    readiness = state.readiness(now)
    said = Readiness(status=readiness, processes=dict(state.processes(now)))
    taken = readiness is ProcessState.READY
    return JSONResponse(
        said.model_dump(), HTTPStatus.OK if taken else HTTPStatus.SERVICE_UNAVAILABLE
    )


@router.get("/v1/assistants", responses=problems(401, 403, 429, 503))
async def assistants(state: State, principal: Admitted) -> list[AssistantInfo]:
    """List the assistants that this server hosts and the caller may open."""
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
        if principal.may_open(recipe.name)
    ]


@dataclass(frozen=True)
class _LetIn:
    """Somebody who was let in.

    Attributes:
        recipe: Whom they talk to.
        caller: Who they are.
        slot: What they take a session with.
        place: Where they wait for one; None for both if they come back.
        said_hello: To be called once they have said hello, or never will.
    """

    recipe: Recipe
    caller: Caller
    slot: Slot | None = None
    place: Place | None = None
    said_hello: Callable[[], None] = lambda: None


@router.websocket("/ws")
@router.websocket("/ws/{assistant}")
async def session(websocket: WebSocket, state: State, assistant: str | None = None) -> None:
    """Hold one session with an assistant, or carry on with one over a new connection."""
    try:
        let_in = await _let_in(websocket, state, assistant)
    except TurnedAwayError as turned_away:
        await websocket.send_denial_response(state.turned_away(turned_away.refusal))
        return
    if let_in is None:
        return
    place, returning = let_in.place, _returning(websocket)
    held = state.new_session(let_in.recipe, let_in.caller)
    if let_in.slot is not None:
        state.sessions.add(held, let_in.slot)
    try:
        try:
            arrival = await _hear(websocket, held)
        finally:
            let_in.said_hello()
        returning = returning or arrival.returning
        if place is not None and not returning:
            waited = Waiter(place, let_in.caller, websocket.scope, arrival)
            if not await _wait(state, waited, held):
                return
    except (LineError, TimeoutError):
        state.sessions.remove(held)
        return
    except BaseException:
        state.sessions.remove(held)
        raise
    finally:
        if place is not None:
            state.room.leave(place)
    if returning:
        # Before the connection is over, which may be in hours.
        state.sessions.remove(held)
        await state.take_back(arrival, let_in.caller.principal)
        return
    await state.sessions.run(held, arrival)


@nowhere.websocket("/{path:path}")
async def nothing(websocket: WebSocket, state: State, path: str) -> None:
    """Say that no WebSocket is here; without an answer it would look like a wrong token."""
    await websocket.send_denial_response(state.turned_away(NOTHING_HERE))


def _returning(websocket: WebSocket) -> bool:
    return SESSION_HEADER in websocket.headers


async def _hear(websocket: WebSocket, held: Session) -> Arrival:
    """Accept a caller and hear its hello, unless its session is to end before it says so."""
    hearing = asyncio.create_task(arrive(websocket))
    try:
        await held.until_over(hearing)
    finally:
        hearing.cancel()
        await asyncio.wait({hearing})
    if not hearing.cancelled():
        return hearing.result()
    code = held.ending_with or CloseCode.GOING_AWAY
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await websocket.close(code, reason_for(code))
    raise LinkClosedError(code)


async def _wait(state: ServerState, waiter: Waiter, held: Session) -> bool:
    """Wait with a caller for its slot; tells whether it has one here."""
    place, link = waiter.place, waiter.arrival.link
    loop = asyncio.get_running_loop()
    deadline = loop.time() + state.settings.wait_timeout_s
    while True:
        slot = await wait_for_slot(state.room, place, link, deadline - loop.time())
        if slot is None:
            return False
        if isinstance(slot, int) and await state.peers.take_in(waiter, slot):
            return False
        if state.sessions.draining:
            if isinstance(slot, Slot):
                slot.release()
            await link.close(CloseCode.GOING_AWAY)
            return False
        if isinstance(slot, Slot):
            break
        state.room.come_back(place)
    held.started_at = time.monotonic()
    state.sessions.add(held, slot)
    return True


async def _let_in(websocket: WebSocket, state: ServerState, assistant: str | None) -> _LetIn | None:
    """Let somebody in, before the socket is accepted; None if another process has to.

    Raises:
        TurnedAwayError: If they may not come in.
    """
    returning = _returning(websocket)
    if not returning and state.hand_on(websocket):
        return None  # before its ticket is taken, which is good once
    principal, recipe = await _admit(websocket, state, assistant)
    traceparent = websocket.headers.get("traceparent")
    has_screen = websocket.headers.get(SCREEN_HEADER) == "1"
    caller = Caller(principal.name, metadata_of(websocket), traceparent, has_screen)
    if returning:
        # Who comes back has a slot.
        return _LetIn(recipe, caller, said_hello=state.returning.enter(principal))
    if state.hand_on(websocket):
        return None  # looking at a JWT may have taken a while; looking at a ticket takes none
    return _LetIn(recipe, caller, *_reserve(websocket, state, principal, recipe))


async def _admit(
    websocket: WebSocket, state: ServerState, assistant: str | None
) -> tuple[Principal, Recipe]:
    name = assistant or state.settings.default_assistant
    principal = await state.door.admit_to(websocket, name)
    recipe = state.assistants.get(name)
    if recipe is None:
        raise TurnedAwayError(NO_ASSISTANT)
    if state.sessions.draining:
        raise TurnedAwayError(DRAINING)
    return principal, recipe


def _reserve(
    websocket: WebSocket, state: ServerState, principal: Principal, recipe: Recipe
) -> tuple[Slot | None, Place | None]:
    """Take a slot, or a place in the waiting room."""
    if not state.builder.can_build(recipe):
        raise TurnedAwayError(FULL)
    try:
        return state.slots.reserve(principal, recipe.name), None
    except TurnedAwayError as turned_away:
        full = turned_away.refusal.status == HTTPStatus.SERVICE_UNAVAILABLE
        if not full or not wants_to_wait(websocket) or not state.settings.max_waiting_callers:
            raise
    return None, state.room.enter(principal, recipe.name)
