"""A server that is told to stop, stops, whatever its assistants are doing."""

import asyncio
import signal
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from proxy import CloseCode
from tests.app.cli.programs import ended, read_until, start
from tests.app.server.test_sessions import close_code, ready
from tests.proxy.conversation import within

# What an assistant can do to a process that wants to end. The module is one of the server's own.
ASSISTANTS = """
import asyncio, threading, time
from pipecat.bus.messages import BusActivateWorkerMessage
from pipecat.workers.base_worker import BaseWorker
from agents import assistant

class Busy(BaseWorker):
    def __init__(self, work):
        super().__init__("assistant", active=False)
        self.work = work

    async def on_activated(self, args):
        await super().on_activated(args)
        # So that the caller knows.
        told = BusActivateWorkerMessage(source="assistant", target="acme@caller")
        await self.send_bus_message(told)
        await self.work()

async def swallow():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def think():
    await asyncio.to_thread(time.sleep, 60)

async def leave_a_thread():
    threading.Thread(target=time.sleep, args=(60,)).start()

async def block():
    await asyncio.sleep(0.2)
    print("blocking", flush=True)
    time.sleep(60)

def busy(name, work):
    globals()[name] = assistant(name, exports=("assistant",))(lambda session: [Busy(work)])

busy("swallows", swallow)
busy("thinks", think)
busy("leaves", leave_a_thread)
busy("blocks", block)

@assistant("builds", exports=("assistant",))
def builds(session):
    time.sleep(60)
"""


class Served:
    """A server in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    async def busy(self, assistant: str) -> ClientConnection:
        """Call an assistant and have it be at work."""
        socket = await connect(f"{self.url}/{assistant}")
        await ready(socket)
        await within(socket.recv())
        return socket

    async def told(self, words: str) -> str:
        assert self.process.stderr is not None
        return await read_until(self.process.stderr, words)


async def served(home: Path, drain_timeout_s: float | None = 1.0) -> Served:
    (home / "busy.py").write_text(ASSISTANTS)
    further = {"TRUNKLINE_ASSISTANT_MODULES": "busy"}
    if drain_timeout_s is not None:
        further["TRUNKLINE_DRAIN_TIMEOUT_S"] = str(drain_timeout_s)
    process = await start("serve", "--port", "0", home=home, further=further)
    assert process.stderr is not None
    line = await read_until(process.stderr, "listens on")
    return Served(process, line.split("listens on ")[1].strip())


@pytest.mark.parametrize("assistant", ["swallows", "thinks", "leaves"])
async def test_a_task_that_does_not_end_keeps_no_caller_from_being_told(
    tmp_path: Path, assistant: str
) -> None:
    server = await served(tmp_path)
    async with ended(server.process):
        sockets = [await server.busy(assistant), await connect(f"{server.url}/acme")]
        server.process.terminate()
        for socket in sockets:
            assert await close_code(socket) == CloseCode.GOING_AWAY
        assert "2 of 2 callers told" in await server.told("Drained in")
        assert await within(server.process.wait()) == 0


async def test_with_the_settings_as_they_are_it_takes_less_than_ten_seconds(
    tmp_path: Path,
) -> None:
    server = await served(tmp_path, drain_timeout_s=None)
    async with ended(server.process):
        socket = await server.busy("swallows")
        server.process.terminate()
        assert await close_code(socket) == CloseCode.GOING_AWAY
        assert await within(server.process.wait(), 10) == 0


async def test_a_recipe_that_blocks_keeps_no_caller_from_being_told(tmp_path: Path) -> None:
    server = await served(tmp_path)
    async with ended(server.process):
        sockets = [await connect(f"{server.url}/{name}") for name in ("builds", "acme")]
        await within(sockets[1].recv())
        server.process.send_signal(signal.SIGINT)
        for socket in sockets:
            assert await close_code(socket) == CloseCode.GOING_AWAY
        assert await within(server.process.wait()) == 0


async def test_a_blocked_loop_does_not_keep_the_process(tmp_path: Path) -> None:
    server = await served(tmp_path)
    async with ended(server.process):
        socket = await server.busy("blocks")
        assert server.process.stdout is not None
        await read_until(server.process.stdout, "blocking")
        server.process.terminate()
        assert await within(server.process.wait()) == 0
        with pytest.raises(websockets.ConnectionClosed):
            await within(socket.recv())


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    server = await served(tmp_path, drain_timeout_s=600)
    async with ended(server.process):
        socket = await server.busy("swallows")
        server.process.terminate()
        assert await close_code(socket) == CloseCode.GOING_AWAY
        server.process.terminate()
        assert await within(server.process.wait()) == 0
