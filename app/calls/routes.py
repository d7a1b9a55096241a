"""The addresses of hosted calls."""

import asyncio
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response, WebSocket

from app.calls import peers
from app.calls.hosting import (
    NO_WEBRTC,
    admit_call,
    has_webrtc,
    make_call,
    parts_loaded,
    warm_up,
)
from app.calls.models import (
    Answer,
    Candidates,
    IceServer,
    Name,
    NewCall,
    Offer,
    Services,
    Taken,
    Told,
)
from app.server.creating import Invitation, base_of
from app.server.identity import Principal
from app.server.identity.tickets import LIFETIME_S, PARAMETER
from app.server.problems import problems
from app.server.refusal import TurnedAwayError
from app.server.routes import Admitted, State
from app.server.state import ServerState
from app.version import __version__

router = APIRouter()

Assistant = Annotated[Name | None, Query(description="The assistant; by default that of `/ws`.")]

SOCKET_PATH = "/v1/calls/socket"

_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/v1/services", responses=problems(401, 403, 429, 503))
async def services(state: State, _: Admitted, response: Response) -> Services:
    """Tell what a page needs to know before it calls."""
    settings = state.settings
    warm_up(state)
    response.headers.update(_NO_STORE)
    return Services(
        version=__version__,
        embedded=list(settings.embedded_roles),
        calls=settings.max_calls > 0,
        voice=settings.max_calls > 0 and has_webrtc(),
        ice_servers=[
            IceServer(
                urls=list(one.urls),
                username=one.username,
                credential=one.credential.get_secret_value() if one.credential else None,
            )
            for one in settings.ice_servers
        ],
    )


@router.post("/v1/calls", responses=problems(400, 401, 403, 404, 408, 413, 422, 429, 501, 503))
async def call(
    offer: Offer, state: State, principal: Admitted, assistant: Assistant = None
) -> Answer:
    """Answer a WebRTC offer: of a new call, or of one that makes its connection anew."""
    if not has_webrtc():
        raise TurnedAwayError(NO_WEBRTC)
    if offer.pc_id is not None:
        said = await peers.tell(state, offer.pc_id, Told(principal=principal.name, offer=offer))
        assert said is not None
        return said
    wanted = None if offer.request_data is None else offer.request_data.assistant
    return await _begin(state, principal, assistant or wanted, offer.sdp)


async def _begin(
    state: ServerState, principal: Principal, assistant: str | None, sdp: str
) -> Answer:
    recipe = admit_call(state, principal, assistant or state.settings.default_assistant)
    place = state.calls.reserve("webrtc")
    try:
        await parts_loaded()
        from app.calls.webrtc import hold, make_connection

        connection = make_connection(state.settings)
        try:
            answer = await connection.answer(sdp)
            held = make_call(state, principal, recipe)
        except BaseException:
            await connection.close()
            raise
    except BaseException:
        place.release()
        raise
    place.connection = connection
    state.calls.start(place, held, hold(held, connection))
    return Answer(sdp=answer, pc_id=held.id)


@router.patch("/v1/calls", responses=problems(400, 401, 403, 404, 408, 413, 422, 429, 501, 503))
async def candidates(more: Candidates, state: State, principal: Admitted) -> Taken:
    """Learn of further ways to reach the page of a call."""
    if not has_webrtc():
        raise TurnedAwayError(NO_WEBRTC)
    await peers.tell(state, more.pc_id, Told(principal=principal.name, candidates=more))
    return Taken()


@router.post(
    "/v1/calls/tickets",
    status_code=HTTPStatus.CREATED,
    responses=problems(400, 401, 403, 404, 408, 413, 422, 429, 501, 503),
)
async def ticket(
    wanted: NewCall, request: Request, response: Response, state: State, principal: Admitted
) -> Invitation:
    """Invite a page to call over a WebSocket, which speaks Pipecat's frames in protobuf."""
    name = wanted.assistant or state.settings.default_assistant
    admit_call(state, principal, name)
    state.calls.check()
    made = state.door.identity.tickets.issue(principal, name)
    response.headers.update(_NO_STORE)
    query = f"{PARAMETER}={made}&assistant={quote(name, safe='')}"
    return Invitation(
        url=f"{base_of(request, state.settings)}{SOCKET_PATH}?{query}",
        assistant=name,
        expires_in_s=LIFETIME_S,
    )


@router.websocket(SOCKET_PATH)
async def socket(websocket: WebSocket, state: State, assistant: str | None = None) -> None:
    """Hold a call over a WebSocket."""
    name = assistant or state.settings.default_assistant
    try:
        principal = await state.door.admit_to(websocket, name)
        recipe = admit_call(state, principal, name)
        place = state.calls.reserve("websocket")
    except TurnedAwayError as turned_away:
        await websocket.send_denial_response(state.turned_away(turned_away.refusal))
        return
    try:
        await parts_loaded()
        from app.calls.socket import hold

        held = make_call(state, principal, recipe)
        await websocket.accept()
    except BaseException:
        place.release()
        raise
    running = state.calls.start(place, held, hold(held, websocket))
    # The call ends by itself when its page is gone.
    await asyncio.wait({running})
