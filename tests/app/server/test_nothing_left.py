"""After sessions that ended in every way, nothing of them is left."""

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
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
            start_timeout_s=1.5,
        )
        async with running_server(settings, assistants) as (address, running):
            yield Server(address, running, model)
        model.release()


async def goodbye(server: Server) -> None:
    async with calling(f"{server.url}/ws/parrot") as caller:
        session = list(server.server.sessions)[-1]
        said: list[object] = [{"role": "user", "content": "bye"}]
        await caller.main.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))  # type: ignore[arg-type]
        await within(caller.answered.wait())
        session.end(CloseCode.ENDED)
        await within(caller.gone.get())


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
    model_answers_500,
    model_hangs,
    rubbish,
    text,
)


async def a_hundred(server: Server) -> None:
    for number in range(100):
        await WAYS[number % len(WAYS)](server)
    await within(server.server.sessions.wait_empty())


async def settled(limit: Callable[[], bool]) -> None:
    """Let callbacks of closed sockets run until a condition holds."""
    async with asyncio.timeout(20):
        gc.collect()
        while not limit():
            await asyncio.sleep(0.05)
            gc.collect()


# Idle connections to the model, which the process keeps for the next session.
POOLED = 4


def sockets() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(300)
async def test_two_hundred_sessions_leave_nothing(server: Server) -> None:
    for way in WAYS:
        await way(server)
    await within(server.server.sessions.wait_empty())
    await settled(lambda: server.model.hanging == 0)
    tasks, threads, open_files = len(asyncio.all_tasks()), threading.active_count(), sockets()

    await a_hundred(server)
    await settled(lambda: len(asyncio.all_tasks()) <= tasks and sockets() <= open_files + POOLED)
    objects, resident = len(gc.get_objects()), resident_bytes()

    await a_hundred(server)
    await settled(lambda: len(asyncio.all_tasks()) <= tasks and sockets() <= open_files + POOLED)
    assert threading.active_count() <= threads
    assert server.model.hanging == 0
    # A single session kept whole is several hundred objects; a hundred of them, tens of thousands.
    assert len(gc.get_objects()) - objects < 500
    assert resident_bytes() - resident < 4 * 1024 * 1024
