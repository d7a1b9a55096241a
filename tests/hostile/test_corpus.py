"""What strangers and broken clients send: each is closed or served, and others do not notice.

Floods, fragments, slow readers and requests that never end are in `tests/app/server/test_floods.py`
and `tests/proxy/test_slow_readers.py`; the filter's whole table is in `tests/proxy/test_filter.py`.
Here a server has all of it at once, over real sockets.
"""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import websockets
from pipecat.frames.frames import LLMContextFrame, TextFrame
from websockets.asyncio.client import connect

from app.server import http_protocol
from proxy import CloseCode, arrival
from proxy.codec.numbers import FRAME_NUMBERS, MESSAGE_NUMBERS
from proxy.wire import (
    SUBPROTOCOL,
    Fields,
    FrameEnvelope,
    MessageEnvelope,
    Ready,
    Waiting,
    Welcome,
    encode,
)
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, bearer
from tests.app.server.raw import BINARY, MASK, connected, frame, request, upgraded
from tests.app.server.test_resume_sessions import HELLO, welcome
from tests.app.server.test_sessions import close_code
from tests.hostile.conftest import ADMIN, Log
from tests.proxy.conversation import within

TEXT, CONTEXT = FRAME_NUMBERS[TextFrame.__name__], FRAME_NUMBERS[LLMContextFrame.__name__]
WORDS: Fields = {17: "xylophone"}

WELCOME = Welcome("s", "t", False, 0, ("assistant",), (), 65536, 65536, 5.0, 30.0)


def v1(server: Asking) -> "connect":
    return connect(
        f"{server.url}/ws/parrot",
        subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
        additional_headers=bearer(TOKEN),
    )


def stock(server: Asking) -> "connect":
    return connect(f"{server.url}/ws/parrot", additional_headers=bearer(TOKEN))


def frames(key: int | str, count: int = 200, **changes: Any) -> list[bytes]:
    """Number frames as an honest caller would."""
    envelopes = (FrameEnvelope(seq, key, WORDS, **changes) for seq in range(1, count + 1))
    return [encode(envelope) for envelope in envelopes]


def messages(name: str, count: int = 200, target: int = 0) -> list[bytes]:
    key = MESSAGE_NUMBERS.get(name, name)
    envelopes = (MessageEnvelope(seq, key, {}, 0, target) for seq in range(1, count + 1))
    return [encode(envelope) for envelope in envelopes]


AFTER_THE_WELCOME: dict[str, tuple[list[bytes | str], CloseCode]] = {
    "text": (["hello"], CloseCode.UNSUPPORTED_DATA),
    "rubbish": ([b"\xc1" * 100], CloseCode.INVALID_PAYLOAD),
    "nothing": ([b""], CloseCode.INVALID_PAYLOAD),
    "json": ([b'{"__type__": "os.system", "__data__": {}}'], CloseCode.INVALID_PAYLOAD),
    "deep": ([b"\x91" * 100_000], CloseCode.INVALID_PAYLOAD),
    "deep-fields": ([b"\x94\x03\x01\x06" + b"\x81\x11" * 50_000], CloseCode.INVALID_PAYLOAD),
    "long-array": ([b"\xdd\xff\xff\xff\xff"], CloseCode.INVALID_PAYLOAD),
    "long-text": ([b"\x94\x03\x01\x06\x81\x11\xdb\xff\xff\xff\xff"], CloseCode.INVALID_PAYLOAD),
    "no-kind": ([msgspec.msgpack.encode([99, 1])], CloseCode.INVALID_PAYLOAD),
    "second-hello": ([encode(HELLO)], CloseCode.PROTOCOL_ERROR),
    "welcome": ([encode(WELCOME)], CloseCode.PROTOCOL_ERROR),
    "waiting": ([encode(Waiting(1))], CloseCode.PROTOCOL_ERROR),
    "hole": ([encode(FrameEnvelope(7, TEXT, WORDS))], CloseCode.RESYNC),
    "far-number": ([encode(Ready(2**53, (0,)))], CloseCode.RESYNC),
    "acknowledges-too-much": ([msgspec.msgpack.encode([9, 10**6, 0])], CloseCode.PROTOCOL_ERROR),
    "unknown-frames": (list(frames("os.system")), CloseCode.POLICY_VIOLATION),
    "forged-source": (list(frames(TEXT, source=9)), CloseCode.POLICY_VIOLATION),
    "forged-target": (list(frames(TEXT, target=9)), CloseCode.POLICY_VIOLATION),
    "end": (list(frames(FRAME_NUMBERS["EndFrame"])), CloseCode.POLICY_VIOLATION),
    "cancel": (list(frames(FRAME_NUMBERS["CancelFrame"])), CloseCode.POLICY_VIOLATION),
    "settings": (
        list(frames(FRAME_NUMBERS["LLMUpdateSettingsFrame"])),
        CloseCode.POLICY_VIOLATION,
    ),
    "bus-end": (list(messages("BusEndMessage")), CloseCode.POLICY_VIOLATION),
    "bus-cancel": (list(messages("BusCancelMessage")), CloseCode.POLICY_VIOLATION),
    "forged-job": (
        list(messages("BusActivateWorkerMessage", target=9)),
        CloseCode.POLICY_VIOLATION,
    ),
    "conversation-of-nothing": (
        [encode(FrameEnvelope(1, CONTEXT, {37: [10**6, b"\x90", 0, 0, None]}))] * 1,
        CloseCode.ENDED,
    ),
}


