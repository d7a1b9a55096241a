"""A caller in the waiting room: it is told where it stands, until it has a slot or goes."""

import asyncio

from starlette.requests import HTTPConnection

from app.server.admission.slots import Slot
from app.server.admission.waiting_room import Place, WaitingRoom
from proxy import CloseCode, LinkClosedError
from proxy.link import Link
from proxy.wire import SUBPROTOCOL, WAIT_HEADER, WAIT_PARAMETER, Waiting, encode

# A place that has changed is told this often at most, however fast the queue moves.
TELL_EVERY_S = 1.0

# A caller gives up on a server that says nothing for ten seconds.
REPEAT_EVERY_S = 4.0


def wants_to_wait(connection: HTTPConnection) -> bool:
    """Tell whether a caller asks to wait, and speaks what it takes to be told.

    Args:
        connection: A WebSocket that was not accepted yet.
    """
    asked = connection.headers.get(WAIT_HEADER) or connection.query_params.get(WAIT_PARAMETER)
    return asked == "1" and SUBPROTOCOL in connection.scope.get("subprotocols", [])


async def wait_for_slot(
    room: WaitingRoom, place: Place, link: Link, timeout_s: float
) -> Slot | int | None:
    """Wait with a caller.

    Cancelling leaves the place to whoever cancels.

    Args:
        room: Where it waits.
        place: Its place.
        link: Its connection; it has said hello and may say no more for now.
        timeout_s: How long it may wait.

    Returns:
        Its slot, or the process that has one for it, or None if it has gone or was sent away.
    """
    speaking = asyncio.create_task(_speaks(link))
    settled = asyncio.create_task(place.settled.wait())
    try:
        async with asyncio.timeout(timeout_s):
            telling = asyncio.create_task(_tell(room, place, link))
            try:
                await asyncio.wait({speaking, settled}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                telling.cancel()
    except TimeoutError:
        await link.close(CloseCode.TRY_AGAIN_LATER)
        return None
    finally:
        speaking.cancel()
        settled.cancel()
        await asyncio.wait({speaking, settled, telling})
    if not speaking.cancelled():
        code = speaking.result()
        if code is not None:
            await link.close(code)
        return None
    if place.elsewhere is not None:
        return place.elsewhere
    slot = place.take()
    if slot is None:
        await link.close(CloseCode.GOING_AWAY)
    return slot


async def _speaks(link: Link) -> CloseCode | None:
    """Wait for what a caller must not say yet; None if it hangs up."""
    try:
        message = await link.receive()
    except LinkClosedError:
        return None
    return CloseCode.UNSUPPORTED_DATA if isinstance(message, str) else CloseCode.PROTOCOL_ERROR


async def _tell(room: WaitingRoom, place: Place, link: Link) -> None:
    told, silent_s = 0, 0.0
    while position := room.position(place):
        if position != told or silent_s >= REPEAT_EVERY_S:
            try:
                await link.send(encode(Waiting(position)))
            except LinkClosedError:
                return  # whoever reads sees it too
            told, silent_s = position, 0.0
        await asyncio.sleep(TELL_EVERY_S)
        silent_s += TELL_EVERY_S
