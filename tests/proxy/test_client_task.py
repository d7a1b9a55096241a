"""The caller's end: when it dials, when it dials again, and when it gives up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pipecat.bus.messages import BusActivateWorkerMessage
from pipecat.workers.runner import WorkerRunner
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from proxy import CloseCode, DirectBus, ServerLineOptions, WebSocketProxyClientTask, client
from proxy.dialect import Role
from proxy.errors import ConnectError, LinkClosedError
from proxy.filter import FROM_ASSISTANT, Filter
from proxy.protocol import TrunkLine
from proxy.wire import SUBPROTOCOL, Waiting, encode
from tests.proxy.conversation import SmallServer, calling, parrot, say, within
from tests.proxy.fakes import FakeLink
from tests.proxy.relay import Relay
from tests.proxy.test_dial import answering, listening

PATIENT = ServerLineOptions(resume_window_s=30.0)


@pytest.fixture
async def server() -> AsyncIterator[SmallServer]:
    async with SmallServer(lambda: [parrot()], options=PATIENT).serve() as running:
        yield running


def line_to(url: str, **options: Any) -> WebSocketProxyClientTask:
    return WebSocketProxyClientTask("line", url=url, local_task_name="acme", **options)


@contextlib.asynccontextmanager
async def running(line: WebSocketProxyClientTask) -> AsyncIterator[WorkerRunner]:
    runner, started = WorkerRunner(bus=DirectBus(), handle_sigint=False), asyncio.Event()

    async def on_started(_: object) -> None:
        started.set()

    await runner.registry.watch("line", on_started)
    await runner.add_workers(line)
    task = asyncio.create_task(runner.run(auto_end=False))
    await within(started.wait())
    yield runner
    await runner.cancel()
    await within(task)


async def test_a_caller_that_knows_no_name_takes_what_the_assistant_gives(
    server: SmallServer,
) -> None:
    line, up = line_to(server.url, active=True), asyncio.Event()
    line.add_event_handler("on_connected", lambda *_: up.set())
    names = [*line.remote]
    async with running(line):
        await within(up.wait())
        assert (names, [*line.remote]) == ([], ["assistant"])


async def test_a_caller_asks_for_our_dialect_and_for_no_compression(server: SmallServer) -> None:
    line, up = line_to(server.url, active=True), asyncio.Event()
    line.add_event_handler("on_connected", lambda *_: up.set())
    async with running(line):
        await within(up.wait())
    assert server.headers[0]["sec-websocket-protocol"] == SUBPROTOCOL
    assert "sec-websocket-extensions" not in server.headers[0]


async def test_a_line_dials_once_however_often_it_is_activated(server: SmallServer) -> None:
    line, up = line_to(server.url), asyncio.Event()
    line.add_event_handler("on_connected", lambda *_: up.set())
    async with running(line) as runner:
        for _ in range(3):
            await runner.bus.send(BusActivateWorkerMessage(source="acme", target="line"))
        await within(up.wait())
        await runner.bus.send(BusActivateWorkerMessage(source="acme", target="line"))
        await asyncio.sleep(0)
        assert server.connected == 1


async def test_a_line_that_was_never_wanted_never_dials(server: SmallServer) -> None:
    line = line_to(server.url)
    async with running(line):
        pass
    assert not server.headers


async def test_a_caller_that_is_refused_when_it_comes_back_gives_up(server: SmallServer) -> None:
    async with (
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
        listening(answering("404 Not Found")) as elsewhere,
    ):
        await say(caller, "hello")
        relay.target = elsewhere
        relay.cut()
        assert (await within(caller.gone.get())).code == CloseCode.ABNORMAL


async def test_a_caller_that_is_told_to_wait_comes_back(server: SmallServer) -> None:
    busy = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering("503 Service Unavailable")(reader, writer)
        busy.set()

    async with (
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
        listening(refuse) as elsewhere,
    ):
        await say(caller, "hello")
        here, relay.target = relay.target, elsewhere
        relay.cut()
        await within(busy.wait())
        relay.target = here
        assert await say(caller, "here again") == "here again"
        assert "trunkline-session" not in server.headers[0]
        assert server.headers[-1]["trunkline-session"] == caller.line._dialect.session  # type: ignore[union-attr]


async def test_a_welcome_that_never_comes_is_one_more_reason_to_come_back(
    server: SmallServer,
) -> None:
    lost = asyncio.Event()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol(subprotocols=[Subprotocol(SUBPROTOCOL)])
        protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        (request,) = protocol.events_received()
        assert isinstance(request, Request)
        protocol.send_response(protocol.accept(request))
        writer.writelines(protocol.data_to_send())
        await reader.read(1)  # the hello
        writer.transport.abort()
        lost.set()

    async with (
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
        listening(hang_up) as elsewhere,
    ):
        await say(caller, "hello")
        here, relay.target = relay.target, elsewhere
        relay.cut()
        await within(lost.wait())
        relay.target = here
        assert await say(caller, "at last") == "at last"
        assert server.resumed == 1


async def test_a_server_that_speaks_only_the_stock_dialect_has_no_session_to_come_back_to(
    server: SmallServer,
) -> None:
    async with (
        SmallServer(lambda: [parrot()], stock=True).serve() as other,
        Relay.to(server.url).running() as relay,
        calling(relay.url) as caller,
    ):
        await say(caller, "hello")
        relay.target = Relay.to(other.url).target
        relay.cut()
        assert (await within(caller.gone.get())).code == CloseCode.ABNORMAL
        await within(other.gone.get())


def no_wait() -> Iterator[float]:
    yield 0.0


async def test_a_line_that_is_gone_is_not_dialled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def dial(*_: Any) -> None:
        raise AssertionError("dialled")

    monkeypatch.setattr(client, "delays_s", no_wait)
    monkeypatch.setattr("proxy.dial.dial", dial)
    line = line_to("ws://127.0.0.1:9/ws")
    line._dialect = trunk()
    line._gone.set()
    await within(line._redial(LinkClosedError()))


async def test_when_there_is_no_hope_left_the_line_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def dial(*_: Any) -> None:
        raise ConnectError("nobody is there")

    monkeypatch.setattr(client, "delays_s", no_wait)
    monkeypatch.setattr("proxy.dial.dial", dial)
    line = line_to("ws://127.0.0.1:9/ws")
    line._dialect = trunk()
    await within(line._redial(LinkClosedError()))
    await within(line.wait_disconnected())


async def test_a_connection_for_a_line_that_went_meanwhile_is_closed() -> None:
    class Link(FakeLink):
        subprotocol = "trunkline.v1"

    line, link = line_to("ws://127.0.0.1:9/ws"), Link()
    line._gone.set()
    await within(line._reattach(trunk(), link, LinkClosedError()))
    assert link.closed is CloseCode.ENDED
    assert not line.connected


def trunk() -> TrunkLine:
    filter_ = Filter(exported=("acme",), remote=["assistant"], inbound_frames=FROM_ASSISTANT)
    return TrunkLine(Role.CALLER, filter_)


async def test_a_caller_that_waits_is_told_where_it_stands_and_why_it_was_sent_away() -> None:
    async def busy(socket: ServerConnection) -> None:
        await socket.recv()
        for position in (2, 1):
            await socket.send(encode(Waiting(position)))
        await socket.close(CloseCode.TRY_AGAIN_LATER)

    positions: list[int] = []
    gone: asyncio.Queue[LinkClosedError] = asyncio.Queue()
    async with serve(busy, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        line = line_to(f"ws://127.0.0.1:{port}", active=True)
        line.add_event_handler("on_waiting", lambda _, position: positions.append(position))
        line.add_event_handler("on_disconnected", lambda _, error: gone.put_nowait(error))
        async with running(line):
            assert (await within(gone.get())).code == CloseCode.TRY_AGAIN_LATER
    assert positions == [2, 1]
