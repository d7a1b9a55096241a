"""How a link reads the many ways in which a library says that it is over."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
import websockets
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.frames import Close

from proxy import link
from proxy.close_codes import CloseCode
from proxy.errors import LinkClosedError
from proxy.link import ABORT_EXTENSION, ClientLink, ServerLink
from tests.proxy.conversation import within


class Socket:
    """A socket as Starlette has it.

    Attributes:
        says: What comes next, or is raised.
        sent: What was written.
        closes: The close frames.
        stuck: Whether a close frame cannot be written.
    """

    def __init__(self, *, abortable: bool = True) -> None:
        self.aborted = 0
        self.scope: dict[str, Any] = {"extensions": {ABORT_EXTENSION: self.abort}}
        if not abortable:
            self.scope = {}
        self.application_state = WebSocketState.CONNECTED
        self.says: Any = None
        self.closes: list[tuple[int, str]] = []
        self.failing: Exception | None = None
        self.stuck = False

    def abort(self) -> None:
        self.aborted += 1

    async def send(self, event: dict[str, Any]) -> None:
        if self.failing is not None:
            raise self.failing

    async def receive(self) -> dict[str, Any]:
        if isinstance(self.says, Exception):
            raise self.says
        return dict(self.says)

    async def close(self, code: int, reason: str) -> None:
        if self.failing is not None:
            raise self.failing
        if self.stuck:
            await asyncio.Event().wait()
        self.closes.append((code, reason))


def server(socket: Socket) -> ServerLink:
    return ServerLink(cast(WebSocket, socket))


@pytest.mark.parametrize(
    ("event", "code", "reason"),
    [
        ({"code": 4100, "reason": "a hole"}, 4100, "a hole"),
        ({"code": 1005, "reason": None}, 1006, ""),
        ({}, 1006, ""),
    ],
)
async def test_a_disconnect_of_the_server_has_a_code(
    event: dict[str, Any], code: int, reason: str
) -> None:
    socket = Socket()
    socket.says = {"type": "websocket.disconnect", **event}
    with pytest.raises(LinkClosedError) as closed:
        await server(socket).receive()
    assert (closed.value.code, closed.value.reason) == (code, reason)


@pytest.mark.parametrize("failure", [RuntimeError(), WebSocketDisconnect(1006)])
async def test_a_socket_that_is_gone_takes_nothing(failure: Exception) -> None:
    socket = Socket()
    socket.failing = failure
    with pytest.raises(LinkClosedError):
        await server(socket).send(b"data")
    await server(socket).close(CloseCode.ENDED)
    assert socket.aborted == 1


async def test_a_socket_that_was_read_to_its_end_is_over() -> None:
    socket = Socket()
    socket.says = RuntimeError("Cannot call receive once a disconnect has been received")
    with pytest.raises(LinkClosedError):
        await server(socket).receive()


async def test_a_close_says_its_fixed_sentence_once() -> None:
    socket = Socket()
    await server(socket).close(CloseCode.RESYNC)
    await server(socket).close(CloseCode.ENDED, "in other words")
    assert socket.closes == [(4100, "a message was missing"), (1000, "in other words")]
    socket.application_state = WebSocketState.DISCONNECTED
    await server(socket).close(CloseCode.ENDED)
    assert len(socket.closes) == 2


async def test_a_close_that_nobody_reads_drops_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CLOSE_TIMEOUT_S", 0.01)
    socket = Socket()
    socket.stuck = True
    await within(server(socket).close(CloseCode.ENDED))
    assert socket.aborted == 1


def test_a_server_that_offers_no_way_to_drop_a_socket_keeps_it() -> None:
    socket = Socket(abortable=False)
    server(socket).abort()
    assert socket.aborted == 0


class Connection:
    """A connection as the websockets library has it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.subprotocol = None
        self.aborted = 0
        self.transport = SimpleNamespace(abort=self.abort)

    def abort(self) -> None:
        self.aborted += 1

    async def recv(self) -> bytes:
        assert self.failure is not None
        raise self.failure

    async def close(self, code: int, reason: str) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("received", "sent", "code"),
    [
        (Close(4005, "taken"), Close(4005, "taken"), 4005),
        (None, None, 1006),
        (None, Close(1011, "keepalive ping timeout"), 1006),
        (None, Close(1009, "too big"), 1009),
    ],
)
async def test_a_lost_connection_of_the_caller_has_a_code(
    received: Close | None, sent: Close | None, code: int
) -> None:
    failure = websockets.ConnectionClosedError(received, sent, received is not None or None)
    made = ClientLink(cast(Any, Connection(failure)))
    with pytest.raises(LinkClosedError) as closed:
        await made.receive()
    assert closed.value.code == code


async def test_a_close_that_the_server_does_not_answer_drops_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "CLOSE_TIMEOUT_S", 0.01)
    connection = Connection()
    await within(ClientLink(cast(Any, connection)).close(CloseCode.ENDED))
    assert connection.aborted == 1
