"""After sessions that ended in every way, nothing of them is left."""

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pipecat.frames.frames import LLMMessagesAppendFrame
from websockets.asyncio.client import ClientConnection, connect

from agents import Assistants
from app.loopback import serve_on_loopback
from app.server import running_server
from app.server.serving import SessionServer
from app.settings import Settings
from proxy import CloseCode
from tests.app.server.raw import PING, frame, upgraded
from tests.app.server.recipes import clumsy_script
from tests.app.server.test_sessions import close_code, hear, ready, say
from tests.emulators import openai
from tests.emulators.openai import OpenAIEmulator
from tests.proxy.conversation import calling, within


class Server:
    """A server whose model is the emulator, so that it can fail."""

    def __init__(self, url: str, server: SessionServer, model: OpenAIEmulator) -> None:
        self.url = url
        self.server = server
        self.model = model

    def opened(self, assistant: str) -> "connect":
        return connect(f"{self.url}/ws/{assistant}")


@pytest.fixture
async def server(assistants: Assistants) -> AsyncIterator[Server]:
    model = OpenAIEmulator(clumsy_script)
    async with serve_on_loopback(model.app) as url:
        settings = Settings(
            port=0,
            openai_api_key=openai.KEY,  # type: ignore[arg-type]
            openai_base_url=f"{url}/v1",
            start_timeout_s=1.0,
        )
        async with running_server(settings, assistants) as (address, running):
            yield Server(address, running, model)
        model.release()


async def goodbye(server: Server) -> None:
    """The assistant itself ends the conversation."""
    async with calling(f"{server.url}/ws/clumsy") as caller:
        said: list[object] = [{"role": "user", "content": "goodbye"}]
        await caller.main.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))  # type: ignore[arg-type]
        assert (await within(caller.gone.get())).code == CloseCode.ENDED


async def caller_closes(server: Server) -> None:
    async with server.opened("parrot") as socket:
        await ready(socket)


async def caller_vanishes(server: Server) -> None:
    socket = await server.opened("parrot")
    await ready(socket)
    await say(socket, "one two three")
    socket.transport.abort()


async def caller_vanishes_at_once(server: Server) -> None:
    socket = await server.opened("acme")
    socket.transport.abort()


async def server_goes(server: Server) -> None:
    async with server.opened("parrot") as socket:
        await ready(socket)
        for session in server.server.sessions:
            session.end(CloseCode.GOING_AWAY)
        assert await close_code(socket) == CloseCode.GOING_AWAY


async def recipe_raises(server: Server) -> None:
    async with server.opened("raises") as socket:
        assert await close_code(socket) == CloseCode.ASSISTANT_FAILED


async def recipe_hangs(server: Server) -> None:
    async with server.opened("hangs") as socket:
        assert await close_code(socket) == CloseCode.START_TIMED_OUT


async def assistant_dies(server: Server) -> None:
    async with server.opened("dies") as socket:
        await ready(socket)
        await say(socket, "hello")
        assert await close_code(socket) == CloseCode.ASSISTANT_FAILED


async def tool_raises(server: Server) -> None:
    async with server.opened("clumsy") as socket:
        await ready(socket)
        await say(socket, "hello")
        await until(socket, "FunctionCallResultFrame")


async def tool_exits(server: Server) -> None:
    async with server.opened("clumsy") as socket:
        await ready(socket)
        await say(socket, "leave")
        assert await close_code(socket) == CloseCode.ASSISTANT_FAILED


async def recipe_blocks(server: Server) -> None:
    async with server.opened("blocks") as socket:
        assert await close_code(socket) == CloseCode.START_TIMED_OUT


async def flood(server: Server) -> None:
    async with upgraded(server.url, "parrot") as raw:
        await raw.flood(frame(PING) * 100, times=1)
        assert await raw.close_code() == CloseCode.POLICY_VIOLATION


async def model_answers_500(server: Server) -> None:
    async with server.opened("clumsy") as socket:
        await ready(socket)
        await say(socket, "[500]")
        await until(socket, "ErrorFrame")


async def model_hangs(server: Server) -> None:
    async with server.opened("clumsy") as socket:
        await ready(socket)
        server.model.held_up.clear()
        await say(socket, "[hang]")
        await within(server.model.held_up.wait())


async def rubbish(server: Server) -> None:
    async with server.opened("parrot") as socket:
        await socket.send(b"\x00")
        assert await close_code(socket) == CloseCode.INVALID_PAYLOAD


async def text(server: Server) -> None:
    async with server.opened("parrot") as socket:
        await socket.send("hello")
        assert await close_code(socket) == CloseCode.UNSUPPORTED_DATA


async def until(socket: ClientConnection, frame: str) -> None:
    while frame not in type(getattr(await hear(socket), "frame", None)).__name__:
        pass


WAYS: tuple[Callable[[Server], Awaitable[None]], ...] = (
    goodbye,
    caller_closes,
    caller_vanishes,
    caller_vanishes_at_once,
    server_goes,
    recipe_raises,
    recipe_hangs,
    assistant_dies,
    tool_raises,
    tool_exits,
    recipe_blocks,
    flood,
    model_answers_500,
    model_hangs,
    rubbish,
    text,
)


async def a_hundred(server: Server) -> None:
    for number in range(100):
        await WAYS[number % len(WAYS)](server)
    await within(server.server.sessions.wait_empty())


# Idle connections to the model, which the process keeps for the next session.
POOLED = 4

# A single session kept whole is several hundred objects; a hundred of them, tens of thousands.
FEW_OBJECTS = 500
FEW_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Counts:
    """What there is in this process."""

    tasks: int
    threads: int
    sockets: int
    objects: int
    resident_bytes: int

    @classmethod
    def now(cls) -> "Counts":
        """Count, without what is garbage."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            sockets=len(list(Path("/proc/self/fd").iterdir())),
            objects=len(gc.get_objects()),
            resident_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        )

    def are_back_to(self, before: "Counts") -> bool:
        """Tell whether there is nothing that was not there before."""
        return (
            self.tasks <= before.tasks
            and self.threads <= before.threads
            and self.sockets <= before.sockets + POOLED
        )


# The tasks of the two servers and of the test; of everything else there may be any number.
ANYTHING = Counts(tasks=4, threads=1000, sockets=1000, objects=0, resident_bytes=0)


async def settled(server: Server, before: Counts) -> Counts:
    """Let callbacks of closed sockets run until everything is as it was."""
    for _ in range(400):
        now = Counts.now()
        if now.are_back_to(before) and not server.model.hanging:
            return now
        await asyncio.sleep(0.05)
    raise AssertionError(f"{server.model.hanging} requests hang, {now} is not back to {before}")


@pytest.mark.timeout(300)
async def test_two_hundred_sessions_leave_nothing(server: Server) -> None:
    # The first of each kind brings up what the process keeps: a pool of connections, of threads.
    for way in WAYS:
        await way(server)
    await within(server.server.sessions.wait_empty())
    before = await settled(server, ANYTHING)

    await a_hundred(server)
    first = await settled(server, before)
    await a_hundred(server)
    second = await settled(server, before)
    assert second.objects - first.objects < FEW_OBJECTS
    assert second.resident_bytes - first.resident_bytes < FEW_BYTES
