"""A caller that does not read costs little, is closed, and delays nobody."""

import asyncio
import functools
import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable

import pytest
from pipecat.bus.messages import BusFrameMessage
from pipecat.frames.frames import Frame, LLMTextFrame, OutputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection

from proxy import CloseCode, ServerLineOptions, line_task
from proxy.codec.trunk import TrunkCodec
from proxy.pulse import Patience
from tests.proxy.conversation import SmallServer, calling, parrot, say, within
from tests.proxy.deaf import deaf_caller

MIB = 2**20
PATIENT = ServerLineOptions(resume_window_s=30.0)


@pytest.fixture(params=["trunkline.v1", "stock"])
def stock(request: pytest.FixtureRequest) -> bool:
    """Run a test in each dialect."""
    return bool(request.param == "stock")


@pytest.fixture
async def server(stock: bool) -> AsyncIterator[SmallServer]:
    made = SmallServer(lambda: [parrot()], stock=stock, options=PATIENT)
    async with made.serve() as running:
        yield running


def words() -> Frame:
    return LLMTextFrame("x" * 1024)


def sound() -> Frame:
    return OutputAudioRawFrame(bytes(4800), 24000, 1)


async def pour(server: SmallServer, make: Callable[[], Frame], total_bytes: int) -> None:
    """Let the assistant of the first session say so much."""
    bus = server.runners[0].bus
    for number in range(total_bytes // 1024):
        if number % 16 == 0:
            await asyncio.sleep(0)
        frame = BusFrameMessage(
            source="assistant", frame=make(), direction=FrameDirection.DOWNSTREAM
        )
        await bus.send(frame)


def fill_tables() -> None:
    """Make what the whole process shares: it is not this caller's."""
    codec = TrunkCodec()
    for cls in codec.crossing_frames():
        codec.frame_key(cls)
    gc.collect()


@pytest.mark.parametrize("make", [words, sound])
async def test_twenty_mebibytes_for_nobody_cost_less_than_two_and_end_with_4003(
    server: SmallServer, stock: bool, make: Callable[[], Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_task, "SEND_TIMEOUT_S", 0.5)
    monkeypatch.setattr("proxy.server.Patience", functools.partial(Patience, stall_s=0.5))
    async with deaf_caller(server.url, stock=stock):
        await within(server.lines.get())
        fill_tables()
        tracemalloc.start()
        try:
            pouring = asyncio.create_task(pour(server, make, 20 * MIB))
            error = await within(server.gone.get())
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert error.code == CloseCode.PEER_TOO_SLOW
        assert peak_bytes < 2 * MIB
        await within(pouring)
        await within(server.over.get())


async def test_a_caller_that_does_not_read_delays_no_other(
    server: SmallServer, stock: bool
) -> None:
    async with deaf_caller(server.url, stock=stock):
        line = await within(server.lines.get())
        pouring = asyncio.create_task(pour(server, words, 20 * MIB))
        done, _ = await asyncio.wait({pouring}, timeout=0.5)
        assert not done
        async with calling(server.url) as caller:
            for number in range(10):
                assert await say(caller, f"turn {number}") == f"turn {number}"
        assert line.connected
        assert not pouring.done()
        pouring.cancel()
