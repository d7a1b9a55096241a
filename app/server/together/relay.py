"""A caller that comes back, and whose session another process has: its messages are passed on.

The connection stays where it arrived. If this process ends before the session does, the caller
sees a lost connection, comes back once more, and misses nothing.
"""

import asyncio
from pathlib import Path
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, unix_connect
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
        await connection.send(encode(arrival.hello))
        await _both_ways(near, far, connection)
    except LinkClosedError:
        near.abort()
    finally:
        far.abort()
    return True


async def _both_ways(near: Link, far: ClientLink, connection: ClientConnection) -> None:
    async def inwards() -> None:
        while True:
            await connection.send(await near.receive())

    async def outwards() -> None:
        while True:
            data = await far.receive()
            assert isinstance(data, bytes)  # an assistant's end says nothing else
            await near.send(data)

    ways = {asyncio.create_task(inwards()): far, asyncio.create_task(outwards()): near}
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        near.abort()
        raise
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
    for way in done:
        await _pass_on(way.exception(), ways[way])


async def _pass_on(error: BaseException | None, link: Link) -> None:
    """End the other connection as one has ended."""
    try:
        code = CloseCode(error.code) if isinstance(error, LinkClosedError) else CloseCode.ABNORMAL
    except ValueError:
        code = CloseCode.ABNORMAL
    if code is CloseCode.ABNORMAL:
        link.abort()
        return
    await link.close(code)
