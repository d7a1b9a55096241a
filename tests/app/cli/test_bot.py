"""`trunkline bot`: a local transport in front, an assistant behind a URL."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from pipecat.frames.protobufs import frames_pb2
from websockets.asyncio.client import ClientConnection, connect

from agents import discover
from app.server import running_server
from app.settings import Settings
from tests.app.cli.programs import ended, start
from tests.proxy.conversation import within

TOKEN = "a-token-of-the-tests"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN)  # type: ignore[arg-type]
    async with running_server(settings, discover()) as (address, _):
        yield f"{address}/ws/acme"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def reached(url: str) -> ClientConnection:
    """Connect as soon as the bot listens."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(OSError, websockets.InvalidHandshake):
                return await connect(url)
            await asyncio.sleep(0.2)


async def send(bot: ClientConnection, kind: str, data: dict[str, Any]) -> None:
    message = {"label": "rtvi-ai", "type": kind, "id": "1", "data": data}
    frame = frames_pb2.Frame()  # type: ignore[attr-defined]
    frame.message.data = json.dumps(message)
    await bot.send(frame.SerializeToString())


class Client:
    """The other end of the bot's transport."""

    def __init__(self, bot: ClientConnection) -> None:
        self.bot = bot
        self.said = ""
        self.audio_bytes = 0

    async def hear(self, words: str) -> None:
        """Listen until the bot has said certain words."""
        async with asyncio.timeout(60):
            while words not in self.said:
                self._take(await self.bot.recv())

    async def hear_the_end(self) -> None:
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                self._take(await within(self.bot.recv(), 60))

    def _take(self, data: Any) -> None:
        frame = frames_pb2.Frame.FromString(data)  # type: ignore[attr-defined]
        if frame.WhichOneof("frame") == "audio":
            self.audio_bytes += len(frame.audio.audio)
        elif frame.WhichOneof("frame") == "message":
            message = json.loads(frame.message.data)
            if message["type"] == "bot-llm-text":
                self.said += message["data"]["text"]


async def test_a_conversation_through_the_bot_to_an_assistant_behind_a_url(
    tmp_path: Path, url: str
) -> None:
    port = free_port()
    options = ("--remote-url", url, "-t", "websocket", "--port", str(port))
    process = await start("bot", *options, home=tmp_path, further={"TRUNKLINE_TOKEN": TOKEN})
    assert process.stderr is not None
    async with ended(process):
        client = Client(await reached(f"ws://localhost:{port}/ws-client"))
        version = {"version": "1.0.0", "about": {"library": "test"}}
        await send(client.bot, "client-ready", version)
        await client.hear("Tornado Kit.")
        await send(client.bot, "send-text", {"content": "How much are the rocket boots?"})
        await client.hear("$299")
        await send(client.bot, "send-text", {"content": "goodbye"})
        await client.hear("Goodbye!")
        await client.hear_the_end()
        assert client.audio_bytes > 100_000
        process.send_signal(signal.SIGINT)
        _, errors = await within(process.communicate(), 30)
    told = errors.decode()
    assert "Traceback" not in told
    for secret in ("rocket", "299", TOKEN):
        assert secret not in told
