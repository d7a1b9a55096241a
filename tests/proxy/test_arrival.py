"""A caller at the door: which dialect, which version, and what if it says nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import websockets
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import ClientConnection, connect

from app.loopback import serve_on_loopback
from proxy import arrival
from proxy.arrival import Arrival, arrive
from proxy.close_codes import CloseCode
from proxy.errors import LinkClosedError
from proxy.wire import SUBPROTOCOL, Ack, Hello, encode
from tests.proxy.conversation import within

HELLO = Hello(1, ("acme",), (), 65536, 65536, 5.0)


@dataclass
class Door:
    """A server that does no more than let callers in.

    Attributes:
        url: Where.
        let_in: Those who were.
        sent_away: The codes of those who were not.
    """

    url: str = ""
    accepted_before: bool = False
    let_in: "asyncio.Queue[Arrival]" = field(default_factory=asyncio.Queue)
    sent_away: "asyncio.Queue[int]" = field(default_factory=asyncio.Queue)

    async def open(self, websocket: WebSocket) -> None:
        if self.accepted_before:
            await websocket.accept()
        try:
            arrived = await arrive(websocket)
        except LinkClosedError as error:
            self.sent_away.put_nowait(error.code)
            return
        self.let_in.put_nowait(arrived)
        with contextlib.suppress(LinkClosedError):
            await arrived.link.receive()

    @contextlib.asynccontextmanager
    async def dialled(self, *subprotocols: str) -> AsyncIterator[ClientConnection]:
        names = [websockets.Subprotocol(name) for name in subprotocols]
        async with connect(self.url, subprotocols=names or None) as socket:
            yield socket

    async def code_after(self, data: "bytes | str | None", *subprotocols: str) -> Any:
        """Dial, say something, and tell how the server closes."""
        async with self.dialled(*subprotocols) as socket:
            if data is not None:
                await socket.send(data)
            await within(socket.wait_closed())
            assert await within(self.sent_away.get()) == socket.close_code
            assert self.let_in.empty()
            return socket.close_code


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    app, made = FastAPI(), Door()

    @app.websocket("/ws")
    async def route(websocket: WebSocket) -> None:
        await made.open(websocket)

    async with serve_on_loopback(app) as url:
        made.url = url.replace("http://", "ws://") + "/ws"
        yield made


async def test_a_caller_that_can_speaks_trunkline(door: Door) -> None:
    async with door.dialled("other", SUBPROTOCOL, "trunkline.v9") as socket:
        assert socket.subprotocol == SUBPROTOCOL
        await socket.send(encode(HELLO))
        arrived = await within(door.let_in.get())
    assert arrived.hello == HELLO
    assert not arrived.returning


async def test_a_caller_that_comes_back_is_known_by_its_hello(door: Door) -> None:
    async with door.dialled(SUBPROTOCOL) as socket:
        await socket.send(encode(msgspec.structs.replace(HELLO, session="s", token="t")))
        arrived = await within(door.let_in.get())
    assert arrived.returning


@pytest.mark.parametrize("offered", [(), ("graphql-ws",)])
async def test_any_other_caller_speaks_the_stock_dialect(
    door: Door, offered: tuple[str, ...]
) -> None:
    async with door.dialled(*offered) as socket:
        assert socket.subprotocol is None
        arrived = await within(door.let_in.get())
    assert arrived.hello is None
    assert not arrived.returning


async def test_a_socket_that_was_accepted_already_speaks_the_stock_dialect(door: Door) -> None:
    door.accepted_before = True
    async with door.dialled(SUBPROTOCOL) as socket:
        assert socket.subprotocol is None
        assert (await within(door.let_in.get())).hello is None


async def test_a_caller_of_another_version_of_ours_is_sent_away_with_4401(door: Door) -> None:
    assert await door.code_after(None, "trunkline.v2") == CloseCode.VERSION_MISMATCH


@pytest.mark.parametrize(
    "hello",
    [
        encode(msgspec.structs.replace(HELLO, version=2)),
        msgspec.msgpack.encode([1, 2, "what version 2 says"]),
        msgspec.msgpack.encode([1, "2"]),
    ],
)
async def test_a_hello_of_another_version_is_answered_with_4401(door: Door, hello: bytes) -> None:
    assert await door.code_after(hello, SUBPROTOCOL) == CloseCode.VERSION_MISMATCH


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        "text",
        encode(Ack(0, 0)),
        msgspec.msgpack.encode([1, 1, "bad"]),
        msgspec.msgpack.encode({"version": 2}),
    ],
)
async def test_anything_else_is_answered_with_4400(door: Door, data: bytes | str) -> None:
    assert await door.code_after(data, SUBPROTOCOL) == CloseCode.BAD_HELLO


async def test_a_caller_that_says_nothing_is_sent_away_with_4400(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "HELLO_TIMEOUT_S", 0.05)
    assert await door.code_after(None, SUBPROTOCOL) == CloseCode.BAD_HELLO


async def test_a_caller_that_leaves_before_its_hello_is_gone(door: Door) -> None:
    async with door.dialled(SUBPROTOCOL):
        pass
    assert await within(door.sent_away.get()) == CloseCode.ENDED
