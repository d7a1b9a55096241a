"""What the README shows is run, and what it says of settings and commands is so."""

import ast
import asyncio
import inspect
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pipecat.frames.frames import Frame, LLMMessagesAppendFrame, StartFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.workers.llm import LLMWorkerActivationArgs

from agents import Say, discover
from app.cli import commands as _commands  # noqa: F401  # they add themselves
from app.cli.program import app as cli
from app.hosted import load_assistants
from app.loopback import serve_on_loopback
from app.server import running_server
from app.settings import PREFIX, PROGRAM_VARIABLES, Settings, variable_of
from tests.emulators import openai
from tests.emulators.openai import OpenAIEmulator
from tests.interop.stock import WELCOME, Listener, StockBot
from tests.proxy.conversation import calling, parrot, say, within
from tests.proxy.relay import Relay

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"\.venv/bin/trunkline (.*)$", README, re.MULTILINE)

TOKEN = "a-token-of-the-tests"

# What tells a block from the others.
ASSISTANT, BOT, STOCK_BOT, SERVER = BLOCK_WORDS = (
    "@assistant(",
    "CallerBridge(",
    "WebSocketProxyClient(",
    "@app.websocket(",
)


def block(words: str) -> str:
    (found,) = [text for text in BLOCKS if words in text]
    return str(found)


async def run(text: str, names: dict[str, Any]) -> None:
    """Run a block as the body of a coroutine."""
    code = compile(text, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, names)
    if inspect.isawaitable(result):
        await result


def to(server: str, text: str) -> str:
    """Have a block dial a server of the test."""
    text = re.sub(r"wss?://server-host:8765", server, text)
    assert server in text
    return text.replace("<token>", TOKEN)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    settings = Settings(port=0, host="127.0.0.1", tokens=TOKEN)  # type: ignore[arg-type]
    async with running_server(settings, discover()) as (address, _):
        yield address


def test_every_block_is_one_that_is_run_here() -> None:
    assert len(BLOCKS) == len(BLOCK_WORDS)
    assert {block(words) for words in BLOCK_WORDS} == set(BLOCKS)


async def test_an_assistant_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_assistants.py").write_text(block(ASSISTANT))
    monkeypatch.syspath_prepend(tmp_path)
    model = OpenAIEmulator(lambda turn: Say("Breakfast is at seven."))
    async with serve_on_loopback(model.app) as url:
        settings = Settings(
            port=0,
            assistant_modules=("my_assistants",),
            openai_api_key=openai.KEY,  # type: ignore[arg-type]
            openai_base_url=f"{url}/v1",
        )
        async with (
            running_server(settings, load_assistants(settings)) as (address, _),
            calling(f"{address}/ws/concierge", task="concierge") as caller,
        ):
            assert await say(caller, "When is breakfast?") == "Breakfast is at seven."


class Microphone(FrameProcessor):
    """Stands where a transport hears; says that a client is there once everything runs."""

    def __init__(self, transport: "Transport") -> None:
        super().__init__(name="microphone")
        self.transport = transport

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self.transport._call_event_handler("on_client_connected", "a client")


class Through(FrameProcessor):
    """Stands where a recogniser or a voice is."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


class Transport(BaseTransport):
    """Stands in for a browser or a phone."""

    def __init__(self) -> None:
        super().__init__()
        self._register_event_handler("on_client_connected")
        self.microphone = Microphone(self)
        self.speaker = Listener()

    def input(self) -> FrameProcessor:
        return self.microphone

    def output(self) -> FrameProcessor:
        return self.speaker


async def test_a_bot_of_ones_own(server: str) -> None:
    transport = Transport()
    aggregators = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies()),
    )
    names = {
        "transport": transport,
        "stt": Through(name="stt"),
        "tts": Through(name="tts"),
        "aggregators": aggregators,
    }
    running = asyncio.create_task(run(to(server, block(BOT)), names))
    await within(transport.speaker.answered.wait())
    assert "welcome to Acme" in transport.speaker.text
    for text, expected in (("How much are the rocket boots?", "$299"), ("Goodbye.", "Goodbye!")):
        transport.speaker.answered.clear()
        said: list[Any] = [{"role": "user", "content": text}]
        frame = LLMMessagesAppendFrame(messages=said, run_llm=True)
        worker: Any = names["worker"]
        await worker.queue_frame(frame)
        async with asyncio.timeout(20):
            while expected not in transport.speaker.text:
                transport.speaker.word.clear()
                await transport.speaker.word.wait()
    await within(running)


async def test_a_stock_bot(server: str) -> None:
    names: dict[str, Any] = {}
    await run(to(server, block(STOCK_BOT)), names)
    bot = StockBot()

    async def on_ready(_: object) -> None:
        await bot.worker.activate_worker(
            "assistant", args=LLMWorkerActivationArgs(messages=[WELCOME])
        )

    started = asyncio.Event()

    async def on_started(_: object) -> None:
        started.set()

    await bot.runner.registry.watch("assistant", on_ready)
    await bot.runner.registry.watch("acme", on_started)
    await bot.runner.add_workers(names["proxy"], bot.worker)
    running = asyncio.create_task(bot.runner.run(auto_end=False))
    await within(started.wait())
    await bot.worker.activate_worker("proxy")
    await within(bot.listener.answered.wait())
    await bot.ask("How much are the rocket boots?", "$299")
    await bot.runner.cancel()
    await within(running)


async def test_a_line_in_a_server_of_ones_own() -> None:
    names: dict[str, Any] = {"make_assistant": parrot}
    await run(block(SERVER), names)
    async with serve_on_loopback(names["app"]) as url:
        address = url.replace("http://", "ws://") + "/ws"
        async with Relay.to(address).running() as relay, calling(relay.url) as caller:
            assert await say(caller, "before the cut") == "before the cut"
            relay.cut()
            assert await say(caller, "after the cut") == "after the cut"
            assert relay.connections == 2
            await caller.runner.cancel()


def test_the_recordings_that_it_names_are_there() -> None:
    named = re.findall(r"--wav (\S+)", "\n".join(COMMANDS))
    assert named
    assert [path for path in named if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_has_the_options_that_are_shown(line: str) -> None:
    name, *arguments = shlex.split(line, comments=True)
    group: Any = typer.main.get_command(cli)
    group.commands[name].make_context(name, arguments)


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", ROOT / ".env.example", *sorted((ROOT / "docs").glob("*.md"))]
)
def test_every_variable_that_is_named_is_one(document: Path) -> None:
    known = {variable_of(field) for field in Settings.model_fields} | PROGRAM_VARIABLES
    named = set(re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", document.read_text()))
    assert named <= known


def test_the_defaults_of_the_line_are_what_the_table_says() -> None:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (\d+) \|", README, re.MULTILINE)
    assert len(rows) == 5
    for name, value in rows:
        assert Settings.model_fields[name.lower()].default == float(value), name