async def refused_one(server: Asking) -> None:
    """Wait until one message of a caller was counted as none."""
    counted = 'dropped_total{direction="in",kind="unknown",reason="codec"} 1.0'
    while counted not in (await server.client.get("/metrics", headers=bearer(ADMIN))).text:
        pass


@pytest.mark.parametrize("name", AFTER_THE_WELCOME)
async def test_what_no_caller_says_closes_its_own_connection_alone(
    server: Asking, name: str
) -> None:
    said, code = AFTER_THE_WELCOME[name]
    async with v1(server) as socket:
        await socket.send(encode(HELLO))
        await welcome(socket)
        for data in said:
            try:
                await socket.send(data)
            except websockets.ConnectionClosed:
                break
        if code is CloseCode.ENDED:
            # Refused and counted, and the line goes on.
            await within(refused_one(server))
            await within(await socket.ping())
            assert socket.close_code is None
            return
        assert await close_code(socket) == code


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"\xc1",
        "hello",
        b"\x91" * 100_000,
        encode(Ready(1, (0,))),
        encode(msgspec.structs.replace(HELLO, tasks=("a\x1b[2Jb",))),
        encode(msgspec.structs.replace(HELLO, tasks=("x" * 129,))),
        encode(msgspec.structs.replace(HELLO, heartbeat_s=float("nan"))),
        encode(msgspec.structs.replace(HELLO, window_bytes=1)),
    ],
)
async def test_what_is_no_hello_is_closed_with_4400(server: Asking, first: bytes | str) -> None:
    async with v1(server) as socket:
        await socket.send(first)
        assert await close_code(socket) == CloseCode.BAD_HELLO


def typed(name: str, **data: Any) -> dict[str, Any]:
    return {"__type__": name, "__data__": data}


@pytest.mark.parametrize(
    "said",
    [
        typed("os.system", command="xylophone"),
        typed("antigravity.X"),
        typed("subprocess.Popen", args=["xylophone"]),
        typed("builtins.eval", source="xylophone"),
        typed("app.settings.Settings"),
        {"__type__": ["os.system"], "__data__": {}},
        {"__type__": "pipecat.bus.messages.BusFrameMessage", "__data__": "xylophone"},
        typed("pipecat.bus.messages.BusFrameMessage", source="a", frame=typed("os.system")),
    ],
)
async def test_a_type_on_the_wire_builds_nothing_that_is_not_in_the_table(
    server: Asking, said: Any
) -> None:
    async with stock(server) as socket:
        data = json.dumps(said).encode()
        try:
            for _ in range(200):
                await socket.send(data)
        except websockets.ConnectionClosed:
            pass
        assert await close_code(socket) in (CloseCode.INVALID_PAYLOAD, CloseCode.POLICY_VIOLATION)


async def test_deep_nesting_in_json_is_closed(server: Asking) -> None:
    async with stock(server) as socket:
        await socket.send(b'{"__type__":' * 100_000)
        assert await close_code(socket) == CloseCode.INVALID_PAYLOAD


