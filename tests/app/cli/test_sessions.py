"""`trunkline sessions`."""

import signal
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from app.cli.sessions import _time
from proxy import CloseCode
from tests.app.cli.programs import ended, read_until, run, start
from tests.app.server.test_sessions import close_code, ready
from tests.proxy.conversation import within

ADMIN = "an-admin-of-the-tests"


async def test_an_administrator_looks_ends_and_drains(tmp_path: Path) -> None:
    as_admin = {"TRUNKLINE_TOKEN": ADMIN}
    process = await start(
        "serve", "--port", "0", home=tmp_path, further={"TRUNKLINE_ADMIN_TOKENS": ADMIN}
    )
    assert process.stderr is not None
    async with ended(process):
        line = await read_until(process.stderr, "listens on")
        url = line.split("listens on ")[1].strip()
        sockets = [await connect(f"{url}/acme") for _ in range(3)]
        for socket in sockets:
            await ready(socket)

        async def ask(*arguments: str, url: str = url) -> str:
            finished = await run(
                "sessions", *arguments, "--remote-url", url, home=tmp_path, further=as_admin
            )
            assert finished.code == 0, finished.err
            assert ADMIN not in finished.out + finished.err
            return finished.out + finished.err

        listed = await ask("ls", "--assistant", "acme")
        assert "3 sessions, 0 callers waiting" in listed
        first = next(row for row in listed.splitlines() if " acme " in row).split()[0]
        assert "anonymous" in listed
        shown = await ask("show", first, url=url.replace("ws://", "http://"))
        assert "active_tasks" in shown
        assert "received.messages" in shown
        assert "1 asked to end" in await ask("end", first)
        assert await close_code(sockets[0]) == CloseCode.ENDED_BY_OPERATOR
        assert "0 asked to end" in await ask("end", "--principal", "nobody")
        wrong = await run("sessions", "ls", "--remote-url", url, home=tmp_path)
        assert (wrong.code, "TRUNKLINE_TOKEN" in wrong.err) == (2, True)
        gone = await run(
            "sessions", "show", first, "--remote-url", url, home=tmp_path, further=as_admin
        )
        assert (gone.code, "there is no such session" in gone.err) == (2, True)
        assert "2 sessions end within 8 s" in await ask("drain")
        assert await close_code(sockets[1]) == CloseCode.GOING_AWAY
        assert await within(process.wait()) == 0


async def test_a_live_table_goes_on_until_it_is_interrupted(tmp_path: Path) -> None:
    server = await start(
        "serve", "--port", "0", home=tmp_path, further={"TRUNKLINE_ADMIN_TOKENS": ADMIN}
    )
    assert server.stderr is not None
    async with ended(server):
        line = await read_until(server.stderr, "listens on")
        url = line.split("listens on ")[1].strip()
        watching = await start(
            *("sessions", "ls", "--watch", "--remote-url", url),
            home=tmp_path,
            further={"TRUNKLINE_TOKEN": ADMIN},
        )
        assert watching.stdout is not None
        async with ended(watching):
            await read_until(watching.stdout, "0 sessions")
            watching.send_signal(signal.SIGINT)
            assert await within(watching.wait()) == 130


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("ls", "--remote-url", "ftp://localhost"), "starts with ws://"),
        (("ls", "--remote-url", "http://127.0.0.1:9"), "cannot be reached"),
        (("show", "../../readyz"), "is no session id"),
        (("end",), "name a session, or a principal"),
        (("end", "abcdef12", "--principal", "x"), "name a session, or a principal"),
    ],
)
async def test_what_is_wrong_is_said_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    finished = await run("sessions", *arguments, home=tmp_path, further={"TRUNKLINE_TOKEN": ADMIN})
    assert finished.code == 2
    assert problem in finished.err
    assert ADMIN not in finished.err


def test_durations_are_as_clocks_show_them() -> None:
    assert [_time(value) for value in (0.9, 61, 3600, 86_399)] == [
        "0:00",
        "1:01",
        "1:00:00",
        "23:59:59",
    ]
