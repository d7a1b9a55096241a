"""The assistant's end over real sockets: who is let in, who comes back, who is told what."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI, WebSocket
from pipecat.bus.messages import BusActivateWorkerMessage, BusEndMessage, BusFrameMessage
from pipecat.frames.frames import Frame, LLMTextFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.workers.runner import WorkerRunner
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from app.loopback import serve_on_loopback
from proxy import CloseCode, DirectBus, ServerLineOptions, WebSocketProxyServerTask, arrival
from proxy.arrival import Arrival
from proxy.codec.stock import StockCodec
from proxy.wire import SUBPROTOCOL, Ack, End, Hello, Ready, Welcome, encode, make_decoder
from tests.proxy.conversation import Echo, SmallServer, parrot, within

HELLO = Hello(1, ("acme",), (), 65536, 65536, 5.0)
PATIENT = ServerLineOptions(resume_window_s=30.0)
TRUNK = [Subprotocol(SUBPROTOCOL)]
DECODER = make_decoder()


async def heard(socket: ClientConnection, *kinds: type) -> list[Any]:
    """Read until as many envelopes of these kinds came, and give them."""
    found: list[Any] = []
    while len(found) < len(kinds):
        data = await within(socket.recv())
        assert isinstance(data, bytes)
        envelope = DECODER.decode(data)
        if isinstance(envelope, kinds):
            found.append(envelope)
    return found


async def code_of(socket: ClientConnection) -> int | None:
    await within(socket.wait_closed())
    return socket.close_code


@contextlib.asynccontextmanager
async def greeted(server: SmallServer, hello: Hello = HELLO) -> AsyncIterator[ClientConnection]:
    async with connect(server.url, subprotocols=TRUNK) as socket:
        await socket.send(encode(hello))
        yield socket


def coming_back(welcome: Welcome, **changes: Any) -> Hello:
    return msgspec.structs.replace(HELLO, session=welcome.session, token=welcome.token, **changes)


@pytest.mark.parametrize("given", [{}, {"websocket": 1, "arrival": 2}])
def test_a_line_needs_a_socket_or_a_caller_and_not_both(given: Any) -> None:
    with pytest.raises(ValueError, match="give either websocket or arrival"):
        WebSocketProxyServerTask("gateway", task_name="assistant", **given)


async def test_each_task_is_announced_when_it_is_ready() -> None:
    build = lambda: [Echo("greeter"), Echo("support"), Echo("hidden")]  # noqa: E731
    made = SmallServer(build, exported=("support", "greeter"))
    async with made.serve() as server, greeted(server) as socket:
        welcome, *ready = await heard(socket, Welcome, Ready, Ready)
        assert welcome.tasks == ("support", "greeter")
        assert sorted(place for envelope in ready for place in envelope.tasks) == [0, 1]
        assert list(server.held[0].exported) == ["support", "greeter"]


async def test_a_fatal_fault_ends_the_session_and_not_only_its_connection() -> None:
    async with SmallServer(lambda: [parrot()], options=PATIENT).serve() as server:
        async with greeted(server) as socket:
            (welcome,) = await heard(socket, Welcome)
            await socket.send(b"\xc1")
            assert await code_of(socket) == CloseCode.INVALID_PAYLOAD
        assert (await within(server.gone.get())).code == CloseCode.INVALID_PAYLOAD
        async with greeted(server, coming_back(welcome)) as socket:
            assert await code_of(socket) == CloseCode.SESSION_GONE


async def test_a_caller_that_comes_back_takes_over_from_itself() -> None:
    made = SmallServer(lambda: [parrot()], options=PATIENT)
    async with made.serve() as server, greeted(server) as first:
        (welcome,) = await heard(first, Welcome)
        async with greeted(server, coming_back(welcome)) as second:
            (again,) = await heard(second, Welcome)
            assert (again.session, again.resumed) == (welcome.session, True)
            assert again.token != welcome.token
            assert await code_of(first) == CloseCode.SESSION_TAKEN_OVER
            await second.send(encode(Ack(0, 0)))
            await heard(second, Ready)
            assert server.gone.empty()


async def test_a_token_that_was_replaced_opens_nothing() -> None:
    async with SmallServer(lambda: [parrot()], options=PATIENT).serve() as server:
        async with greeted(server) as first:
            (welcome,) = await heard(first, Welcome)
            first.transport.abort()
        async with greeted(server, coming_back(welcome)) as second:
            (again,) = await heard(second, Welcome)
            await second.send(encode(Ack(0, 0)))
            line = server.held[0]
            async with greeted(server, coming_back(welcome)) as thief:
                assert await code_of(thief) == CloseCode.SESSION_GONE
            assert line.connected
        assert again.token != welcome.token


async def test_an_end_arrives_and_a_caller_that_does_not_close_is_closed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.parting.END_GRACE_S", 0.05)
    async with SmallServer(lambda: [parrot()], options=PATIENT).serve() as server:
        async with greeted(server) as socket:
            await heard(socket, Welcome, Ready)
            await server.runners[0].bus.send(BusEndMessage(source="assistant", reason="goodbye"))
            (end,) = await heard(socket, End)
            assert end.reason == "goodbye"
            assert await code_of(socket) == CloseCode.ENDED
        await within(server.over.get())


def test_a_line_that_is_not_up_knows_nobody() -> None:
    nobody: Any = None
    caller = Arrival(nobody, HELLO)
    made = WebSocketProxyServerTask("gateway", arrival=caller, task_name="assistant")
    assert not made.knows(caller)


@contextlib.asynccontextmanager
async def as_documented() -> "AsyncIterator[tuple[str, asyncio.Queue[int]]]":
    """Serve as the docstring of the task says: a socket that the task accepts itself."""
    app, gone = FastAPI(), asyncio.Queue[int]()

    @app.websocket("/ws")
    async def session(websocket: WebSocket) -> None:
        line = WebSocketProxyServerTask(
            "gateway", websocket=websocket, task_name="assistant", remote_task_name="acme"
        )
        runner = WorkerRunner(bus=DirectBus(), handle_sigint=False)
        await runner.add_workers(line, Echo("assistant"))

        async def on_gone(_: object, error: Any) -> None:
            gone.put_nowait(error.code)
            await runner.cancel()

        line.add_event_handler("on_client_disconnected", on_gone)
        await runner.run()

    async with serve_on_loopback(app) as url:
        yield url.replace("http://", "ws://") + "/ws", gone


async def test_a_task_accepts_its_socket_and_knows_its_caller_by_the_name_it_gave() -> None:
    async with as_documented() as (url, gone):
        async with connect(url, subprotocols=TRUNK) as socket:
            await socket.send(encode(HELLO))
            await heard(socket, Welcome, Ready)
        assert await within(gone.get()) == CloseCode.ENDED


async def test_a_task_whose_caller_says_nothing_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrival, "HELLO_TIMEOUT_S", 0.05)
    async with as_documented() as (url, gone):
        async with connect(url, subprotocols=TRUNK) as socket:
            assert await code_of(socket) == CloseCode.BAD_HELLO
        assert await within(gone.get()) == CloseCode.BAD_HELLO


@contextlib.asynccontextmanager
async def held(options: ServerLineOptions, *, stock: bool = False) -> AsyncIterator[SmallServer]:
    server = SmallServer(lambda: [parrot()], options=options, stock=stock)
    async with server.serve():
        yield server


async def test_who_looks_is_known_by_the_name_that_it_has_here() -> None:
    async with held(PATIENT) as server:
        wants = msgspec.structs.replace(HELLO, wants=("RTVIServerMessageFrame", 115))
        async with greeted(server, wants) as socket:
            await heard(socket, Welcome)
            line = await within(server.lines.get())
            assert line.viewer() == "acme@caller"
        async with greeted(server) as socket:
            await heard(socket, Welcome)
            blind = await within(server.lines.get())
            assert blind.viewer() is None
        await line.close(CloseCode.ENDED)
        assert line.viewer() is None


@pytest.mark.parametrize("shown", [True, False])
async def test_with_the_stock_dialect_nobody_looks_unless_the_server_was_told(shown: bool) -> None:
    news = RTVIServerMessageFrame(data={"kind": "order", "items": 3})
    met = asyncio.Event()

    async def on_remote_ready(*_: object) -> None:
        met.set()

    async with (
        held(ServerLineOptions(shown=shown), stock=True) as server,
        connect(server.url) as socket,
    ):
        line = await within(server.lines.get())
        assert line.viewer() is None  # it has not said its name
        line.add_event_handler("on_remote_ready", on_remote_ready)
        activate = BusActivateWorkerMessage(source="acme", target="assistant")
        await socket.send(StockCodec().encode(activate))
        await within(met.wait())
        assert line.viewer() == ("acme@caller" if shown else None)
        for frame in (news, LLMTextFrame("a word")):
            direction = FrameDirection.DOWNSTREAM
            await line.bus.send(
                BusFrameMessage(source="assistant", frame=frame, direction=direction)
            )
        came = await within(frames_until(socket, LLMTextFrame))
    assert [getattr(frame, "data", None) for frame in came[:-1]] == ([news.data] if shown else [])
    assert line.stats.shown == shown


async def frames_until(socket: ClientConnection, last: type[Frame]) -> list[Frame]:
    """Read frames of the stock dialect up to one of a type."""
    frames: list[Frame] = []
    while not (frames and isinstance(frames[-1], last)):
        data = await socket.recv()
        assert isinstance(data, bytes)
        message = StockCodec().decode(data)
        if isinstance(message, BusFrameMessage):
            frames.append(message.frame)
    return frames
