"""Peers that flood, stall or read nothing are cut off, and nobody else notices."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from socket import IPPROTO_TCP, TCP_NODELAY

import pytest
from loguru import logger
from pipecat.bus.messages import BusActivateWorkerMessage, BusFrameMessage
from pipecat.frames.frames import LLMContextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection

from agents import Assistants
from app.server import http_protocol, running_server, serving, websocket_protocol
from app.server.token_bucket import TokenBucket
from app.settings import Settings
from proxy import CloseCode
from tests.app.server.conftest import TOKEN
from tests.app.server.raw import (
    BINARY,
    CONT,
    PING,
    PONG,
    connected,
    frame,
    request,
    upgraded,
)
from tests.app.server.test_sessions import (
    CODEC,
    Running,
    close_code,
    emptied,
    hear_words,
    opened,
    ready,
    say,
)
from tests.proxy.conversation import within

ACTIVATION = CODEC.encode(BusActivateWorkerMessage(source="acme", target="assistant"))


def spoken(text: str) -> bytes:
    context = LLMContext(messages=[{"role": "user", "content": text}])
    direction = FrameDirection.DOWNSTREAM
    return CODEC.encode(
        BusFrameMessage(source="acme", frame=LLMContextFrame(context), direction=direction)
    )


@contextlib.asynccontextmanager
async def a_conversation(running: Running) -> AsyncIterator[None]:
    """Hold a conversation of somebody else while the block runs, and after it."""
    async with opened(running[0], "parrot") as socket:
        await ready(socket)

        async def converse() -> None:
            for number in range(20):
                await say(socket, f"word-{number}")
                assert await hear_words(socket, 1) == [f"word-{number}"]

        conversing = asyncio.create_task(converse())
        yield
        await within(conversing)
        await converse()


@pytest.mark.parametrize("opcode", [PING, PONG])
async def test_a_peer_that_floods_with_pings_is_closed_with_1008(
    running: Running, opcode: int
) -> None:
    async with a_conversation(running), upgraded(running[0], "acme") as raw:
        await raw.flood(frame(opcode, b"p" * 125) * 100, times=10)
        assert await raw.close_code() == CloseCode.POLICY_VIOLATION
    await emptied(running)


async def test_a_peer_that_floods_with_pings_and_reads_nothing_is_dropped(
    running: Running,
) -> None:
    async with a_conversation(running), upgraded(running[0], "acme", receive_bytes=4096) as raw:
        await within(raw.read_until(BINARY))  # the assistant is ready
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        [session] = [each for each in running[1].sessions if each.recipe.name == "acme"]
        await raw.flood(frame(PING, b"p" * 125) * 100, times=2000)
    await emptied(running)
    assert session.closed_with == CloseCode.POLICY_VIOLATION


async def test_a_peer_that_pings_now_and_then_is_answered(running: Running) -> None:
    async with upgraded(running[0], "parrot") as raw:
        for number in range(20):
            raw.writer.write(frame(PING, b"%d" % number))
            assert await raw.read_until(PONG) == b"%d" % number


async def test_endless_empty_fragments_are_closed_with_1008(running: Running) -> None:
    async with a_conversation(running), upgraded(running[0], "acme") as raw:
        raw.writer.write(frame(BINARY, fin=False))
        await raw.flood(frame(CONT, fin=False) * 1000, times=100)
        assert await raw.close_code() == CloseCode.POLICY_VIOLATION
    await emptied(running)


async def test_a_message_in_a_thousand_pieces_arrives_whole(running: Running) -> None:
    async with upgraded(running[0], "parrot") as raw:
        raw.writer.write(frame(BINARY, ACTIVATION))
        data = spoken("whole")
        size = -(-len(data) // 900)
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        pieces += [b""] * (1000 - len(pieces))
        raw.writer.write(frame(BINARY, pieces[0], fin=False))
        for piece in pieces[1:-1]:
            raw.writer.write(frame(CONT, piece, fin=False))
        raw.writer.write(frame(CONT, pieces[-1]))
        while b"whole" not in await raw.read_until(BINARY):
            pass


async def test_endless_empty_messages_end_the_line_and_nothing_else(running: Running) -> None:
    async with a_conversation(running), upgraded(running[0], "acme") as raw:
        await raw.flood(frame(BINARY) * 10_000, times=20)
        assert await raw.close_code() == CloseCode.INVALID_PAYLOAD
    await emptied(running)


async def test_messages_that_came_in_one_go_are_all_heard_in_order(running: Running) -> None:
    async with upgraded(running[0], "parrot") as raw:
        words = [f"word-{number}" for number in range(200)]
        data = b"".join(frame(BINARY, spoken(word)) for word in words)
        raw.writer.write(frame(BINARY, ACTIVATION) + data)
        heard = b""
        for word in words:
            while word.encode() not in heard:
                heard = await raw.read_until(BINARY)


async def test_a_peer_that_reads_nothing_is_dropped_after_a_ping_without_an_answer(
    assistants: Assistants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PING_INTERVAL_S", 0.2)
    monkeypatch.setattr(websocket_protocol, "CLOSE_TIMEOUT_S", 0.2)
    settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN)  # type: ignore[arg-type]
    async with (
        running_server(settings, assistants) as running,
        upgraded(running[0], "parrot", receive_bytes=4096) as raw,
    ):
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        raw.writer.write(frame(BINARY, ACTIVATION))
        for _ in range(8):
            raw.writer.write(frame(BINARY, spoken("x" * 500_000)))
        await within(running[1].sessions.wait_empty())


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /ws HTTP/1.1\r\nHost: x\r\n", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nG"],
    ids=["nothing", "half a request", "a request and a half"],
)
async def test_a_request_that_does_not_come_is_not_waited_for(
    assistants: Assistants, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_TIMEOUT_S", 0.2)
    settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN)  # type: ignore[arg-type]
    async with (
        running_server(settings, assistants) as running,
        upgraded(running[0], "parrot") as open_before,
        connected(running[0]) as raw,
    ):
        raw.writer.write(sent)
        with contextlib.suppress(ConnectionError):
            while await within(raw.reader.read(1024)):
                pass
        # A line is no request: it stays.
        open_before.writer.write(frame(PING, b"there"))
        assert await open_before.read_until(PONG) == b"there"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("X-Line: " + "x" * 9_000,), 431),
        (tuple(f"X-{number}: x" for number in range(200)), 431),
    ],
    ids=["line", "count"],
)
async def test_headers_that_are_too_large_are_refused(
    running: Running, headers: tuple[str, ...], status: int
) -> None:
    async with connected(running[0]) as raw:
        raw.writer.write(request("/ws/parrot", *headers))
        answer = await within(raw.reader.readuntil(b"\r\n"))
        assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert len(running[1].sessions) == 0


async def test_headers_without_an_end_are_refused(running: Running) -> None:
    async with connected(running[0]) as raw:
        endless = b"x" * http_protocol.MAX_HEADER_BYTES
        raw.writer.write(b"GET /livez HTTP/1.1\r\nX-Large: " + endless)
        assert (await within(raw.reader.readuntil(b"\r\n"))).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("code", [1000, 1001, 4321, None])
async def test_the_last_line_of_a_session_says_the_real_close_code(
    running: Running, code: int | None
) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    async with opened(running[0], "parrot") as socket:
        await ready(socket)
        if code is None:
            socket.transport.abort()
        else:
            await socket.close(code)
        await emptied(running)
    logger.remove(sink)
    [last] = [line for line in lines if line.startswith("Session ended")]
    assert last.strip().endswith(f"with {code or 1006}")


async def test_what_the_server_closes_with_is_said_as_well(running: Running) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    async with opened(running[0], "parrot") as socket:
        await socket.send("text")
        assert await close_code(socket) == CloseCode.UNSUPPORTED_DATA
    await emptied(running)
    logger.remove(sink)
    assert any("with 1003" in line for line in lines if line.startswith("Session ended"))


async def test_small_messages_do_not_wait_for_acknowledgements(running: Running) -> None:
    async with opened(running[0], "parrot") as socket:
        await ready(socket)
        [connection] = running[1].server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(IPPROTO_TCP, TCP_NODELAY)


def test_a_bucket_gives_what_is_in_it_and_what_came_since() -> None:
    now = [0.0]
    bucket = TokenBucket(2, 10.0, lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 0.1
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 99.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]
