"""The two proxy tasks over real sockets, on real runners."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from pipecat.bus.messages import BusActivateWorkerMessage, BusFrameMessage
from pipecat.frames.frames import (
    InputAudioRawFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.job_context import JobError, JobParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.workers.runner import WorkerRunner
from websockets.asyncio.client import ClientConnection, connect

from proxy import CloseCode, ConnectError, DropReason, RefusedError, WebSocketProxyClientTask
from proxy.codec.stock import StockCodec
from proxy.dialect import Direction
from tests.proxy.conversation import Echo, SmallServer, calling, parrot, say, within

CODEC = StockCodec()


@pytest.fixture(params=["trunkline.v1", "stock"])
def stock(request: pytest.FixtureRequest) -> bool:
    """Run a test in each dialect."""
    return bool(request.param == "stock")


@pytest.fixture
async def server(stock: bool) -> AsyncIterator[SmallServer]:
    async with SmallServer(lambda: [parrot(), Echo("hidden")], stock=stock).serve() as running:
        yield running


async def next_message(socket: ClientConnection) -> Any:
    data = await within(socket.recv())
    assert isinstance(data, bytes)
    return CODEC.decode(data)


async def closed(socket: ClientConnection) -> int:
    with pytest.raises(websockets.ConnectionClosed):
        while True:
            await within(socket.recv())
    return socket.close_code or 0


async def test_a_conversation_crosses_both_ways(server: SmallServer) -> None:
    async with calling(server.url) as caller:
        assert await say(caller, "good morning") == "good morning"
        assert await say(caller, "Grüße 世界") == "Grüße 世界"


async def test_each_event_fires_once_on_each_side(server: SmallServer) -> None:
    async with calling(server.url) as caller:
        await say(caller, "hello")
        line = await within(server.lines.get())
    assert (caller.connected, server.connected) == (1, 1)
    theirs, ours = await within(server.gone.get()), await within(caller.gone.get())
    assert theirs.code == ours.code == CloseCode.ENDED
    await line.close(CloseCode.ENDED)
    await caller.line.close(CloseCode.ENDED)
    await within(server.over.get())
    assert server.gone.empty()
    assert caller.gone.empty()


async def test_the_snippet_of_the_reference_document_runs_as_printed(server: SmallServer) -> None:
    proxy = WebSocketProxyClientTask(
        "proxy",
        url=server.url,
        remote_task_name="assistant",
        local_task_name="acme",
        headers={"Authorization": "Bearer <token>"},
    )
    connected = asyncio.Event()
    proxy.add_event_handler("on_connected", lambda *_: connected.set())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(proxy)
    running = asyncio.create_task(runner.run())
    await runner.bus.send(BusActivateWorkerMessage(source="acme", target="proxy"))
    await within(connected.wait())
    assert server.headers[0]["authorization"] == "Bearer <token>"
    await runner.cancel()
    await within(running)


async def test_a_job_reaches_an_exported_task_and_no_other(stock: bool) -> None:
    build = lambda: [Echo("assistant"), Echo("hidden")]  # noqa: E731
    async with SmallServer(build, stock=stock).serve() as server, calling(server.url) as caller:
        async with caller.main.job("assistant", params=JobParams(payload={"n": 1})) as job:
            pass
        assert job.response == {"echo": {"n": 1}}
        assert "hidden" not in caller.runner.registry
        line = await within(server.lines.get())
        assert (Direction.IN, DropReason.TARGET) not in line.stats.drops


async def test_an_assistant_asks_the_tasks_that_its_caller_exports_and_no_other() -> None:
    tasks = [Echo("assistant")]
    beside = [Echo("thermometer"), Echo("late", active=False)]
    async with (
        SmallServer(lambda: tasks).serve() as server,
        calling(server.url, beside=beside),
    ):
        params = JobParams(payload={"n": 1}, timeout=10)
        async with tasks[0].job("thermometer@caller", params=params) as job:
            pass
        assert job.response == {"echo": {"n": 1}}
        with pytest.raises(JobError, match="errored"):
            async with tasks[0].job("late@caller", params=params):
                pass
        assert "line@caller" not in tasks[0].registry


async def test_an_end_of_the_assistant_ends_the_callers_runner_after_its_last_word(
    stock: bool,
) -> None:
    tasks = [parrot()]
    async with (
        SmallServer(lambda: tasks, stock=stock).serve() as server,
        calling(server.url) as caller,
    ):
        await say(caller, "so long")
        await tasks[0].queue_frame(LLMTextFrame("goodbye"))
        await tasks[0].end(reason="goodbye")
        assert caller.running is not None
        await within(caller.running)
        assert caller.words[-1] == "goodbye"
        assert (await within(caller.gone.get())).code == CloseCode.ENDED
        assert (await within(server.gone.get())).code == CloseCode.ENDED


async def test_a_flush_of_the_assistant_waits_for_the_callers_pipeline(stock: bool) -> None:
    tasks = [parrot()]
    async with (
        SmallServer(lambda: tasks, stock=stock).serve() as server,
        calling(server.url) as caller,
    ):
        await say(caller, "hello")
        await tasks[0].queue_frame(LLMTextFrame("last words"))
        # Without an answer this waits ten seconds and gives up.
        assert await within(tasks[0].flush_pipeline(), 4)
        assert caller.words[-1] == "last words"


async def test_a_flush_of_the_caller_waits_for_the_assistants_pipeline(
    server: SmallServer,
) -> None:
    async with calling(server.url) as caller:
        await say(caller, "hello")
        await caller.main.queue_frame(TTSSpeakFrame("one moment"))
        assert await within(caller.main.flush_pipeline(), 4)


async def test_a_text_frame_closes_the_connection_with_1003(server: SmallServer) -> None:
    async with connect(server.url) as socket:
        await socket.send("hello")
        assert await closed(socket) == CloseCode.UNSUPPORTED_DATA
    assert (await within(server.gone.get())).code == CloseCode.UNSUPPORTED_DATA
    await within(server.over.get())


async def test_rubbish_closes_the_connection_with_1007(server: SmallServer) -> None:
    async with connect(server.url) as socket:
        await socket.send(b"\x00\x01\x02")
        assert await closed(socket) == CloseCode.INVALID_PAYLOAD
    await within(server.over.get())


async def test_a_flood_of_forged_messages_closes_the_connection_with_1008(
    server: SmallServer,
) -> None:
    forged = json.dumps(
        {
            "__type__": "pipecat.bus.messages.BusEndMessage",
            "__data__": {"source": "assistant", "target": "hidden"},
        }
    ).encode()
    async with connect(server.url) as socket:
        with contextlib.suppress(websockets.ConnectionClosed):
            for _ in range(25_000):
                await socket.send(forged)
        assert await closed(socket) == CloseCode.POLICY_VIOLATION
    await within(server.over.get())


async def test_a_caller_that_vanishes_without_a_close_frame_ends_its_session(
    server: SmallServer,
) -> None:
    socket = await connect(server.url)
    await within(server.lines.get())
    socket.transport.abort()
    error = await within(server.gone.get())
    assert error.code in (1005, 1006)
    await within(server.over.get())


async def test_a_server_that_vanishes_is_reported_to_the_caller_once(server: SmallServer) -> None:
    async with calling(server.url) as caller:
        await say(caller, "hello")
        await server.runners[0].cancel()
        error = await within(caller.gone.get())
        assert error.code == CloseCode.GOING_AWAY
        assert error.may_reconnect
        assert not caller.line.connected
        assert caller.gone.empty()


async def test_nothing_is_sent_over_a_line_that_is_gone(server: SmallServer) -> None:
    async with calling(server.url) as caller:
        await server.runners[0].cancel()
        await within(caller.gone.get())
        before = caller.line.stats.messages[Direction.OUT]
        await caller.main.queue_frame(TTSSpeakFrame("anybody there?"))
        await within(caller.line.wait_disconnected())
        assert caller.line.stats.messages[Direction.OUT] == before


async def test_microphone_audio_stays_with_the_caller(server: SmallServer) -> None:
    async with calling(server.url) as caller:
        audio = InputAudioRawFrame(audio=bytes(640), sample_rate=16000, num_channels=1)
        for _ in range(50):
            await caller.line.on_bus_message(
                BusFrameMessage(
                    source=caller.main.name, frame=audio, direction=FrameDirection.DOWNSTREAM
                )
            )
        await say(caller, "hello")
        assert caller.line.stats.drops[Direction.OUT, DropReason.HOME] >= 50
        theirs = await within(server.lines.get())
        assert (Direction.IN, DropReason.HOME) not in theirs.stats.drops


async def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    proxy = WebSocketProxyClientTask(
        "proxy",
        url="ws://user:secret@127.0.0.1:9/ws?ticket=secret",
        remote_task_name="assistant",
        local_task_name="acme",
        headers={"Authorization": "Bearer very-secret"},
        active=True,
    )
    failed: asyncio.Queue[ConnectError] = asyncio.Queue()
    proxy.add_event_handler("on_connect_failed", lambda _, error: failed.put_nowait(error))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(proxy)
    running = asyncio.create_task(runner.run())
    error = await within(failed.get())
    assert not isinstance(error, RefusedError)
    assert str(error) == "ws://127.0.0.1:9/ws cannot be reached (ConnectionRefusedError)"
    assert "secret" not in str(error)
    await runner.cancel()
    await within(running)


async def test_a_line_that_is_stopped_while_it_dials_leaves_nothing_open(
    server: SmallServer,
) -> None:
    proxy = WebSocketProxyClientTask(
        "proxy", url=server.url, remote_task_name="assistant", local_task_name="acme"
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(proxy)
    running = asyncio.create_task(runner.run())
    await runner.bus.send(BusActivateWorkerMessage(source="acme", target="proxy"))
    await asyncio.sleep(0)
    await runner.cancel()
    await within(running)
    assert not proxy.connected
