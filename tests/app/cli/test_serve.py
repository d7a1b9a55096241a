"""`trunkline serve` as a process: signals, and what it says."""

import asyncio
import signal
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import connect

from proxy import CloseCode
from tests.app.cli.programs import ended, read_until, run, start
from tests.proxy.conversation import within


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_tells_every_caller_and_the_server_exits_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    server = await start("serve", "--port", "0", home=tmp_path)
    assert server.stderr is not None
    async with ended(server):
        line = await read_until(server.stderr, "listens on")
        url = line.split("listens on ")[1].strip()
        sockets = [await connect(f"{url}/acme") for _ in range(3)]
        for socket in sockets:
            await within(socket.recv())
        server.send_signal(number)
        for socket in sockets:
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await within(socket.recv())
            assert socket.close_code == CloseCode.GOING_AWAY
        async with asyncio.timeout(10):
            assert await server.wait() == 0


async def test_a_server_without_tokens_says_who_may_come(tmp_path: Path) -> None:
    server = await start("serve", "--port", "0", home=tmp_path)
    assert server.stderr is not None
    async with ended(server):
        await read_until(server.stderr, "No TRUNKLINE_TOKENS is set")
        server.terminate()
        assert await within(server.wait()) == 0


async def test_an_assistant_that_is_not_hosted_is_not_listed_and_the_log_says_why(
    tmp_path: Path,
) -> None:
    server = await start("serve", "--port", "0", home=tmp_path)
    assert server.stderr is not None
    async with ended(server):
        await read_until(server.stderr, "The assistant 'code' is not hosted: set PROJECT_PATH to")
        await read_until(server.stderr, "/ws/acme")
        server.terminate()
        _, rest = await within(server.communicate())
        assert b"/ws/code" not in rest


async def test_a_port_that_is_taken_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        finished = await run("serve", "--port", str(port), home=tmp_path)
    assert finished.code == 2
    assert f"error: cannot listen on 127.0.0.1:{port}: Address already in use" in finished.err
    assert "Traceback" not in finished.err


async def test_a_wrong_setting_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    finished = await run("serve", home=tmp_path, further={"TRUNKLINE_HSOT": "x"})
    assert finished.code == 2
    assert "TRUNKLINE_HSOT is not a setting; did you mean TRUNKLINE_HOST?" in finished.err
    assert "Traceback" not in finished.err


async def test_a_module_of_assistants_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    further = {"TRUNKLINE_ASSISTANT_MODULES": "no_such_module"}
    finished = await run("serve", home=tmp_path, further=further)
    assert finished.code == 2
    assert "'no_such_module' cannot be imported" in finished.err
    assert "Traceback" not in finished.err


HOTEL = """
from typing import Any

from loguru import logger
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.llm import LLMWorker, LLMWorkerActivationArgs, tool

from agents import Call, Reply, Say, SessionContext, Turn, assistant


class Concierge(LLMWorker):
    async def on_activated(self, args: dict[str, Any] | None) -> None:
        hello = [{"role": "developer", "content": "Greet."}]
        await super().on_activated(LLMWorkerActivationArgs(messages=hello).to_dict())

    @tool
    async def book(self, params: FunctionCallParams, card: str) -> None:
        '''Book a room.

        Args:
            params: What the model passes.
            card (str): The card.
        '''
        logger.info("A room is booked")
        raise RuntimeError(f"the card {card} is refused")


def script(turn: Turn) -> Reply:
    if turn.tool_that_answered():
        return Say("I am afraid not.")
    return (Call("book", {"card": "4242"}),) if turn.user_texts else Say("Good evening.")


@assistant("hotel", exports=("concierge",), scripts={"concierge": script})
def hotel(session: SessionContext) -> list[LLMWorker]:
    llm = session.services.llm("concierge", instruction="You are a confidential concierge.")
    return [Concierge("concierge", llm=llm, bridged=())]
"""


async def test_the_log_of_a_server_says_what_failed_and_where_and_nothing_that_was_said(
    tmp_path: Path,
) -> None:
    (tmp_path / "hotel.py").write_text(HOTEL)
    further = {
        "TRUNKLINE_ASSISTANT_MODULES": "hotel",
        "TRUNKLINE_LOG_LEVEL": "DEBUG",
        "TRUNKLINE_TOKENS": "a-token-of-the-tests",
        "TRUNKLINE_TOKEN": "a-token-of-the-tests",
    }
    options = ("serve", "--port", "0", "--host", "127.0.0.1")
    server = await start(*options, home=tmp_path, further=further)
    assert server.stderr is not None
    async with ended(server):
        url = (await read_until(server.stderr, "listens on")).split("listens on ")[1].strip()
        options = ("console", "--remote-url", url, "--assistant", "hotel")
        typed = "a room for Jane Doe\n"
        talked = await run(*options, home=tmp_path, further=further, typed=typed)
        server.terminate()
        _, told = await within(server.communicate())
    assert "I am afraid not." in talked.out
    log = told.decode()
    assert "A room is booked" in log
    assert "A tool of SharedOpenAILLMService#" in log
    assert "failed: RuntimeError at" in log
    assert "hotel.py:25 in book" in log
    for word in ("4242", "refused", "Jane", "room for", "afraid", "confidential", "of-the-tests"):
        assert word not in log
