"""A server that is told to stop lets every answer be heard to its end."""

import asyncio
import signal
from pathlib import Path

import httpx
from pipecat.bus.messages import BusFrameMessage
from pipecat.frames.frames import LLMFullResponseEndFrame, LLMTextFrame
from websockets.asyncio.client import ClientConnection, connect

from proxy import CloseCode
from tests.app.cli.programs import ended, read_until, start
from tests.app.server.test_door import refusal
from tests.app.server.test_sessions import close_code, hear, hear_words, ready, say
from tests.proxy.conversation import within

LONG_S = 100.0

ADMIN = "an-admin-of-the-tests"

# An answer of which the second half is said when the caller asks for it.
STORYTELLER = """
from pipecat.frames.frames import (
    LLMContextFrame, LLMFullResponseEndFrame, LLMFullResponseStartFrame, LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from agents import assistant

class Storyteller(FrameProcessor):
    halfway = False

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        words = ("and", "they", "lived") if self.halfway else ("once", "upon", "a", "time")
        if not self.halfway:
            await self.push_frame(LLMFullResponseStartFrame())
        for word in words:
            await self.push_frame(LLMTextFrame(word))
        if self.halfway:
            await self.push_frame(LLMFullResponseEndFrame())
        self.halfway = True

@assistant("storyteller", exports=("assistant",))
def storyteller(session):
    return [
        PipelineWorker(
            Pipeline([Storyteller()]), name="assistant", bridged=(), idle_timeout_secs=None
        )
    ]
"""


async def serve(home: Path, drain_timeout_s: float) -> tuple[asyncio.subprocess.Process, str]:
    (home / "stories.py").write_text(STORYTELLER)
    further = {
        "TRUNKLINE_ASSISTANT_MODULES": "stories",
        "TRUNKLINE_DRAIN_TIMEOUT_S": str(drain_timeout_s),
        "TRUNKLINE_ADMIN_TOKENS": ADMIN,
    }
    process = await start("serve", "--port", "0", home=home, further=further)
    assert process.stderr is not None
    line = await read_until(process.stderr, "listens on")
    return process, line.split("listens on ")[1].strip().removesuffix("/ws")


async def listening(url: str) -> ClientConnection:
    """Call the storyteller, and hear the first half of its story."""
    socket = await connect(f"{url}/ws/storyteller", open_timeout=LONG_S)
    await ready(socket)
    await say(socket, "a story, please")
    assert await hear_words(socket, 4) == ["once", "upon", "a", "time"]
    return socket


async def rest(socket: ClientConnection) -> list[str]:
    """Ask for the second half, and hear it to its end."""
    await say(socket, "go on")
    words: list[str] = []
    while True:
        message = await hear(socket)
        assert isinstance(message, BusFrameMessage)
        if isinstance(message.frame, LLMFullResponseEndFrame):
            return words
        assert isinstance(message.frame, LLMTextFrame)
        words.append(message.frame.text)


async def draining(url: str) -> None:
    """Wait until the server says that it takes no more callers."""
    async with httpx.AsyncClient(base_url=url.replace("ws://", "http://")) as client:
        while (await client.get("/readyz")).status_code != 503:
            pass


async def test_a_hundred_sessions_that_talk_are_heard_to_the_end_of_their_answers(
    tmp_path: Path,
) -> None:
    process, url = await serve(tmp_path, drain_timeout_s=60.0)
    async with ended(process):
        sockets = await within(asyncio.gather(*(listening(url) for _ in range(100))), LONG_S)
        silent = await connect(f"{url}/ws/storyteller")
        await ready(silent)
        process.send_signal(signal.SIGTERM)
        assert await close_code(silent) == CloseCode.GOING_AWAY, "it need not wait"
        await within(draining(url))
        assert (await refusal(f"{url}/ws/storyteller")).json()["code"] == "draining"
        told = await within(asyncio.gather(*map(rest, sockets)), LONG_S)
        assert told == [["and", "they", "lived"]] * 100
        codes = await within(asyncio.gather(*map(close_code, sockets)), LONG_S)
        assert set(codes) == {CloseCode.GOING_AWAY}
        assert await within(process.wait()) == 0


async def test_an_answer_that_does_not_end_is_cut_short_at_the_deadline(tmp_path: Path) -> None:
    process, url = await serve(tmp_path, drain_timeout_s=1.0)
    async with ended(process):
        socket = await listening(url)
        process.send_signal(signal.SIGTERM)
        assert await close_code(socket) == CloseCode.GOING_AWAY
        assert process.stderr is not None
        await read_until(process.stderr, "1 answers were not over in time")
        assert await within(process.wait()) == 0


async def test_a_second_signal_waits_for_no_answer_and_callers_are_told(tmp_path: Path) -> None:
    process, url = await serve(tmp_path, drain_timeout_s=600.0)
    async with ended(process):
        socket = await listening(url)
        process.send_signal(signal.SIGTERM)
        await within(draining(url))
        process.send_signal(signal.SIGTERM)
        assert await close_code(socket) == CloseCode.GOING_AWAY
        assert await within(process.wait()) == 0


async def test_a_caller_that_is_lost_in_the_middle_is_not_waited_for(tmp_path: Path) -> None:
    process, url = await serve(tmp_path, drain_timeout_s=600.0)
    async with ended(process):
        socket = await listening(url)
        process.send_signal(signal.SIGTERM)
        await within(draining(url))
        socket.transport.abort()
        assert await within(process.wait()) == 0


async def test_a_server_that_was_drained_and_then_stopped_is_in_no_hurry(tmp_path: Path) -> None:
    process, url = await serve(tmp_path, drain_timeout_s=60.0)
    async with ended(process):
        socket = await listening(url)
        address = url.replace("ws://", "http://")
        async with httpx.AsyncClient(base_url=address) as client:
            headers = {"Authorization": f"Bearer {ADMIN}"}
            assert (await client.post("/v1/drain", headers=headers)).json()["sessions"] == 1
            assert (await client.get("/readyz")).status_code == 503
            process.send_signal(signal.SIGTERM)
            await within(draining(url))
        assert await rest(socket) == ["and", "they", "lived"]
        assert await close_code(socket) == CloseCode.GOING_AWAY
        assert await within(process.wait()) == 0
