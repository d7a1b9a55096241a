"""Sessions of the server that outlive their connections, and callers that have none."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import websockets
from pipecat.workers.base_worker import BaseWorker
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect

from agents import Assistants, SessionContext, assistant
from app.server import running_server
from app.server.serving import SessionServer
from app.server.session import Session
from app.server.states import SessionState
from app.settings import Settings
from proxy import CloseCode, WebSocketProxyClientTask, arrival
from proxy.codec.trunk import read_envelope
from proxy.protocol import TrunkLine
from proxy.wire import SESSION_HEADER, SUBPROTOCOL, Hello, Ready, Welcome, encode
from tests.app.cli.programs import ended, read_until, start
from tests.app.server import recipes
from tests.app.server.test_sessions import Running, close_code, emptied, table
from tests.proxy.conversation import Caller, calling, say, within
from tests.proxy.relay import Relay

TOKEN, OTHERS_TOKEN = "the-token-of-the-caller", "the-token-of-another"

HELLO = Hello(1, ("acme",), (), 65536, 65536, 5.0)

Moves = asyncio.Queue[SessionState]


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Ending:
    """An assistant whose task the test ends."""

    def __init__(self) -> None:
        self.task: BaseWorker | None = None

    def build(self, session: SessionContext) -> list[BaseWorker]:
        (self.task,) = recipes.parrot.tasks(session)
        return [self.task]


@pytest.fixture
def ending() -> Ending:
    return Ending()


def settings(**further: Any) -> Settings:
    options = {"port": 0, "host": "127.0.0.1", "tokens": f"{TOKEN},{OTHERS_TOKEN}", **further}
    return Settings(**options)


@contextlib.asynccontextmanager
async def serving(ending: Ending | None = None, **further: Any) -> AsyncIterator[Running]:
    hosted = [recipes.parrot]
    if ending is not None:
        hosted.append(assistant("ends", exports=("assistant",))(ending.build))
    async with running_server(settings(**further), Assistants(hosted)) as running:
        yield running


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with serving() as running:
        yield running


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> Moves:
    """Every move of every session, as it happens."""
    moves: Moves = asyncio.Queue()
    plain = Session._move

    def move(session: Session, state: SessionState) -> None:
        moved = session.state is not state
        plain(session, state)
        if moved:
            moves.put_nowait(state)

    monkeypatch.setattr(Session, "_move", move)
    return moves


async def until(moves: Moves, state: SessionState) -> None:
    while await within(moves.get()) is not state:
        pass


@contextlib.asynccontextmanager
async def called(
    running: Running, name: str = "parrot"
) -> AsyncIterator[tuple[Caller, Relay, Session]]:
    """Hold a conversation over a network that can be cut."""
    async with (
        Relay.to(f"{running[0]}/ws/{name}").running() as relay,
        calling(relay.url, headers=bearer()) as caller,
    ):
        assert await say(caller, "hello") == "hello"
        (session,) = table(running)
        yield caller, relay, session


async def lose(relay: Relay, moves: Moves) -> None:
    relay.refusing = True
    relay.cut()
    await until(moves, SessionState.DETACHED)


@contextlib.asynccontextmanager
async def greeting(
    url: str,
    hello: Hello | None = HELLO,
    *,
    token: str = TOKEN,
    to: str = "parrot",
    **headers: str,
) -> AsyncIterator[ClientConnection]:
    """Open a connection by hand, with a hello or none."""
    async with connect(
        f"{url}/ws/{to}",
        subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
        additional_headers={**bearer(token), **headers},
    ) as socket:
        if hello is not None:
            await socket.send(encode(hello))
        yield socket


async def welcome(socket: ClientConnection) -> Welcome:
    data = await within(socket.recv())
    assert isinstance(data, bytes)
    said = read_envelope(data)
    assert isinstance(said, Welcome)
    return said


def coming_back(line: WebSocketProxyClientTask) -> Hello:
    """Say what the caller of this line would say if it came back."""
    trunk = line._dialect
    assert isinstance(trunk, TrunkLine)
    return trunk._handshake.hello(trunk._receiver.received)


async def test_a_session_without_its_connection_is_detached_until_the_caller_is_back(
    running: Running, moves: Moves
) -> None:
    async with called(running) as (caller, relay, session):
        await lose(relay, moves)
        assert session.state is SessionState.DETACHED
        relay.refusing = False
        await until(moves, SessionState.READY)
        assert await say(caller, "still here") == "still here"
        assert list(table(running)) == [session]
    await emptied(running)


async def test_nobody_else_takes_a_session_not_even_with_its_token(
    running: Running, moves: Moves
) -> None:
    async with called(running) as (caller, relay, session):
        stolen = coming_back(caller.line)
        await lose(relay, moves)
        async with greeting(running[0], stolen, token=OTHERS_TOKEN) as thief:
            assert await close_code(thief) == CloseCode.SESSION_GONE
        headers = {SESSION_HEADER: session.id}
        async with greeting(running[0], stolen, token=OTHERS_TOKEN, **headers) as thief:
            assert await close_code(thief) == CloseCode.SESSION_GONE
        assert session.state is SessionState.DETACHED
        relay.refusing = False
        assert await say(caller, "still mine") == "still mine"
    await emptied(running)


async def test_a_session_is_found_although_the_server_is_full(moves: Moves) -> None:
    async with serving(max_sessions=1) as running:
        async with called(running) as (caller, relay, _):
            await lose(relay, moves)
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with greeting(running[0]):
                    pass
            assert refused.value.response.status_code == 503
            relay.refusing = False
            assert await say(caller, "found") == "found"
        await emptied(running)


@pytest.mark.parametrize("hello", [HELLO, msgspec.structs.replace(HELLO, session="x", token="y")])
async def test_a_header_of_a_session_that_is_not_there_takes_no_slot(hello: Hello) -> None:
    async with serving(max_sessions=1) as running:
        for _ in range(3):
            headers = {SESSION_HEADER: "no-such-session"}
            async with greeting(running[0], hello, **headers) as socket:
                assert await close_code(socket) == CloseCode.SESSION_GONE
            assert not len(table(running))
        async with greeting(running[0]) as socket:
            assert not (await welcome(socket)).resumed


async def test_a_stock_caller_cannot_come_back(running: Running) -> None:
    headers = {**bearer(), SESSION_HEADER: "anything"}
    async with connect(f"{running[0]}/ws/parrot", additional_headers=headers) as socket:
        assert await close_code(socket) == CloseCode.SESSION_GONE
    await emptied(running)


async def test_a_hello_of_a_session_that_is_not_there_gives_its_slot_back(
    running: Running,
) -> None:
    hello = msgspec.structs.replace(HELLO, session="no-such-session", token="x")
    async with greeting(running[0], hello) as socket:
        assert await close_code(socket) == CloseCode.SESSION_GONE
    await emptied(running)


async def test_a_caller_that_never_returns_ends_its_session() -> None:
    async with (
        serving(resume_window_s=0.3, heartbeat_s=0.2) as running,
        called(running) as (caller, relay, session),
    ):
        relay.refusing = True
        relay.cut()
        await emptied(running)
        assert session.state is SessionState.ENDED
        assert session.closed_with == CloseCode.ABNORMAL
        assert (await within(caller.gone.get())).code == CloseCode.ABNORMAL


async def test_a_window_of_nothing_ends_a_session_with_its_connection() -> None:
    async with serving(resume_window_s=0) as running, called(running) as (caller, relay, _):
        relay.cut()
        await emptied(running)
        assert (await within(caller.gone.get())).code == CloseCode.ABNORMAL


async def test_a_newer_connection_takes_the_session_over(running: Running) -> None:
    async with greeting(running[0]) as old:
        first = await welcome(old)
        hello = msgspec.structs.replace(HELLO, session=first.session, token=first.token)
        async with greeting(running[0], hello) as new:
            second = await welcome(new)
            assert second.resumed
            assert second.session == first.session
            assert second.token != first.token
            assert await close_code(old) == CloseCode.SESSION_TAKEN_OVER
            assert len(table(running)) == 1
            assert await hears_ready(new)
    # A caller that hangs up with a code is not waited for.
    await emptied(running)


async def hears_ready(socket: ClientConnection) -> bool:
    while data := await within(socket.recv()):
        if isinstance(read_envelope(data), Ready):
            return True
    return False


async def test_an_end_that_the_caller_missed_is_told_when_it_is_back(
    ending: Ending, moves: Moves
) -> None:
    async with serving(ending) as running, called(running, "ends") as (caller, relay, session):
        await lose(relay, moves)
        assert ending.task is not None
        # A pipeline would first wait for what it has said to be heard.
        await BaseWorker.end(ending.task, reason="goodbye")
        await until(moves, SessionState.DRAINING)
        relay.refusing = False
        assert (await within(caller.gone.get())).code == CloseCode.ENDED
        await emptied(running)
        assert session.closed_with == CloseCode.ENDED


async def test_an_end_that_nobody_comes_back_for_holds_its_slot_no_longer_than_the_window(
    ending: Ending, moves: Moves
) -> None:
    async with (
        serving(ending, resume_window_s=0.5, heartbeat_s=0.2) as running,
        called(running, "ends") as (_, relay, _session),
    ):
        await lose(relay, moves)
        assert ending.task is not None
        await ending.task.end(reason="goodbye")
        await emptied(running)


async def test_another_version_is_sent_away_and_takes_no_slot(running: Running) -> None:
    async with greeting(running[0], msgspec.structs.replace(HELLO, version=2)) as socket:
        assert await close_code(socket) == CloseCode.VERSION_MISMATCH
    newer = websockets.Subprotocol("trunkline.v2")
    async with connect(
        f"{running[0]}/ws/parrot", subprotocols=[newer], additional_headers=bearer()
    ) as socket:
        assert await close_code(socket) == CloseCode.VERSION_MISMATCH
    await emptied(running)


async def test_a_hello_that_never_comes_frees_its_slot(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "HELLO_TIMEOUT_S", 0.2)
    async with greeting(running[0], None) as socket:
        assert await close_code(socket) == CloseCode.BAD_HELLO
    await emptied(running)


async def test_a_caller_that_leaves_before_its_hello_frees_its_slot(running: Running) -> None:
    async with greeting(running[0], None) as socket:
        assert len(table(running)) == 1
        socket.transport.abort()
        await emptied(running)


async def test_a_caller_that_is_gone_before_it_is_welcomed_is_not_waited_for() -> None:
    building, go_on = asyncio.Event(), asyncio.Event()

    async def build(session: SessionContext) -> list[BaseWorker]:
        building.set()
        await go_on.wait()
        return recipes.parrot.tasks(session)

    hosted = Assistants([recipes.parrot, assistant("slow", exports=("assistant",))(build)])
    async with running_server(settings(resume_window_s=86400), hosted) as running:
        async with greeting(running[0], to="slow") as socket:
            await within(building.wait())
            socket.transport.abort()
        # The server hears of it before it hears of what comes later.
        async with httpx.AsyncClient(base_url=running[0].replace("ws://", "http://")) as client:
            assert (await client.get("/livez")).status_code == 200
        go_on.set()
        await emptied(running)


async def test_a_drain_does_not_wait_for_a_caller_that_says_nothing() -> None:
    async with serving(drain_timeout_s=600.0) as running, greeting(running[0], None) as socket:
        assert len(table(running)) == 1
        running[1].stop()
        assert await close_code(socket) == CloseCode.GOING_AWAY
        await within(running[1].stopped.wait())


async def test_a_drain_does_not_wait_for_callers_who_are_away(moves: Moves) -> None:
    async with serving() as running, called(running) as (caller, relay, session):
        await lose(relay, moves)
        server: SessionServer = running[1]
        server.stop()
        await within(server.stopped.wait())
        assert session.state is SessionState.ENDED
        relay.refusing = False
        # The server is away now; whoever dials meets nobody until the window is over.
        await caller.line.close(CloseCode.ENDED)


async def test_a_server_with_a_session_that_waits_for_its_caller_stops_in_time(
    tmp_path: Path,
) -> None:
    process = await start("serve", "--port", "0", home=tmp_path)
    async with ended(process):
        assert process.stderr is not None
        line = await read_until(process.stderr, "listens on")
        url = line.split("listens on ")[1].strip().removesuffix("/ws")
        async with connect(
            f"{url}/ws/acme", subprotocols=[websockets.Subprotocol(SUBPROTOCOL)]
        ) as socket:
            await socket.send(encode(HELLO))
            assert (await welcome(socket)).resume_window_s == 30.0
            assert await hears_ready(socket)
            socket.transport.abort()
        await read_until(process.stderr, "the connection was lost")
        process.send_signal(signal.SIGTERM)
        assert await within(process.wait(), 10) == 0


@pytest.mark.parametrize(
    "setting",
    [{"heartbeat_s": 0.05}, {"max_message_bytes": 2**31 + 1}, {"window_bytes": 2**31 + 1}],
)
def test_a_server_cannot_be_set_to_what_no_caller_would_take(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**setting)
