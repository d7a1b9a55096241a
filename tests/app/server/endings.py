"""The ways in which a session may end, each held once against a real server."""

import asyncio
import itertools
import secrets
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast
from unittest import mock

from msgspec import structs
from pipecat.frames.frames import LLMMessagesAppendFrame
from websockets.asyncio.client import ClientConnection, connect

from app.server.admin import desk
from app.server.lifetime import Lifetimes
from app.server.serving import SessionServer
from app.server.session import Session
from app.server.table import SessionTable
from app.settings import Settings
from proxy import CloseCode, arrival
from proxy.codec.trunk import read_envelope
from proxy.wire import WAIT_HEADER, Waiting, Welcome
from tests.app.server.raw import PING, frame, upgraded
from tests.app.server.recipes import BLOCKED, parrot
from tests.app.server.test_resume_sessions import HELLO, greeting, welcome
from tests.app.server.test_sessions import activation, close_code, hear, ready, say, spoken
from tests.emulators import openai
from tests.emulators.openai import OpenAIEmulator
from tests.proxy.conversation import Caller, calling, within
from tests.proxy.deaf import deaf_caller
from tests.proxy.relay import Relay

# What only a slow machine takes.
LONG_S = 60.0

# How long a connection may take nothing of what is written to it, while these sessions are held.
SEND_TIMEOUT_S = 1.0

# Said so often, these are more than what a deaf caller's line and both kernels hold.
WORDS = " ".join(["x" * 32_000] * 16)
OFTEN = 16

Another = Callable[[], AbstractAsyncContextManager[tuple[str, SessionServer]]]


class Server:
    """A server whose model is the emulator, so that it can fail, and three others.

    One has room for one caller, and for one who waits. One does not wait for assistants that start,
    one not for callers who are away. What a slow machine could keep from being in time happens at
    the first one, which has time. A way that needs a server for itself starts another.
    """

    def __init__(
        self,
        patient: tuple[str, SessionServer],
        hurried: tuple[str, SessionServer],
        forgetful: tuple[str, SessionServer],
        crowded: tuple[str, SessionServer],
        model: OpenAIEmulator,
        another: Another,
    ) -> None:
        self.url, self.server = patient
        self.hurried_url, self.hurried = hurried
        self.forgetful_url, self.forgetful = forgetful
        self.crowded_url, self.crowded = crowded
        self.model = model
        self.another = another

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


async def server_is_drained(server: Server) -> None:
    async with server.another() as (url, drained), connect(f"{url}/ws/parrot") as socket:
        await ready(socket)
        drained.stop()
        assert await close_code(socket) == CloseCode.GOING_AWAY
        await within(drained.stopped.wait(), LONG_S)
        assert not len(drained.sessions)


async def caller_is_deaf(server: Server) -> None:
    async with (
        server.another() as (url, deaf),
        deaf_caller(f"{url}/ws/parrot", stock=True) as tell,
    ):
        (session,) = deaf.sessions
        tell(activation())
        for _ in range(OFTEN):
            tell(spoken(WORDS))
        await within(deaf.sessions.wait_empty(), LONG_S)
        assert session.closed_with == CloseCode.PEER_TOO_SLOW, session.closed_with


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
        session = newest_parrot(server)
        hours = itertools.count(time.monotonic() + 2 * LONG_S, 2 * LONG_S)
        later = Lifetimes(cast(SessionTable, [session]), clock=lambda: next(hours), **limits_s)
        later.look()
        later.look()  # what was said until the first look is no longer new
        assert await close_code(socket) == code


def newest_parrot(server: Server) -> Session:
    """Return the session that was begun last, beside those of other ways that are under way."""
    return [each for each in server.server.sessions if each.recipe is parrot][-1]


async def ended_by_operator(server: Server) -> None:
    async with server.opened("parrot") as socket:
        await ready(socket)
        session = newest_parrot(server)
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
SLOW: tuple[Way, ...] = (
    caller_never_returns,
    caller_is_deaf,
    recipe_hangs,
    recipe_blocks,
    model_answers_500,
)
QUICK: tuple[Way, ...] = (
    goodbye,
    caller_returns,
    taken_over,
    caller_closes,
    caller_vanishes,
    caller_vanishes_at_once,
    server_goes,
    server_is_drained,
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