async def test_a_message_that_says_it_is_huge_is_closed_before_it_comes(server: Asking) -> None:
    async with upgraded(server.url, "parrot") as raw:
        raw.writer.write(struct.pack("!BBQ", 0x80 | BINARY, 0x80 | 127, 2**40) + MASK)
        assert await raw.close_code() == CloseCode.MESSAGE_TOO_BIG


async def test_nothing_is_compressed_so_that_nothing_can_be_blown_up(server: Asking) -> None:
    async with connected(server.url) as raw:
        extensions = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
        raw.writer.write(request("/ws/parrot", extensions))
        answer = await within(raw.reader.readuntil(b"\r\n\r\n"))
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"extensions" not in answer.lower()
        bomb = bytearray(frame(BINARY, b"x" * 100))
        bomb[0] |= 0x40  # says that it is compressed
        raw.writer.write(bytes(bomb))
        assert await raw.close_code() == CloseCode.PROTOCOL_ERROR


async def five_hundred(server: Asking, begin: Callable[[Any], Awaitable[None]]) -> None:
    """Hold five hundred connections that do nothing, and serve others meanwhile."""
    host, port = server.url.removeprefix("ws://").split(":")
    came = await within(
        asyncio.gather(*(asyncio.open_connection(host, int(port)) for _ in range(500)))
    )
    try:
        for _, writer in came:
            await begin(writer)
        assert (await server.client.get("/readyz")).status_code == 200
        assert await server.listed(TOKEN)
        # And they are not held for ever.
        await within(asyncio.gather(*(reader.read() for reader, _ in came)))
    finally:
        for _, writer in came:
            writer.transport.abort()


@pytest.mark.parametrize("said", [b"", b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
async def test_five_hundred_connections_that_do_nothing_are_dropped_in_the_end(
    server: Asking, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_TIMEOUT_S", 1.0)

    async def begin(writer: asyncio.StreamWriter) -> None:
        if said:
            writer.write(said)

    await five_hundred(server, begin)


async def test_twenty_peers_that_ask_without_end_and_read_no_answer_are_dropped(
    server: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_TIMEOUT_S", 1.0)
    # A long answer, as the kernel takes megabytes of them before anybody has to read.
    lines = ("GET /openapi.json HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {TOKEN}")
    asked = "\r\n".join((*lines, "", "")).encode() * 20

    async def ask() -> None:
        async with connected(server.url, receive_bytes=2048) as raw:
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            with pytest.raises(ConnectionError):
                while True:
                    raw.writer.write(asked)
                    await raw.writer.drain()

    await within(asyncio.gather(*(ask() for _ in range(20))))
    assert (await server.client.get("/readyz")).status_code == 200


async def test_callers_that_say_no_hello_hold_a_slot_no_longer_than_a_hello_may_take(
    server: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "HELLO_TIMEOUT_S", 0.5)
    sockets = await within(asyncio.gather(*(v1(server) for _ in range(100))))
    codes = await within(asyncio.gather(*map(close_code, sockets)))
    assert set(codes) == {CloseCode.BAD_HELLO}


async def test_peers_that_vanish_in_the_middle_of_whatever_leave_nothing(server: Asking) -> None:
    beginnings = (
        b"",
        b"GET /ws/par",
        request("/ws/parrot")[:-2],
        request("/ws/parrot"),
        request("/ws/parrot") + frame(BINARY, b"x" * 1000)[:20],
        request("/ws/parrot") + frame(BINARY, b"{", fin=False),
        request("/ws/parrot", f"Sec-WebSocket-Protocol: {SUBPROTOCOL}"),
        request("/ws/raises"),
        b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{",
    )
    for beginning in beginnings * 5:
        async with connected(server.url) as raw:
            raw.writer.write(beginning)
            await raw.writer.drain()


async def test_the_same_over_and_over_does_not_fill_the_log(server: Asking, log: Log) -> None:
    for _ in range(50):
        async with v1(server) as socket:
            await socket.send(encode(HELLO))
            await welcome(socket)
            await socket.send(b"\xc1xylophone")
            await close_code(socket)
    # Starting, ending and why; and what each session says of its line at the lowest level.
    assert log.size_bytes < 50 * 1500
