"""Several processes behind one port: kept, replaced one after the other, and ended together."""

import asyncio
import contextlib
import os
import select
import signal
import socket as sockets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from loguru import logger
from websockets.asyncio.client import ClientConnection, connect

from app.processes.supervisor import Supervisor
from app.settings import Settings
from proxy import CloseCode
from tests.app.cli.programs import descendants, ended, read_until, run, start
from tests.app.server.raw import RawSocket, connected, request
from tests.app.server.test_door import refusal
from tests.app.server.test_draining import STORYTELLER, draining, listening, rest
from tests.app.server.test_sessions import close_code
from tests.proxy.conversation import within

LONG_S = 100.0

ADMIN = "an-admin-of-the-tests"
STORY = ["and", "they", "lived"]


class Server:
    """A server of two processes."""

    def __init__(self, parent: asyncio.subprocess.Process, url: str) -> None:
        self.parent = parent
        self.url = url

    async def told(self, words: str) -> str:
        assert self.parent.stderr is not None
        return await read_until(self.parent.stderr, words)

    async def ask(self, method: str, path: str, timeout_s: float = LONG_S) -> Any:
        address = self.url.replace("ws://", "http://")
        async with httpx.AsyncClient(base_url=address, timeout=timeout_s) as client:
            headers = {"Authorization": f"Bearer {ADMIN}"}
            return (await client.request(method, path, headers=headers)).json()

    async def by_place(self) -> dict[str, int]:
        """Count the sessions of each process."""
        page = await self.ask("GET", "/v1/admin/sessions?limit=500")
        places = [session["id"][-2:] for session in page["sessions"]]
        return {place: places.count(place) for place in sorted(set(places))}


@pytest.fixture
def directory() -> Iterator[str]:
    """Where the processes meet; a socket's path is short."""
    with tempfile.TemporaryDirectory(prefix="tl-") as name:
        yield name


async def served(home: Path, directory: str, *, processes: str = "2", **further: str) -> Server:
    (home / "stories.py").write_text(STORYTELLER)
    given = {
        "TRUNKLINE_ASSISTANT_MODULES": "stories",
        "TRUNKLINE_DRAIN_TIMEOUT_S": "60",
        "TRUNKLINE_ADMIN_TOKENS": ADMIN,
        "TMPDIR": directory,
        **further,
    }
    parent = await start("serve", "--port", "0", "--processes", processes, home=home, further=given)
    assert parent.stderr is not None
    line = await read_until(parent.stderr, "listens on")
    return Server(parent, line.split("listens on ")[1].strip().removesuffix("/ws"))


async def hears_it_all(url: str) -> int:
    """Call the storyteller and hear the whole story; gives the close code of who hung up."""
    socket = await listening(url)
    assert await rest(socket) == STORY
    await socket.close()
    return socket.close_code or 0


async def all_hear_the_rest(sockets: list[ClientConnection]) -> None:
    assert await within(asyncio.gather(*map(rest, sockets)), LONG_S) == [STORY] * len(sockets)


@pytest.mark.long
async def test_a_hundred_that_talk_are_heard_while_every_process_is_replaced_and_at_the_end(
    tmp_path: Path, directory: str
) -> None:
    server = await served(tmp_path, directory)
    async with ended(server.parent):
        talking = [listening(server.url) for _ in range(100)]
        sockets = await within(asyncio.gather(*talking), LONG_S)
        assert await server.by_place() == {"00": 50, "01": 50}
        server.parent.send_signal(signal.SIGHUP)
        await server.told("takes callers in place of 0")
        # Half of them are in a process that drains; whoever is new is let in all the time.
        assert await within(hears_it_all(server.url), LONG_S) == CloseCode.ENDED
        await all_hear_the_rest(sockets)
        await server.told("takes callers in place of 1")
        assert await within(hears_it_all(server.url), LONG_S) == CloseCode.ENDED
        await server.told("Every process was replaced")
        codes = await within(asyncio.gather(*map(close_code, sockets)), LONG_S)
        assert set(codes) == {CloseCode.GOING_AWAY}

        talking = [listening(server.url) for _ in range(100)]
        sockets = await within(asyncio.gather(*talking), LONG_S)
        assert sum((await server.by_place()).values()) == 100
        server.parent.send_signal(signal.SIGTERM)
        await within(draining(server.url))
        assert (await refusal(f"{server.url}/ws/storyteller")).json()["code"] == "draining"
        await all_hear_the_rest(sockets)
        codes = await within(asyncio.gather(*map(close_code, sockets)), LONG_S)
        assert set(codes) == {CloseCode.GOING_AWAY}
        assert await within(server.parent.wait()) == 0
    assert not os.listdir(directory)


