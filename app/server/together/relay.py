"""A caller whose session another process has, or is to have: its messages are passed on.

The connection stays where it arrived. If this process ends before the session does, the caller
sees a lost connection, comes back once more, and misses nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

from websockets.asyncio.client import unix_connect
from websockets.exceptions import InvalidStatus, WebSocketException

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


@dataclass(frozen=True)
class Destination:
    """Where a caller is passed on to.

    Attributes:
        socket: The socket of the process.
        target: The address there.
        headers: What is said of the caller.
    """

    socket: Path
    target: str
    headers: Mapping[str, str]

    @classmethod
    def returning(cls, socket: Path, principal: str) -> "Destination":
        """Make the one of a caller that comes back.

        Args:
            socket: The socket of the process that has the session.
            principal: Whose it is.
        """
        return cls(socket, RESUME_PATH, {PRINCIPAL_HEADER: quote(principal, safe="")})


async def relay(
    arrival: Arrival,
    destination: Destination,
    settings: Settings,
    *,
    on_connected: Callable[[], None] = lambda: None,
) -> bool:
    """Pass on what a caller and its session say to each other, until either goes.

    Cancelling drops both connections, after which the caller may come back.

    Args:
        arrival: The caller, who has said hello.
        destination: Where to.
        settings: The settings.
        on_connected: Called once the other process has accepted the caller.

    Returns:
        Whether there was somebody to pass it on to.
    """
    assert arrival.hello is not None
    try:
        connection = await unix_connect(
            str(destination.socket),
            uri=f"ws://process{destination.target}",
            subprotocols=[SUBPROTOCOL],
            additional_headers=destination.headers,
            user_agent_header=None,
            compression=None,
            max_size=settings.max_message_bytes,
            ping_interval=None,
            open_timeout=CONNECT_TIMEOUT_S,
        )
    except (FileNotFoundError, ConnectionRefusedError, InvalidStatus):
        return False
    except (OSError, TimeoutError, WebSocketException):
        arrival.link.abort()  # the process may answer when the caller asks again
        return True
    except asyncio.CancelledError:
        arrival.link.abort()
        raise
    on_connected()
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
