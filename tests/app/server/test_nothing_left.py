"""After sessions that ended in every way, nothing of them is left."""

import asyncio
import gc
import itertools
import logging
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from unittest import mock

import pytest
from msgspec import structs
from pipecat.frames.frames import LLMMessagesAppendFrame
from websockets.asyncio.client import ClientConnection, connect

from agents import Assistants
from app.loopback import serve_on_loopback
from app.server import running_server
from app.server.admin import desk
from app.server.lifetime import Lifetimes
from app.server.serving import SessionServer
from app.server.table import SessionTable
from app.settings import Settings
from proxy import CloseCode, arrival
from proxy.codec.trunk import read_envelope
from proxy.wire import WAIT_HEADER, Waiting, Welcome
from tests.app.server.raw import PING, frame, upgraded
from tests.app.server.recipes import BLOCKED, clumsy_script, parrot
from tests.app.server.test_resume_sessions import HELLO, greeting, welcome
from tests.app.server.test_sessions import close_code, hear, ready, say
from tests.emulators import openai
from tests.emulators.openai import OpenAIEmulator
from tests.proxy.conversation import Caller, calling, within
from tests.proxy.relay import Relay

# What only a slow machine takes.
LONG_S = 60.0


class Server:
    """A server whose model is the emulator, so that it can fail, and three others.

    One has room for one caller, and for one who waits. One does not wait for assistants that start,
    one not for callers who are away. What a slow machine could keep from being in time happens at
    the first one, which has time.
    """

    def __init__(
        self,
        patient: tuple[str, SessionServer],
        hurried: tuple[str, SessionServer],
        forgetful: tuple[str, SessionServer],
        crowded: tuple[str, SessionServer],
        model: OpenAIEmulator,
    ) -> None:
        self.url, self.server = patient
        self.hurried_url, self.hurried = hurried
        self.forgetful_url, self.forgetful = forgetful
        self.crowded_url, self.crowded = crowded
        self.model = model

    @property
    def all(self) -> tuple[SessionServer, ...]:
        return (self.server, self.hurried, self.forgetful, self.crowded)

    def opened(self, assistant: str) -> "connect":
        return connect(f"{self.url}/ws/{assistant}")

    def opened_in_a_hurry(self, assistant: str) -> "connect":
        return connect(f"{self.hurried_url}/ws/{assistant}")

    async def emptied(self) -> None:
        for server in self.all:
            await within(server.sessions.wait_empty(), LONG_S)


def settings(model_url: str, **further: float) -> Settings:
    model = {"openai_api_key": openai.KEY, "openai_base_url": f"{model_url}/v1"}
    options: dict[str, Any] = {"port": 0, **model, **further}
    return Settings(**options)


@pytest.fixture
async def server(assistants: Assistants) -> AsyncIterator[Server]:
    model = OpenAIEmulator(clumsy_script)
    async with serve_on_loopback(model.app) as url:
        forgets = {"start_timeout_s": LONG_S, "resume_window_s": 0.2, "heartbeat_s": 1.0}
        crowd = {"start_timeout_s": LONG_S, "max_sessions": 1, "max_waiting_callers": 1}
        async with (
            running_server(settings(url, start_timeout_s=LONG_S), assistants) as patient,
            running_server(settings(url, start_timeout_s=0.5), assistants) as hurried,
            running_server(settings(url, **forgets), assistants) as forgetful,
            running_server(settings(url, **crowd), assistants) as crowded,
        ):
            yield Server(patient, hurried, forgetful, crowded, model)
        model.release()


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Where a test has let libraries speak of every connection, pytest keeps all that they say."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


async def goodbye(server: Server) -> None:
    """The assistant itself ends the conversation."""
    async with calling(f"{server.url}/ws/clumsy") as caller:
        await say_goodbye(caller)


async def say_goodbye(caller: Caller) -> None:
    said: list[Any] = [{"role": "user", "content": "goodbye"}]
    await caller.main.queue_frame(LLMMessagesAppendFrame(messages=said, run_llm=True))
    assert (await within(caller.gone.get(), LONG_S)).code == CloseCode.ENDED


async def caller_returns(server: Server) -> None:
    async with (
        Relay.to(f"{server.url}/ws/clumsy").running() as relay,
        calling(relay.url) as caller,
    ):
        relay.cut()
        await say_goodbye(caller)
        assert relay.connections > 1


async def caller_never_returns(server: Server) -> None:
    async with (
        Relay.to(f"{server.forgetful_url}/ws/parrot").running() as relay,
        calling(relay.url) as caller,
    ):
        relay.refusing = True
        relay.cut()
        assert (await within(caller.gone.get())).code == CloseCode.ABNORMAL
        await within(server.forgetful.sessions.wait_empty(), LONG_S)


async def no_hello(server: Server) -> None:
    with mock.patch.object(arrival, "HELLO_TIMEOUT_S", 0.05):
        async with greeting(server.url, None) as socket:
            assert await close_code(socket) == CloseCode.BAD_HELLO


async def taken_over(server: Server) -> None:
    async with greeting(server.url) as old:
        first = await welcome(old)
        hello = structs.replace(HELLO, session=first.session, token=first.token)
        async with greeting(server.url, hello) as new:
            assert (await welcome(new)).resumed
            assert await close_code(old) == CloseCode.SESSION_TAKEN_OVER


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
            if session.recipe is parrot:
                session.end(CloseCode.GOING_AWAY)
        assert await close_code(socket) == CloseCode.GOING_AWAY


