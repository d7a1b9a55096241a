"""How sessions begin and end, and that nothing of them is left."""

import asyncio
from typing import Any

import httpx
import pytest
import websockets
from loguru import logger
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusFrameMessage,
    BusMessage,
    BusWorkerRegistryMessage,
)
from pipecat.frames.frames import LLMContextFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from websockets.asyncio.client import ClientConnection, connect

from app.server.building import Builder
from app.server.caller import Caller
from app.server.serving import SessionServer
from app.server.session import Session
from app.server.states import LEGAL_MOVES, SessionState
from app.server.table import SessionTable
from proxy import CloseCode
from proxy.codec.stock import StockCodec
from tests.app.server.conftest import TOKEN
from tests.proxy.conversation import within

BEARER = {"Authorization": f"Bearer {TOKEN}"}
CODEC = StockCodec()

Running = tuple[str, SessionServer]


def table(running: Running) -> SessionTable:
    return running[1].sessions


def opened(url: str, assistant: str) -> Any:
    return connect(f"{url}/ws/{assistant}", additional_headers=BEARER)


async def hear(socket: ClientConnection) -> BusMessage:
    data = await within(socket.recv())
    assert isinstance(data, bytes)
    return CODEC.decode(data)


def activation() -> bytes:
    return CODEC.encode(BusActivateWorkerMessage(source="acme", target="assistant"))


async def ready(socket: ClientConnection) -> None:
    assert isinstance(await hear(socket), BusWorkerRegistryMessage)
    await socket.send(activation())


def spoken(text: str) -> bytes:
    context = LLMContext(messages=[{"role": "user", "content": text}])
    message = BusFrameMessage(
        source="acme", frame=LLMContextFrame(context), direction=FrameDirection.DOWNSTREAM
    )
    return CODEC.encode(message)


async def say(socket: ClientConnection, text: str) -> None:
    await socket.send(spoken(text))


async def hear_words(socket: ClientConnection, count: int) -> list[str]:
    words: list[str] = []
    while len(words) < count:
        message = await hear(socket)
        if isinstance(message, BusFrameMessage) and isinstance(message.frame, LLMTextFrame):
            words.append(message.frame.text.strip())
    return words


async def close_code(socket: ClientConnection) -> int:
    with pytest.raises(websockets.ConnectionClosed):
        while True:
            await within(socket.recv())
    return socket.close_code or 0


async def emptied(running: Running) -> None:
    await within(table(running).wait_empty())


async def test_a_session_answers_right_after_its_activation(running: Running) -> None:
    async with opened(running[0], "parrot") as socket:
        await ready(socket)
        await say(socket, "one two three")
        assert await hear_words(socket, 3) == ["one", "two", "three"]
    await emptied(running)


async def test_a_recipe_that_raises_is_a_close_code_and_no_word_of_its_error(
    running: Running,
) -> None:
    async with opened(running[0], "raises") as socket:
        assert await close_code(socket) == CloseCode.ASSISTANT_FAILED
        assert "secret" not in (socket.close_reason or "")
    await emptied(running)


async def test_a_recipe_that_hangs_is_a_close_code_within_the_start_deadline(
    running: Running,
) -> None:
    async with opened(running[0], "hangs") as socket:
        assert await close_code(socket) == CloseCode.START_TIMED_OUT
    await emptied(running)


async def test_when_the_assistant_dies_so_does_its_session(running: Running) -> None:
    async with opened(running[0], "dies") as socket:
        await ready(socket)
        await say(socket, "hello")
        assert await close_code(socket) == CloseCode.ASSISTANT_FAILED
    await emptied(running)


async def test_a_tool_that_raises_costs_one_answer(running: Running) -> None:
    async with opened(running[0], "clumsy") as socket:
        await ready(socket)
        await say(socket, "hello")
        data = b""
        while b"FunctionCallResultFrame" not in data:
            received = await within(socket.recv())
            assert isinstance(received, bytes)
            data += received
        assert b"a secret of the tool" not in data
        await say(socket, "still there?")
        assert isinstance(await hear(socket), BusFrameMessage)
    await emptied(running)


async def test_a_model_that_fails_leaves_the_session_up(running: Running) -> None:
    async with opened(running[0], "broken-model") as socket:
        await ready(socket)
        await say(socket, "hello")
        data = b""
        while b"ErrorFrame" not in data:
            received = await within(socket.recv())
            assert isinstance(received, bytes)
            data += received
        assert b"a service failed" in data
        assert b"a secret of the script" not in data
    await emptied(running)


async def test_two_callers_never_see_a_word_of_each_other(running: Running) -> None:
    async def converse(marker: str) -> list[str]:
        async with opened(running[0], "parrot") as socket:
            await ready(socket)
            heard = []
            for number in range(30):
                await say(socket, f"{marker}-{number}")
                heard += await hear_words(socket, 1)
            return heard

    one, two = await asyncio.gather(converse("one"), converse("two"))
    assert one == [f"one-{number}" for number in range(30)]
    assert two == [f"two-{number}" for number in range(30)]
    await emptied(running)


async def test_a_drain_tells_every_caller_and_takes_no_more(running: Running) -> None:
    url, server = running
    async with opened(url, "parrot") as one, opened(url, "sleepy") as two:
        await ready(one)
        await ready(two)
        server.stop()
        assert await close_code(one) == CloseCode.GOING_AWAY
        assert await close_code(two) == CloseCode.GOING_AWAY
    await within(server.stopped.wait())
    assert len(table(running)) == 0


async def test_a_draining_server_refuses_callers_with_503(running: Running) -> None:
    table(running).draining = True
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with opened(running[0], "parrot"):
            pass
    assert refused.value.response.status_code == 503
    async with httpx.AsyncClient(base_url=running[0].replace("ws://", "http://")) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "draining", "processes": {"0": "draining"}},
    )


async def test_nothing_that_was_said_is_logged(running: Running) -> None:
    lines: list[str] = []
    ours = {"app", "proxy", "agents"}
    sink = logger.add(
        lines.append,
        level="TRACE",
        format="{message}",
        filter=lambda record: (record["name"] or "").split(".")[0] in ours,
    )
    async with opened(running[0], "parrot") as socket:
        await ready(socket)
        await say(socket, "xylophone quokka")
        await hear_words(socket, 2)
        await socket.send(b'{"rubbish": "xylophone"}')
        await close_code(socket)
    await emptied(running)
    logger.remove(sink)
    told = "".join(lines)
    assert "Session starts: parrot for token-1" in told
    for secret in ("xylophone", "quokka", TOKEN):
        assert secret not in told


def test_a_session_moves_only_along_its_table() -> None:
    session = Session(None, Caller("x"), None, None, Builder())  # type: ignore[arg-type]
    session._move(SessionState.DRAINING)
    session._move(SessionState.DRAINING)
    session._move(SessionState.ENDED)
    with pytest.raises(RuntimeError, match="from ended to ready"):
        session._move(SessionState.READY)
    assert LEGAL_MOVES.keys() == set(SessionState)
