"""The addresses of the administration."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from loguru import logger
from starlette.requests import HTTPConnection

from app.foreign import plain
from app.server.admin.models import Draining, Ended, Filters, SessionInfo, SessionPage, Whose
from app.server.identity import Principal
from app.server.problems import problems
from app.server.refusal import Refusal, TurnedAwayError
from app.server.routes import Described, State
from app.server.session import Session
from app.server.state import ServerState
from proxy import CloseCode

_NO_SESSION = Refusal(HTTPStatus.NOT_FOUND, "no_session", "there is no such session here")
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
    matching = [session for session in state.sessions if filters.match(session)]
    after = int(filters.cursor or 0)
    left = [session for session in matching if session.number > after]
    page = left[: filters.limit]
    return SessionPage(
        sessions=[SessionInfo.of(session) for session in page],
        next=str(page[-1].number) if len(left) > filters.limit else None,
        total=len(matching),
        waiting=len(state.room),
        draining=state.sessions.draining,
    )


@router.get("/v1/admin/sessions/{session_id}", responses=problems(404, 409))
async def show_session(session_id: Id, state: State) -> SessionInfo:
    """Show one session."""
    return SessionInfo.of(_find(state, session_id))


@router.delete(
    "/v1/admin/sessions/{session_id}", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 409)
)
async def end_session(session_id: Id, state: State, by: Administrator) -> Ended:
    """End one session; its caller is told so with close code 4008."""
    return _end([_find(state, session_id)], by)


@router.delete("/v1/admin/sessions", status_code=HTTPStatus.ACCEPTED)
async def end_sessions(whose: Annotated[Whose, Query()], state: State, by: Administrator) -> Ended:
    """End every session of one principal."""
    return _end([one for one in state.sessions if one.caller.principal == whose.principal], by)


@router.post("/v1/drain", status_code=HTTPStatus.ACCEPTED)
async def drain(state: State, by: Administrator) -> Draining:
    """Take no more callers, let answers be heard to their end, end every session, and stop."""
    if not state.sessions.draining:
        logger.info(f"{plain(by.name)} has the server drained")
        state.sessions.draining = True
        state.request_drain()
    return Draining(sessions=len(state.sessions), timeout_s=state.settings.drain_timeout_s)


def _find(state: ServerState, session_id: str) -> Session:
    found = [session for session in state.sessions if session.id.startswith(session_id)]
    if not found:
        raise TurnedAwayError(_NO_SESSION)
    if len(found) > 1:
        raise TurnedAwayError(_AMBIGUOUS)
    return found[0]


def _end(sessions: list[Session], by: Principal) -> Ended:
    for session in sessions:
        with logger.contextualize(session=session.id[:8]):
            logger.info(f"{plain(by.name)} ends the session")
        session.end(CloseCode.ENDED_BY_OPERATOR)
    return Ended(ended=len(sessions))
