"""The two processes of a conversation, and the model that the test plays."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from app.loopback import serve_on_loopback
from tests.app.cli.programs import ended, environment, start
from tests.emulators import openai
from tests.emulators.openai import OpenAIEmulator
from tests.end_to_end.caller import Told
from tests.end_to_end.dialogue import script
from tests.end_to_end.network import Network
from tests.proxy.conversation import within

ROOT = Path(__file__).parents[2]

# A process of Python that imports Pipecat takes seconds, on a busy machine many.
START_TIMEOUT_S = 60.0


class Lines:
    """What a program writes, line by line, kept from the beginning."""

    def __init__(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        self.all: list[str] = []
        self._read = 0
        self._more = asyncio.Event()
        self._reading = asyncio.create_task(self._fill(stream))

    async def _fill(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.all.append(line.decode().rstrip("\n"))
            self._more.set()
        self._more.set()

    async def next(self) -> str:
        """Wait for the next line."""
        while self._read == len(self.all):
            assert not self._reading.done(), "the program ended"
            self._more.clear()
            await self._more.wait()
        self._read += 1
        return self.all[self._read - 1]

    async def until(self, words: str) -> str:
        """Wait for a line with certain words in it."""
        while words not in (line := await self.next()):
            pass
        return line


class Model(OpenAIEmulator):
    """The server's language model, which speaks as fast as the test lets it.

    Attributes:
        finished: How many answers it has streamed to their ends.
        news: Set when it has finished one.
    """

    def __init__(self) -> None:
        super().__init__(script)
        self.finished = 0
        self.news = asyncio.Event()
        self._allowed = asyncio.Semaphore(0)
        self._metered = False

    def hold(self) -> None:
        """Say no more than is allowed from now on."""
        self._metered = True

    def allow(self, count: int) -> None:
        """Let so many events of an answer go."""
        for _ in range(count):
            self._allowed.release()

    def let_go(self) -> None:
        """Say everything."""
        self._metered = False
        self._allowed.release()

    async def _stream(self, body: dict[str, Any], said: str) -> AsyncIterator[str]:
        async for event in super()._stream(body, said):
            if self._metered:
                await self._allowed.acquire()
            yield event
        self.finished += 1
        self.news.set()

    def heard(self) -> list[str]:
        """What the caller said, as the assistant has it in the end."""
        messages = self.requests[-1]["messages"]
        return [message["content"] for message in messages if message["role"] == "user"]


class CallerProgram:
    """The caller's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = Lines(process.stdout)
        self.err = Lines(process.stderr)

    def _command(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def say(self, text: str) -> None:
        self._command(say=text)

    def interrupt(self) -> None:
        self._command(interrupt=None)

    async def next(self) -> tuple[Told, Any]:
        """Wait for what it tells next."""
        ((what, value),) = json.loads(await self.out.next()).items()
        return Told(what), value

    async def until(self, wanted: Told, value: Any = None) -> Any:
        """Wait until it tells a certain thing."""
        while True:
            what, told = await within(self.next(), START_TIMEOUT_S)
            if what is wanted and (value is None or told == value):
                return told

    def told(self, wanted: Told) -> list[Any]:
        """Everything of a kind that it told so far."""
        events = (json.loads(line) for line in self.out.all)
        return [event[wanted] for event in events if wanted in event]


class ServerProgram:
    """The server's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = Lines(process.stdout)
        self.log = Lines(process.stderr)
        self.url = ""


class Stage:
    """Everything that a conversation takes."""

    def __init__(self, model: Model, server: ServerProgram, network: Network) -> None:
        self.model = model
        self.server = server
        self.network = network

    @contextlib.asynccontextmanager
    async def calling(self, home: Path, *arguments: str) -> AsyncIterator[CallerProgram]:
        """Start a caller, and wait until it was greeted."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.end_to_end.caller",
            self.network.url,
            *arguments,
            env=environment(home),
            cwd=ROOT,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
        )
        caller = CallerProgram(process)
        async with ended(process):
            try:
                yield caller
            except BaseException as error:
                for name, lines in (("caller", caller.err), ("server", self.server.log)):
                    error.add_note("\n".join([f"{name}:", *lines.all[-25:]]))
                raise


@contextlib.asynccontextmanager
async def stage(home: Path, **settings: str) -> AsyncIterator[Stage]:
    """Set up a model, a server in a process of its own, and a network to it.

    Args:
        home: A folder for the programs.
        **settings: Further settings of the server, by field.
    """
    model = Model()
    async with serve_on_loopback(model.app) as model_url:
        further = {
            "OPENAI_API_KEY": openai.KEY,
            "OPENAI_BASE_URL": f"{model_url}/v1",
            "PYTHONPATH": os.pathsep.join((str(home), str(ROOT))),
            "TRUNKLINE_ASSISTANT_MODULES": "tests.end_to_end.assistants",
            **{f"TRUNKLINE_{name.upper()}": value for name, value in settings.items()},
        }
        process = await start("serve", "--port", "0", home=home, further=further)
        async with ended(process):
            server = ServerProgram(process)
            listens = await within(server.log.until("listens on"), START_TIMEOUT_S)
            server.url = f"{listens.split('listens on ')[1].strip()}/guide"
            async with Network(server.url).running() as network:
                yield Stage(model, server, network)
            model.let_go()
