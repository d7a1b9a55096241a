"""`POST /v1/sessions`: an address with a ticket, for clients that cannot set headers."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.server.identity.tickets import LIFETIME_S, PARAMETER
from app.server.problems import problems
from app.server.refusal import TurnedAwayError
from app.server.routes import DRAINING, NO_ASSISTANT, Admitted, State
from app.settings import Settings

router = APIRouter()


class NewSession(BaseModel):
    """What is asked for.

    Attributes:
        assistant: The assistant; None for the one behind `/ws`.
    """

    model_config = ConfigDict(extra="forbid")

    assistant: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class Invitation(BaseModel):
    """Where to open the WebSocket.

    Attributes:
        url: Its address, with a ticket that is good for one connection. A secret, until it was
            used.
        assistant: The assistant there.
        expires_in_s: How long the ticket is good for.
    """

    url: str
    assistant: str
    expires_in_s: float


@router.post(
    "/v1/sessions",
    status_code=HTTPStatus.CREATED,
    responses=problems(400, 401, 403, 404, 408, 413, 422, 429, 503),
)
async def create_session(
    wanted: NewSession, request: Request, response: Response, state: State, principal: Admitted
) -> Invitation:
    """Invite a client that cannot set headers: its WebSocket needs no other token.

    No session is kept for it: whether there is one is found out when it connects.
    """
    name = wanted.assistant or state.settings.default_assistant
    state.door.check_right(principal, name)
    if name not in state.assistants:
        raise TurnedAwayError(NO_ASSISTANT)
    if state.sessions.draining:
        raise TurnedAwayError(DRAINING)
    ticket = state.door.identity.tickets.issue(principal, name)
    response.headers["Cache-Control"] = "no-store"
    base = base_of(request, state.settings)
    return Invitation(
        url=f"{base}/ws/{quote(name, safe='')}?{PARAMETER}={ticket}",
        assistant=name,
        expires_in_s=LIFETIME_S,
    )


def base_of(request: Request, settings: Settings) -> str:
    """Say where WebSockets of this server are found from outside.

    Args:
        request: A request that came from there.
        settings: May know better.
    """
    if settings.public_url is not None:
        return settings.public_url
    scheme = "wss" if request.url.scheme == "https" else "ws"
    return f"{scheme}://{request.url.netloc}"
