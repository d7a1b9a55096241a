"""What a process answers the other processes of its server, on a socket in their directory.

Whoever reaches that socket is this user; nobody else is asked for anything.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Depends, FastAPI, Query, WebSocket
from uvicorn import Config

from app.calls import peers as calls
from app.calls.models import Said, Told
from app.loopback import EmbeddedServer, started
from app.processes.condition import ProcessState
from app.processes.ledger import LedgerError
from app.server.admin import desk
from app.server.admin.models import Filters
from app.server.admission.slots import FULL
from app.server.http_protocol import DoorProtocol
from app.server.state import ServerState, state_of
from app.server.together import paths
from app.server.together.joining import JOIN_PATH, joining
from app.server.together.membership import Membership
from app.server.together.relay import PRINCIPAL_HEADER, RESUME_PATH
from app.server.websocket_protocol import LineProtocol
from app.telemetry.together import Exposition, exposition_of
from proxy import CloseCode, LineError
from proxy.arrival import arrive

# How often a process says how it is.
SAY_EVERY_S = 0.25

State = Annotated[ServerState, Depends(state_of)]

router = APIRouter()


@router.get(paths.SESSIONS)
async def sessions(state: State, filters: Annotated[Filters, Query()]) -> desk.Part:
    """List the sessions of this process."""
    return desk.part_of(state, filters)


@router.get(f"{paths.SESSIONS}/{{beginning}}")
async def find(beginning: str, state: State) -> desk.Found:
    """Find the sessions of this process whose id begins in one way."""
    return desk.find(state, beginning)


@router.post(paths.END)
async def end(order: desk.Order, state: State) -> desk.Count:
    """End sessions of this process."""
    return desk.end(state, order)


@router.get(paths.COUNT)
async def count(state: State) -> desk.Count:
    """Count the sessions of this process."""
    return desk.Count(count=len(state.sessions))


@router.post(f"{paths.CALLS}/{{call_id}}")
async def tell_call(call_id: str, told: Told, state: State) -> Said:
    """Hand an offer or candidates to a call of this process."""
    return await calls.answer_peer(state, call_id, told)


@router.get(paths.METRICS)
async def metrics(state: State) -> Exposition:
    """Expose what this process counts."""
    return exposition_of(state.metrics.registry)


@router.get(paths.ENDINGS)
async def endings(state: State) -> desk.EndingsPart:
    """Tell why sessions of this process ended in the last hour."""
    return desk.endings_of(state)


@router.websocket(RESUME_PATH)
async def resume(websocket: WebSocket, state: State) -> None:
    """Carry on with a session of this process, for a caller that reached another one."""
    principal = unquote(websocket.headers.get(PRINCIPAL_HEADER, ""))
    try:
        arrival = await arrive(websocket)
    except (LineError, TimeoutError):
        return
    if state.sessions.draining:
        await arrival.link.close(CloseCode.GOING_AWAY)
        return
    await state.sessions.take_back(arrival, principal)


@router.websocket(f"{JOIN_PATH}/{{assistant}}")
async def join(websocket: WebSocket, state: State, assistant: str) -> None:
    """Hold a session with a caller that waited in another process."""
    caller, number = joining(websocket)
    recipe = state.assistants.get(assistant)
    slot = None
    if recipe is not None and not state.sessions.draining and state.builder.can_build(recipe):
        slot = state.slots.take_over(number, assistant)
    if recipe is None or slot is None:
        await websocket.send_denial_response(FULL.response())
        return
    held = state.new_session(recipe, caller)
    state.sessions.add(held, slot)
    try:
        arrival = await arrive(websocket)
    except (LineError, TimeoutError):
        state.sessions.remove(held)
        return
    except BaseException:
        state.sessions.remove(held)
        raise
    await state.sessions.run(held, arrival)


@contextlib.asynccontextmanager
async def answering_others(state: ServerState, membership: Membership) -> AsyncIterator[None]:
    """Answer the other processes while the block runs, and say how this one is.

    Args:
        state: This process.
        membership: Its place.
    """
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    app.state.server = state
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = membership.socket_path()
    path.unlink(missing_ok=True)  # of a process that was killed
    listener.bind(str(path))
    server = EmbeddedServer(
        Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=DoorProtocol,
            ws=LineProtocol,
            ws_max_size=state.settings.max_message_bytes,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="inside")
    await started(server, serving)
    saying = asyncio.create_task(_say(state, membership), name="say-condition")
    try:
        yield
    finally:
        saying.cancel()
        server.should_exit = True
        await asyncio.wait({saying, serving})
        path.unlink(missing_ok=True)


def _lead_on(state: ServerState, membership: Membership) -> None:
    """Have those who wait for a session of this process take one of another that has room."""
    if not len(state.room):
        return
    with contextlib.suppress(LedgerError):
        room = membership.room(state.settings.max_sessions)
        state.room.send_elsewhere([place for place, count in room.items() for _ in range(count)])


async def _say(state: ServerState, membership: Membership) -> None:
    loop = asyncio.get_running_loop()
    while True:
        stalled = state.lag.stalled(loop.time())
        condition = ProcessState.STALLED if stalled else ProcessState.READY
        membership.say(condition, len(state.sessions), state.sessions.begun)
        # What another process gave back is nobody's until somebody looks.
        state.room.serve()
        _lead_on(state, membership)
        await asyncio.sleep(SAY_EVERY_S)