async def recipe_raises(server: Server) -> None:
    async with server.opened("raises") as socket:
        assert await close_code(socket) == CloseCode.ASSISTANT_FAILED


async def recipe_hangs(server: Server) -> None:
    async with server.opened_in_a_hurry("hangs") as socket:
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
    until = secrets.token_hex(4)
    released = BLOCKED[until] = threading.Event()
    try:
        async with server.opened_in_a_hurry(f"blocks?until={until}") as socket:
            assert await close_code(socket) == CloseCode.START_TIMED_OUT
    finally:
        released.set()
        del BLOCKED[until]


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


async def idle(server: Server) -> None:
    await time_goes_by(server, CloseCode.IDLE, idle_timeout_s=LONG_S, max_session_s=0.0)


async def time_is_up(server: Server) -> None:
    await time_goes_by(server, CloseCode.TIME_IS_UP, idle_timeout_s=0.0, max_session_s=LONG_S)


async def time_goes_by(server: Server, code: CloseCode, **limits_s: float) -> None:
    """Have it be later than a session may last."""
    async with server.opened("parrot") as socket:
        await ready(socket)
        (*_, session) = server.server.sessions
        hours = itertools.count(time.monotonic() + 2 * LONG_S, 2 * LONG_S)
        later = Lifetimes(cast(SessionTable, [session]), clock=lambda: next(hours), **limits_s)
        later.look()
        later.look()  # what was said until the first look is no longer new
        assert await close_code(socket) == code


async def ended_by_operator(server: Server) -> None:
    async with server.opened("parrot") as socket:
        await ready(socket)
        (*_, session) = server.server.sessions
        assert desk.end(server.server.state, desk.Order(by="x", session_id=session.id)).count == 1
        assert await close_code(socket) == CloseCode.ENDED_BY_OPERATOR


async def waits_and_gets_in(server: Server) -> None:
    async with (
        connect(f"{server.crowded_url}/ws/parrot") as first,
        greeting(server.crowded_url, HELLO, **{WAIT_HEADER: "1"}) as second,
    ):
        assert isinstance(read_envelope(await within(second.recv())), Waiting)
        await first.close()
        while isinstance(told := read_envelope(await within(second.recv())), Waiting):
            pass
        assert isinstance(told, Welcome)
    await within(server.crowded.sessions.wait_empty(), LONG_S)


async def waits_and_goes(server: Server) -> None:
    async with (
        connect(f"{server.crowded_url}/ws/parrot"),
        greeting(server.crowded_url, HELLO, **{WAIT_HEADER: "1"}) as second,
    ):
        assert isinstance(read_envelope(await within(second.recv())), Waiting)
    await within(server.crowded.sessions.wait_empty(), LONG_S)


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


Way = Callable[[Server], Awaitable[None]]

# Those that wait for something to be over; the others happen meanwhile.
SLOW: tuple[Way, ...] = (caller_never_returns, recipe_hangs, recipe_blocks, model_answers_500)
QUICK: tuple[Way, ...] = (
    goodbye,
    caller_returns,
    taken_over,
    caller_closes,
    caller_vanishes,
    caller_vanishes_at_once,
    server_goes,
    recipe_raises,
    assistant_dies,
    tool_raises,
    tool_exits,
    flood,
    model_hangs,
    idle,
    time_is_up,
    ended_by_operator,
    waits_and_gets_in,
    waits_and_goes,
    rubbish,
    text,
    no_hello,
)
ROUND = 2 * len(SLOW) + 2 * len(QUICK)


async def one_round(server: Server) -> None:
    """Hold two sessions that end in each way."""
    slow = [asyncio.create_task(_run(way, server)) for way in 2 * SLOW]
    try:
        for way in 2 * QUICK:
            await way(server)
    finally:
        await asyncio.gather(*slow)
    await server.emptied()
    # What the emulator keeps of its callers is the test's own.
    server.model.requests.clear()


async def _run(way: Way, server: Server) -> None:
    await way(server)


# Idle connections to the model, which the process keeps for the next session.
POOLED = 4

# A single session kept whole is several hundred objects; a thousand of them, hundreds of thousands.
FEW_OBJECTS = 500
FEW_BYTES = 5 * 1024 * 1024


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


async def settled(server: Server, before: Counts) -> Counts:
    """Let callbacks of closed sockets run until everything is as it was."""
    for _ in range(400):
        now = Counts.now()
        if now.are_back_to(before) and not server.model.hanging:
            return now
        await asyncio.sleep(0.05)
    raise AssertionError(f"{server.model.hanging} requests hang, {now} is not back to {before}")


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_thousand_sessions_leave_nothing(server: Server, unlogged: None) -> None:
    # The tasks of the servers and of the test; of everything else there may be any number.
    idle = Counts(len(asyncio.all_tasks()), threads=1000, sockets=1000, objects=0, resident_bytes=0)
    # The first of each kind brings up what the process keeps: a pool of connections, of threads.
    await one_round(server)
    before = await settled(server, idle)
    await one_round(server)
    first = await settled(server, before)
    for _ in range(1000 // ROUND):
        await one_round(server)
    last = await settled(server, before)
    assert last.objects - first.objects < FEW_OBJECTS
    assert last.resident_bytes - first.resident_bytes < FEW_BYTES
    for one in server.all:
        assert not len(one.sessions)
        assert one.state.slots.taken == 0
