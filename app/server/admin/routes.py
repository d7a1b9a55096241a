"""The addresses of the administration."""

from collections import Counter
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from loguru import logger
from starlette.requests import HTTPConnection

from app.foreign import plain
from app.server.admin import desk
from app.server.admin.models import (
    Draining,
    Ended,
    Endings,
    Filters,
    Minute,
    ServerInfo,
    SessionInfo,
    SessionPage,
    Whose,
)
from app.server.admission.slots import RETRY_S
from app.server.identity import Principal
from app.server.problems import problems
from app.server.refusal import Refusal, TurnedAwayError
from app.server.routes import Described, State
from app.server.state import ServerState
from app.server.together import paths as inside
from app.version import __version__

_NO_SESSION = Refusal(HTTPStatus.NOT_FOUND, "no_session", "there is no such session here")
_SILENT = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "process_silent",
    "a process of this server does not answer, and may have the session",
    RETRY_S,
)
_AMBIGUOUS = Refusal(HTTPStatus.CONFLICT, "ambiguous", "several sessions have an id that begins so")


async def administrator(connection: HTTPConnection, state: State, _: Described) -> Principal:
    """Let nobody in without the rights of an administrator."""
    return await state.door.admit_admin(connection)


Administrator = Annotated[Principal, Depends(administrator)]
Id = Annotated[str, Path(pattern="^[0-9a-f]{8,32}$", description="An id, or how it begins.")]

# The dependency stands at the router as well, so that no route can be without it.
router = APIRouter(
    tags=["administration"],
    dependencies=[Depends(administrator)],
    responses=problems(401, 403, 422, 429, 503),
)


@router.get("/v1/admin/sessions")
async def list_sessions(state: State, filters: Annotated[Filters, Query()]) -> SessionPage:
    """List sessions, the oldest first."""
    query = filters.model_dump(mode="json")
    others = await state.peers.ask(desk.Part, "GET", inside.SESSIONS, query=query)
    parts = [desk.part_of(state, filters), *others.by_place.values()]
    sessions = sorted(
        (session for part in parts for session in part.sessions),
        key=lambda session: session.number,
    )
    page = sessions[: filters.limit]
    return SessionPage(
        sessions=[session.info for session in page],
        next=str(page[-1].number) if len(sessions) > filters.limit else None,
        total=sum(part.total for part in parts),
        waiting=sum(part.waiting for part in parts),
        draining=state.draining,
        silent_processes=others.silent,
    )


@router.get("/v1/admin/sessions/{session_id}", responses=problems(404, 409))
async def show_session(session_id: Id, state: State) -> SessionInfo:
    """Show one session."""
    return await _find(state, session_id)


@router.delete(
    "/v1/admin/sessions/{session_id}", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 409)
)
async def end_session(session_id: Id, state: State, by: Administrator) -> Ended:
    """End one session; its caller is told so with close code 4008."""
    found = await _find(state, session_id)
    return await _end(state, desk.Order(by=by.name, session_id=found.id))


@router.delete("/v1/admin/sessions", status_code=HTTPStatus.ACCEPTED)
async def end_sessions(whose: Annotated[Whose, Query()], state: State, by: Administrator) -> Ended:
    """End every session of one principal."""
    return await _end(state, desk.Order(by=by.name, principal=whose.principal))


@router.get("/v1/admin/endings")
async def list_endings(state: State) -> Endings:
    """Tell why sessions ended in the last hour, by the minute."""
    others = await state.peers.ask(desk.EndingsPart, "GET", inside.ENDINGS)
    parts = [desk.endings_of(state), *others.by_place.values()]
    minutes: dict[int, Counter[str]] = {}
    for part in parts:
        for ago, reasons in part.minutes.items():
            minutes.setdefault(ago, Counter()).update(reasons)
    return Endings(
        covers_s=round(min(part.covers_s for part in parts), 3),
        minutes=[
            Minute(minutes_ago=ago, reasons=dict(minutes[ago]))
            for ago in sorted(minutes, reverse=True)
        ],
        silent_processes=others.silent,
    )


@router.get("/v1/admin/server")
async def show_server(state: State, by: Administrator) -> ServerInfo:
    """Show what an administrator has to know of the server, and of itself."""
    return ServerInfo(
        version=__version__,
        administrator=by.name,
        max_waiting_callers=state.settings.max_waiting_callers,
        drain_timeout_s=state.settings.drain_timeout_s,
    )


@router.post("/v1/drain", status_code=HTTPStatus.ACCEPTED)
async def drain(state: State, by: Administrator) -> Draining:
    """Take no more callers, let answers be heard to their end, end every session, and stop."""
    others = await state.peers.ask(desk.Count, "GET", inside.COUNT)
    if not state.sessions.draining:
        logger.info(f"{plain(by.name)} has the server drained")
        state.sessions.draining = True
        state.request_drain()
    return Draining(
        sessions=len(state.sessions) + sum(one.count for one in others.by_place.values()),
        timeout_s=state.settings.drain_timeout_s,
    )


async def _find(state: ServerState, session_id: str) -> SessionInfo:
    others = await state.peers.ask(desk.Found, "GET", f"{inside.SESSIONS}/{session_id}")
    parts = [desk.find(state, session_id), *others.by_place.values()]
    found = [session for part in parts for session in part.sessions]
    if not found:
        raise TurnedAwayError(_SILENT if others.silent else _NO_SESSION)
    if len(found) > 1:
        raise TurnedAwayError(_AMBIGUOUS)
    return found[0]


async def _end(state: ServerState, order: desk.Order) -> Ended:
    others = await state.peers.ask(desk.Count, "POST", inside.END, body=order)
    own = desk.end(state, order)
    ended = own.count + sum(one.count for one in others.by_place.values())
    return Ended(ended=ended, silent_processes=others.silent)
