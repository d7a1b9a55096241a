"""The parts that a measurement rests on."""

import asyncio
import gc
import time
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from pipecat.bus.messages import BusFrameMessage
from pipecat.bus.serializers import JSONMessageSerializer
from pipecat.frames.frames import InputAudioRawFrame, LLMContextFrame, LLMTextFrame
from rich.progress import Progress

from app.bench import codec, context
from app.bench.audio import FRAME_BYTES
from app.bench.commands import Work
from app.bench.conversations import conversation
from app.bench.dialects import CONVERSATION_MESSAGES, StockCaller
from app.bench.load import spread
from app.bench.options import Options
from app.bench.pauses import NAP_S, PauseWatch
from app.bench.raw_socket import open_socket
from app.bench.stamps import stamp_in, stamped
from app.loopback import serve_on_loopback
from tests.proxy.conversation import within


def test_a_stamp_comes_back_out_of_any_message() -> None:
    assert stamp_in(b'{"text":"' + stamped(12.5).encode() + b'"}') == 12.5
    assert stamp_in(b"\xa0" + stamped(1_234_567.25).encode() + b"\x00") == 1_234_567.25
    assert stamp_in(b"me@example.com") is None


def test_a_conversation_alternates() -> None:
    roles = [message["role"] for message in conversation(5)]
    assert roles == ["system", "user", "assistant", "user", "assistant"]


def decoded(data: bytes) -> Any:
    message = JSONMessageSerializer().deserialize(data)
    assert isinstance(message, BusFrameMessage)
    return message.frame


def test_what_the_generator_says_is_what_a_stock_client_would_say() -> None:
    caller = StockCaller()
    turn = decoded(caller.turn(7.5))
    assert isinstance(turn, LLMContextFrame)
    assert len(turn.context.messages) == CONVERSATION_MESSAGES
    last: Any = turn.context.messages[-1]
    assert stamp_in(last["content"].encode()) == 7.5
    text = decoded(caller.text(8.5))
    assert isinstance(text, LLMTextFrame)
    assert caller.hear(caller.text(8.5)).stamp == 8.5
    audio = decoded(caller.audio() or b"")
    assert isinstance(audio, InputAudioRawFrame)
    assert len(audio.audio) == FRAME_BYTES


async def test_a_pause_of_the_loop_and_a_collection_are_noticed() -> None:
    watch = PauseWatch()
    watch.start()
    await asyncio.sleep(0)
    until = time.thread_time() + 0.05
    while time.thread_time() < until:  # the pause that is to be noticed
        pass
    gc.collect()
    await asyncio.sleep(NAP_S)  # the watch's own nap ends before this one
    assert watch.longest_s >= 0.04
    assert watch.full_collections == 1
    assert watch.longest_collection_s > 0
    watch.start()
    assert watch.as_dict() == {"longest_ms": 0, "longest_collection_ms": 0, "full_collections": 0}
    watch.stop()


async def test_a_raw_socket_answers_in_order_and_notices_the_end() -> None:
    app = FastAPI()

    @app.websocket("/ws")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_bytes(b"hello")
        for _ in range(3):
            await websocket.send_bytes(await websocket.receive_bytes())
        await websocket.close()

    heard: list[bytes] = []
    enough = asyncio.Event()

    def hear(data: bytes) -> tuple[bytes, ...]:
        heard.append(data)
        if len(heard) == 4:
            enough.set()
        return (b"to you too",) if data == b"hello" else ()

    async with serve_on_loopback(app) as url:
        socket = await open_socket(url.replace("http", "ws") + "/ws", hear)
        socket.send(b"one")
        socket.send(b"x" * 100_000)
        await within(enough.wait())
        await within(socket.gone.wait())
    assert sorted(heard, key=len) == [b"one", b"hello", b"to you too", b"x" * 100_000]
    socket.send(b"nobody hears this")


@pytest.mark.parametrize(
    ("callers", "moments", "places"),
    [
        (3, 9, [[0], [], [], [1], [], [], [2], [], []]),
        (5, 3, [[0, 1], [2, 3], [4]]),
        (0, 2, [[], []]),
    ],
)
def test_callers_are_spread_evenly(callers: int, moments: int, places: list[list[int]]) -> None:
    assert spread(range(callers), moments) == places


@pytest.mark.parametrize("measure", [codec.measure, context.measure])
async def test_what_only_computes_stops_when_it_is_told_to(measure: Work) -> None:
    options = Options(stock=False, rounds=1_000_000, quick=True)
    with Progress(disable=True) as progress:
        measuring = asyncio.ensure_future(measure(options, progress))
        await asyncio.sleep(0)
        measuring.cancel()
        await within(asyncio.wait({measuring}))
    assert measuring.cancelled()
