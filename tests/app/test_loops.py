"""What serves runs on the event loop that suits it."""

import asyncio
import sys
from pathlib import Path

import pytest

from app import loops
from tests.app.cli.programs import ended, read_until, start
from tests.proxy.conversation import within

EXPECTED = "asyncio." if sys.platform == "win32" else "uvloop.Loop"


async def running_loop() -> str:
    loop = type(asyncio.get_running_loop())
    return f"{loop.__module__}.{loop.__qualname__}"


def test_a_program_runs_on_uvloop_where_there_is_one() -> None:
    assert loops.run(running_loop()).startswith(EXPECTED)


def test_a_program_runs_on_asyncio_where_there_is_no_uvloop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loops.run(running_loop()).startswith("asyncio.")


async def test_a_served_process_runs_on_it_and_says_so(tmp_path: Path) -> None:
    debug = {"TRUNKLINE_LOG_LEVEL": "DEBUG"}
    server = await start("serve", "--port", "0", home=tmp_path, further=debug)
    assert server.stderr is not None
    async with ended(server):
        assert EXPECTED in await read_until(server.stderr, "Event loop: ")
        await read_until(server.stderr, "listens on")
        server.terminate()
        assert await within(server.wait()) == 0
