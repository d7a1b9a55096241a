"""`trunkline bot`: a local transport in front, an assistant behind a URL."""

import asyncio
import contextlib
import importlib.util
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from pipecat.frames.protobufs import frames_pb2
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from agents import Assistants, discover
from app.cli.bot import _ensure_daily, _import_runner, _SharedSides
from app.cli.sides import Wanted
from app.errors import MissingExtraError
from app.server import running_server
from app.services import Roles
from app.settings import Settings, load_settings
from tests.app.cli.programs import ended, free_port, press_ctrl_c, run, start
from tests.proxy.conversation import within

TOKEN = "a-token-of-the-tests"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN)  # type: ignore[arg-type]
    async with running_server(settings, discover()) as (address, _):
        yield f"{address}/ws/acme"


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


@pytest.mark.long
async def test_a_conversation_through_the_bot_to_an_assistant_behind_a_url(
    tmp_path: Path, url: str
) -> None:
    port = free_port()
    url += "?token=hidden"
    # Pipecat's runner logs everything at its most talkative level, unless it is kept from it.
    options = ("--remote-url", url, "-t", "websocket", "--port", str(port), "-v")
    further = {"TRUNKLINE_TOKEN": TOKEN, "TRUNKLINE_LOG_LEVEL": "DEBUG"}
    process = await start("bot", *options, home=tmp_path, further=further)
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
        press_ctrl_c(process)
        _, errors = await within(process.communicate(), 30)
    told = errors.decode()
    assert process.returncode == 0
    assert "This bot talks to ws://127.0.0.1:" in told
    assert "INFO    A client is connected" in told
    assert "Traceback" not in told
    assert "DEBUG    | pipecat" not in told
    for secret in ("rocket", "299", "oodbye", "hidden", TOKEN):
        assert secret not in told


@pytest.mark.parametrize(("assistant", "greeting"), [("acme", "Tornado Kit."), ("handoff", "Acme")])
async def test_a_bot_with_an_assistant_in_its_own_process_greets(
    tmp_path: Path, assistant: str, greeting: str
) -> None:
    port = free_port()
    options = ("--assistant", assistant, "-t", "websocket", "--port", str(port))
    process = await start("bot", *options, home=tmp_path)
    async with ended(process):
        client = Client(await reached(f"ws://localhost:{port}/ws-client"))
        version = {"version": "1.0.0", "about": {"library": "test"}}
        await send(client.bot, "client-ready", version)
        await client.hear(greeting)
        press_ctrl_c(process)
        await within(process.communicate(), 30)
    assert process.returncode == 0


async def test_a_bot_serves_its_page_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    bot = await start("bot", "--assistant", "acme", "--port", str(port), home=tmp_path)
    async with ended(bot):
        page = await fetched(f"http://127.0.0.1:{port}/client/")
        assert page.status_code == 200
        assert "<html" in page.text.lower()
        press_ctrl_c(bot)
        _, errors = await within(bot.communicate(), 10)
    assert bot.returncode == 0
    for word in ("Traceback", "ERROR", "never awaited"):
        assert word not in errors.decode()


async def fetched(url: str) -> httpx.Response:
    """Get a page as soon as the bot serves it."""
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                return await client.get(url, follow_redirects=True)
            await asyncio.sleep(0.2)


async def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        options = ("--assistant", "acme", "--host", "127.0.0.1", "--port", port)
        finished = await run("bot", *options, home=tmp_path)
    assert finished.code == 2
    assert f"error: port {port} is in use; choose another with --port" in finished.err


@pytest.mark.parametrize("options", [("-t", "daily"), ("-d",)], ids=" ".join)
async def test_daily_without_its_key_is_one_line(tmp_path: Path, options: tuple[str, ...]) -> None:
    port = ("--port", str(free_port()))
    finished = await run("bot", "--assistant", "acme", *options, *port, home=tmp_path)
    assert finished.code == 2
    assert finished.err.splitlines()[-1] == "error: set DAILY_API_KEY"


@pytest.mark.parametrize(
    ("installed", "key", "transport", "told"),
    [
        (True, None, None, "Daily is off: set DAILY_API_KEY\n"),
        (False, "key", None, "Daily is off: Daily's package is not installed: pip install"),
        (True, None, "webrtc", ""),
        (True, "key", None, ""),
        (True, "key", "daily", ""),
    ],
)
def test_a_bot_for_every_transport_says_why_daily_is_not_among_them(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    installed: bool,
    key: str | None,
    transport: str | None,
    told: str,
) -> None:
    found = importlib.util.find_spec("json") if installed else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    settings = Settings(daily_api_key=SecretStr(key) if key else None)
    _ensure_daily(settings, transport, ())
    printed = capsys.readouterr().err
    assert printed.startswith(told)
    assert bool(printed) == bool(told)
    if not installed:
        with pytest.raises(MissingExtraError):
            _ensure_daily(settings, "daily", ())


def test_what_dotenv_holds_reaches_pipecats_runner_and_overrides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DAILY_API_KEY", "DAILY_ROOM_URL", "DAILY_API_URL", "ENV"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAILY_API_URL", "https://from.the.environment")
    lines = ("DAILY_API_KEY=from-file", "DAILY_ROOM_URL=https://room", "DAILY_API_URL=https://file")
    Path(".env").write_text("\n".join(lines))
    _import_runner(load_settings())
    assert os.environ["DAILY_API_KEY"] == "from-file"
    assert os.environ["DAILY_ROOM_URL"] == "https://room"
    assert os.environ["DAILY_API_URL"] == "https://from.the.environment"


async def test_conversations_that_begin_together_share_their_services(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Roles] = []
    plain = Roles.open

    @contextlib.asynccontextmanager
    async def slowly(settings: Settings, assistants: Assistants) -> AsyncIterator[Roles]:
        async with plain(settings, assistants) as roles:
            await asyncio.sleep(0)
            opened.append(roles)
            yield roles

    monkeypatch.setattr(Roles, "open", slowly)
    what = Wanted(None, None, None, "acme", Settings(), discover())
    shared = _SharedSides(what)
    got = await asyncio.gather(*(shared.get() for _ in range(3)))
    await shared._stack.aclose()
    assert [sides.roles for sides in got] == opened * 3
