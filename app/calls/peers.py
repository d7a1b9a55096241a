"""Reaching a call by its id, whichever process of the server has it."""

from http import HTTPStatus
from urllib.parse import quote

from app.calls.models import Answer, Said, Told
from app.server.refusal import Refusal, TurnedAwayError
from app.server.state import ServerState
from app.server.together import paths

NO_CALL = Refusal(HTTPStatus.NOT_FOUND, "no_call", "there is no such call here")

# An answer takes as long as it takes to find ways to this machine, see `app.calls.webrtc`.
TELL_TIMEOUT_S = 12.0


async def tell(state: ServerState, call_id: str, told: Told) -> Answer | None:
    """Hand an offer or candidates to the call that they are for.

    Args:
        state: The server.
        call_id: What somebody says is the id of a call.
        told: What it is told, and by whom.

    Returns:
        The answer to an offer; None for candidates.

    Raises:
        TurnedAwayError: 404 if there is no such call of theirs, 422 if it cannot use this.
    """
    place = None if state.membership is None else state.membership.elsewhere(call_id)
    if place is None:
        return await _tell_here(state, call_id, told)
    path = f"{paths.CALLS}/{quote(call_id, safe='')}"
    said = await state.peers.ask_one(place, Said, "POST", path, body=told, timeout_s=TELL_TIMEOUT_S)
    if said is None:
        raise TurnedAwayError(NO_CALL)
    if said.refusal is not None:
        status, code, detail = said.refusal
        raise TurnedAwayError(Refusal(HTTPStatus(status), code, detail))
    return said.answer


async def answer_peer(state: ServerState, call_id: str, told: Told) -> Said:
    """Hand on what another process was asked.

    Args:
        state: This process.
        call_id: The call.
        told: What it is told.
    """
    try:
        return Said(answer=await _tell_here(state, call_id, told))
    except TurnedAwayError as turned_away:
        refusal = turned_away.refusal
        return Said(refusal=(refusal.status.value, refusal.code, refusal.detail))


async def _tell_here(state: ServerState, call_id: str, told: Told) -> Answer | None:
    connection = state.calls.connection_of(call_id, told.principal)
    if connection is None:
        raise TurnedAwayError(NO_CALL)
    if told.offer is not None:
        restart = bool(told.offer.restart_pc)
        return Answer(sdp=await connection.answer(told.offer.sdp, restart=restart), pc_id=call_id)
    assert told.candidates is not None
    await connection.add_candidates(told.candidates.candidates)
    return None