async def test_a_process_that_dies_or_is_worn_out_is_replaced_and_none_outlives_the_parent(
    tmp_path: Path, directory: str
) -> None:
    server = await served(tmp_path, directory, TRUNKLINE_RECYCLE_SESSIONS="2")
    async with ended(server.parent):
        one, other = [await listening(server.url) for _ in range(2)]
        victim = min(descendants(server.parent.pid))
        os.kill(victim, signal.SIGKILL)
        assert "SIGKILL" in await server.told("ended by")
        # Whoever is in the other one goes on.
        done, _ = await asyncio.wait(
            {asyncio.create_task(socket.wait_closed()) for socket in (one, other)},
            timeout=LONG_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert len(done) == 1
        left = one if other.close_code is not None else other
        assert await rest(left) == STORY
        await server.told("takes callers")
        processes = (await server.ask("GET", "/readyz"))["processes"]
        assert list(processes.values()) == ["ready", "ready"]
        assert sum((await server.by_place()).values()) == 1
        # The second session of each is its last one.
        last = [await listening(server.url) for _ in range(3)]
        await server.told("in place of")
        descriptors = [os.pidfd_open(pid) for pid in descendants(server.parent.pid)]
        assert len(descriptors) >= 2
        server.parent.kill()
        await all_hear_the_rest(last)
        for socket in last:
            assert await close_code(socket) == CloseCode.GOING_AWAY
        assert await asyncio.to_thread(all_ended, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def all_ended(descriptors: list[int]) -> bool:
    """Wait until processes have ended."""
    return all(select.select([one], [], [], LONG_S)[0] for one in descriptors)


async def opened_or_refused(url: str) -> ClientConnection | int:
    try:
        return await connect(f"{url}/ws/storyteller", open_timeout=LONG_S)
    except websockets.InvalidStatus as refused:
        return refused.response.status_code


async def test_a_burst_fills_every_process_and_an_administrator_drains_all_of_them(
    tmp_path: Path, directory: str
) -> None:
    limits = {"TRUNKLINE_MAX_SESSIONS": "25", "TRUNKLINE_DRAIN_TIMEOUT_S": "600"}
    server = await served(tmp_path, directory, **limits)
    async with ended(server.parent):
        burst = [opened_or_refused(server.url) for _ in range(150)]
        came = await within(asyncio.gather(*burst), LONG_S)
        assert sum(one == 503 for one in came) == 100
        opened = [one for one in came if isinstance(one, ClientConnection)]
        assert await server.by_place() == {"00": 25, "01": 25}
        await asyncio.gather(*(socket.close() for socket in opened))
        async with asyncio.timeout(LONG_S):
            while await server.by_place():
                pass
        sockets = [await listening(server.url) for _ in range(4)]
        assert (await server.ask("POST", "/v1/drain"))["sessions"] == 4
        assert (await server.ask("GET", "/readyz"))["status"] == "draining"
        server.parent.send_signal(signal.SIGTERM)
        assert await rest(sockets.pop()) == STORY
        # A drain that was asked for is no signal: this is the second.
        server.parent.send_signal(signal.SIGTERM)
        for socket in sockets:
            assert await close_code(socket) == CloseCode.GOING_AWAY
        assert await within(server.parent.wait()) == 0


async def test_connections_that_were_kept_become_calls_in_whichever_process_has_room(
    tmp_path: Path, directory: str
) -> None:
    server = await served(tmp_path, directory, TRUNKLINE_MAX_SESSIONS="2")
    async with ended(server.parent), contextlib.AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(connected(server.url)) for _ in range(12)]
        for raw in kept:
            raw.writer.write(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for raw in kept:
            await within(raw.reader.readuntil(b'{"status":"alive"}'))
        # They came in turn, so that every other one is in the same process.
        came = [await answer_of(raw) for raw in kept[:10:2]]
        assert came == [b"101"] * 4 + [b"503"]
        assert await server.by_place() == {"00": 2, "01": 2}


async def answer_of(raw: RawSocket) -> bytes:
    """Ask for a WebSocket over a connection that there is; gives the status."""
    lines = request("/ws/storyteller").split(b"\r\n")
    raw.writer.write(b"\r\n".join(line for line in lines if not line.startswith(b"Auth")))
    status: bytes = (await within(raw.reader.readuntil(b"\r\n\r\n"))).split(b" ")[1]
    return status


async def test_a_process_that_stands_still_gets_no_callers(tmp_path: Path, directory: str) -> None:
    server = await served(tmp_path, directory, TRUNKLINE_STALL_TIMEOUT_S="1")
    async with ended(server.parent):
        still = min(descendants(server.parent.pid))
        os.kill(still, signal.SIGSTOP)
        states: dict[str, str] = {}
        async with asyncio.timeout(LONG_S):
            while "stalled" not in states.values():
                with contextlib.suppress(httpx.TimeoutException):
                    said = await server.ask("GET", "/readyz", timeout_s=1.0)
                    states = said["processes"]
        assert said["status"] == "ready"
        sockets = [await listening(server.url) for _ in range(3)]
        assert await rest(sockets.pop()) == STORY
        page = await server.ask("GET", "/v1/admin/sessions")
        assert (page["silent_processes"], page["total"]) == (1, 3)
        os.kill(still, signal.SIGCONT)
        os.killpg(server.parent.pid, signal.SIGINT)
        await all_hear_the_rest(sockets)
        assert await within(server.parent.wait()) == 0


async def test_processes_stay_if_fresh_ones_do_not_start_and_ctrl_c_reaches_everybody_once(
    tmp_path: Path, directory: str
) -> None:
    server = await served(tmp_path, directory)
    async with ended(server.parent):
        socket = await listening(server.url)
        # Fresh processes read the settings as they are now.
        (tmp_path / ".env").write_text("TRUNKLINE_NONSENSE=1\n")
        server.parent.send_signal(signal.SIGHUP)
        await server.told("Process 0 stays")
        assert await within(hears_it_all(server.url), LONG_S) == CloseCode.ENDED
        os.killpg(server.parent.pid, signal.SIGINT)
        await within(draining(server.url))
        assert await rest(socket) == STORY
        assert await close_code(socket) == CloseCode.GOING_AWAY
        assert await within(server.parent.wait()) == 0


async def test_a_hangup_of_the_whole_group_replaces_the_processes_and_cuts_no_answer(
    tmp_path: Path, directory: str
) -> None:
    server = await served(tmp_path, directory)
    async with ended(server.parent):
        sockets = [await listening(server.url) for _ in range(2)]
        os.killpg(server.parent.pid, signal.SIGHUP)
        await server.told("takes callers in place of 0")
        # To fresh ones that are starting, too.
        for pid in descendants(server.parent.pid):
            os.kill(pid, signal.SIGHUP)
        await all_hear_the_rest(sockets)
        told = await server.told("Every process was replaced")
        assert "ended by" not in told
        assert await within(hears_it_all(server.url), LONG_S) == CloseCode.ENDED


async def test_a_hangup_changes_nothing_where_there_is_one_process(tmp_path: Path) -> None:
    server = await served(tmp_path, str(tmp_path), processes="1")
    async with ended(server.parent):
        socket = await listening(server.url)
        os.killpg(server.parent.pid, signal.SIGHUP)
        await server.told("SIGHUP changes nothing")
        assert await rest(socket) == STORY
        assert await within(hears_it_all(server.url), LONG_S) == CloseCode.ENDED


async def test_nobody_says_that_processes_were_replaced_of_which_none_takes_callers(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    sink = logger.add(said.append)
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        supervisor = Supervisor(Settings(processes=2), listener, tmp_path)
        assert not await within(supervisor._renew())
        await supervisor._end([])
    logger.remove(sink)
    assert "No process was replaced" in "".join(said)
    assert "Every process was replaced" not in "".join(said)


async def test_a_server_whose_processes_do_not_start_says_why_and_ends(tmp_path: Path) -> None:
    further = {"TRUNKLINE_DEFAULT_ASSISTANT": "nobody"}
    arguments = ("serve", "--port", "0", "--processes", "2")
    finished = await run(*arguments, home=tmp_path, further=further)
    assert finished.code == 2
    assert "nobody" in finished.err
    assert "did not start; its message is above" in finished.err
    assert "Traceback" not in finished.err


async def test_a_directory_whose_name_is_too_long_is_named(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    arguments = ("serve", "--port", "0", "--processes", "2")
    finished = await run(*arguments, home=tmp_path, further={"TMPDIR": str(long)})
    assert finished.code == 2
    assert "set TMPDIR to a shorter" in finished.err
    assert not list(long.iterdir())


async def test_a_process_without_its_parent_says_so(tmp_path: Path) -> None:
    finished = await run("process", "0", "99", "/nowhere", home=tmp_path)
    assert finished.code == 2
    assert "which starts it" in finished.err
