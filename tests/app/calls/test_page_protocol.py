"""What a page may say to its call, and how much."""

import asyncio
from typing import Any

import pipecat.frames.protobufs.frames_pb2 as frame_protos
import pytest

from app.caller.main_task import AUDIO_IN_HZ
from app.calls.page_protocol import MAX_TEXT_CHARS, MESSAGE_BURST
from app.calls.socket import MAX_MESSAGE_BYTES, SOUND_BURST_S, PageSerializer
from tests.app.calls.pages import SocketPage, socket_page
from tests.app.server.identity.asking import Asking


def sound(seconds: float, rate_hz: int = AUDIO_IN_HZ, channels: int = 1) -> bytes:
    frame = frame_protos.Frame()  # type: ignore[attr-defined]
    frame.audio.audio = bytes(int(seconds * rate_hz) * 2)
    frame.audio.sample_rate, frame.audio.num_channels = rate_hz, channels
    data: bytes = frame.SerializeToString()
    return data


async def test_a_microphone_is_heard_as_fast_as_anybody_speaks() -> None:
    serializer = PageSerializer()
    pieces = [await serializer.deserialize(sound(0.1)) for _ in range(200)]
    taken = sum(piece is not None for piece in pieces)
    assert SOUND_BURST_S * 10 <= taken <= SOUND_BURST_S * 10 + 100


@pytest.mark.parametrize(
    "data",
    [
        "text",
        sound(0.02, rate_hz=8000),
        sound(0.02, channels=2),
        bytes(MAX_MESSAGE_BYTES + 1),
        frame_protos.Frame(text=frame_protos.TextFrame(text="speak this")).SerializeToString(),  # type: ignore[attr-defined]
    ],
)
async def test_what_is_no_microphone_and_no_message_is_dropped(data: Any) -> None:
    assert await PageSerializer().deserialize(data) is None


@pytest.mark.usefixtures("deaf")
async def test_what_pages_may_not_say_is_not_heard(server: Asking) -> None:
    async with socket_page(server.client) as page:
        assert isinstance(page, SocketPage)
        await page.ready()
        await page.until_answered("Tornado Kit")
        source = {"type": "url", "url": str(server.client.base_url)}
        file = {"format": "text/plain", "source": source}
        await page.send("send-file", {"content": "read this", "file": file})
        await page.send("client-message", {"t": "x", "d": {}})
        await page.send("send-text", {"content": "x" * (MAX_TEXT_CHARS + 1)})
        await page.send("send-text", {"content": 7})
        await page.socket.send("text")
        await page.socket.send(sound(0.02, rate_hz=8000))
        await page.type("how much are the rocket boots")
        said = await page.until_type("user-llm-text")
        assert said["data"]["text"] == "how much are the rocket boots"
        await page.until_answered("$299")
        assert page.texts("user-llm-text") == "how much are the rocket boots"


@pytest.mark.usefixtures("deaf")
async def test_a_page_that_floods_its_call_still_has_one(server: Asking) -> None:
    async with socket_page(server.client) as page:
        await page.ready()
        await page.until_line("up")
        async with asyncio.timeout(60):
            for _ in range(10 * MESSAGE_BURST):
                await page.send("client-ready", {"version": "1.0.0"})
        await page.until_answered("Tornado Kit")
        ready = [one for one in page.messages if one["type"] == "bot-ready"]
        assert len(ready) <= 2 * MESSAGE_BURST
