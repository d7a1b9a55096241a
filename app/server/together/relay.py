"""A caller that comes back, and whose session another process has: its messages are passed on.

The connection stays where it arrived. If this process ends before the session does, the caller
sees a lost connection, comes back once more, and misses nothing.
"""

import asyncio
from pathlib import Path
from typing import cast
from urllib.parse import quote

from websockets.asyncio.client import unix_connect
from websockets.exceptions import WebSocketException

from app.settings import Settings
from proxy import CloseCode, LinkClosedError
from proxy.arrival import Arrival
from proxy.link import ClientLink, Link
from proxy.wire import SUBPROTOCOL, encode

# A process that lives answers in milliseconds. The caller gives up on us after ten seconds.
CONNECT_TIMEOUT_S = 3.0

RESUME_PATH = "/resume"

# Whose connection is passed on; percent-encoded, as names may have any letters.
PRINCIPAL_HEADER = "Trunkline-Principal"


async def relay(arrival: Arrival, principal: str, path: Path, settings: Settings) -> bool:
    """Pass on what a caller and its session say to each other, until either goes.

    Cancelling drops both connections, after which the caller may come back.

    Args:
        arrival: The caller, who has said hello.
        principal: Who that is.
        path: The socket of the process that has the session.
        settings: The settings.

    Returns:
        Whether there was somebody to pass it on to.
    """
    assert arrival.hello is not None
    try:
        connection = await unix_connect(
            str(path),
            uri=f"ws://process{RESUME_PATH}",
            subprotocols=[SUBPROTOCOL],
            additional_headers={PRINCIPAL_HEADER: quote(principal, safe="")},
            user_agent_header=None,
            compression=None,
            max_size=settings.max_message_bytes,
            ping_interval=None,
            open_timeout=CONNECT_TIMEOUT_S,
        )
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except (OSError, TimeoutError, WebSocketException):
        arrival.link.abort()  # the process may answer when the caller asks again
        return True
    except asyncio.CancelledError:
        arrival.link.abort()
        raise
    near, far = arrival.link, ClientLink(connection)
    try:
        await far.send(encode(arrival.hello))
        await _both_ways(near, far)
    except LinkClosedError:
        near.abort()
    except asyncio.CancelledError:
        near.abort()
        raise
    finally:
        far.abort()
    return True


async def _both_ways(near: Link, far: Link) -> None:
    ways = {asyncio.create_task(_carry(near, far)), asyncio.create_task(_carry(far, near))}
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
    for way in done:
        await _end(*way.result())


async def _carry(source: Link, sink: Link) -> tuple[Link, int]:
    """Pass messages on until either connection is over; gives the other one, and the close code."""
    while True:
        try:
            data = await source.receive()
        except LinkClosedError as closed:
            return sink, closed.code
        try:
            # Text, which nobody may send, is for the session to refuse.
            await sink.send(cast(bytes, data))
        except LinkClosedError as closed:
            return source, closed.code


async def _end(link: Link, code: int) -> None:
    """End a connection as the other one has ended."""
    if code == CloseCode.ABNORMAL or code not in set(CloseCode):
        link.abort()
        return
    await link.close(CloseCode(code))
