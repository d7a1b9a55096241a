"""A caller that has just arrived: its connection, its dialect, and what it said first."""

import asyncio
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec
from starlette.websockets import WebSocket, WebSocketState

from proxy.close_codes import CloseCode
from proxy.errors import CodecError, LinkClosedError
from proxy.link import Link, ServerLink
from proxy.wire import SUBPROTOCOL, VERSION, Hello, read_hello

# The hello is sent with the handshake's last packet. Longer means that nobody is there.
HELLO_TIMEOUT_S = 10.0

# Every version of ours has a subprotocol that begins so.
_FAMILY = SUBPROTOCOL.rpartition(".v")[0] + "."

_HELLO_TAG = 1


@dataclass(frozen=True)
class Arrival:
    """One connection at its beginning.

    Attributes:
        link: The connection, accepted.
        hello: What the caller said; None for the stock dialect, which says nothing.
    """

    link: Link
    hello: Hello | None = None

    @property
    def returning(self) -> bool:
        """Whether the caller comes back to a session."""
        return self.hello is not None and self.hello.session is not None


async def arrive(websocket: WebSocket) -> Arrival:
    """Accept a socket in the best dialect that both sides speak, and hear the caller's hello.

    A socket that was accepted already speaks the stock dialect.

    Args:
        websocket: A socket of a FastAPI or Starlette route.

    Raises:
        LinkClosedError: If the caller went away or was sent away, within a bounded time.
    """
    if websocket.application_state is not WebSocketState.CONNECTING:
        return Arrival(ServerLink(websocket))
    offered = websocket.scope.get("subprotocols", [])
    ours = SUBPROTOCOL in offered
    await websocket.accept(subprotocol=SUBPROTOCOL if ours else None)
    link = ServerLink(websocket)
    if ours:
        return await hear(link)
    if any(str(name).startswith(_FAMILY) for name in offered):
        await _send_away(link, CloseCode.VERSION_MISMATCH)
    return Arrival(link)


async def hear(link: Link) -> Arrival:
    """Hear the hello of a caller who speaks our own dialect.

    Args:
        link: A connection that was just made.

    Raises:
        LinkClosedError: If the caller went away or was sent away, within a bounded time.
    """
    try:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            data = await link.receive()
    except TimeoutError:
        await _send_away(link, CloseCode.BAD_HELLO)
    try:
        hello = read_hello(data)
    except CodecError:
        other = _is_other_version(data)
        await _send_away(link, CloseCode.VERSION_MISMATCH if other else CloseCode.BAD_HELLO)
    if hello.version != VERSION:
        await _send_away(link, CloseCode.VERSION_MISMATCH)
    return Arrival(link, hello)


def _is_other_version(data: bytes | str) -> bool:
    """Tell whether this is a hello of a version that says other things."""
    try:
        said: Any = msgspec.msgpack.decode(data if isinstance(data, bytes) else data.encode())
    except (msgspec.DecodeError, RecursionError, ValueError):
        return False
    return isinstance(said, list) and said[:1] == [_HELLO_TAG] and said[1:2] != [VERSION]


async def _send_away(link: Link, code: CloseCode) -> NoReturn:
    await link.close(code)
    raise LinkClosedError(code) from None
