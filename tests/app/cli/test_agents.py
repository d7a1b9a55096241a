"""`trunkline agents`, and `bot`, `call` and `console` on its broker, in processes of their own."""

import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import app.demo
from agents.handoff import script as lines
from tests.app.cli.programs import Finished, ended, free_port, press_ctrl_c, run, start
from tests.app.cli.test_bot import Client, reached, send
from tests.app.pool.programs import PoolProgram, pool_program
from tests.brokers.certificates import new_certificate
from tests.brokers.redis import RedisServer, redis_server
from tests.proxy.conversation import within
from tests.proxy.relay import Relay

PASSWORD = "a-password-of-the-tests"
QUESTION = Path(app.demo.__file__).parent / app.demo.SCRIPT[0]
TO_SUPPORT_AND_BACK = (
    "my rocket boots do not start\n\nhow long is the warranty\nback to the greeter please\n"
    "what do you sell\ngoodbye\n"
)


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    async with redis_server(folder) as server:
        await server.command("ACL", "SETUSER", "line", f"on >{PASSWORD} ~* +@all")
        yield server


@pytest.fixture
async def encrypted(tmp_path: Path, redis: RedisServer) -> AsyncIterator[str]:
    """The URL of the server with TLS before it."""
    certificate = new_certificate(tmp_path)
    async with Relay(redis.port, path="", tls=certificate.context()).running() as relay:
        url = relay.url.replace("ws://", f"rediss://line:{PASSWORD}@")
        yield f"{url}?ssl_ca_certs={certificate.certificate}"


def url_of(server: RedisServer) -> str:
    """Return a URL with a password, which must not be seen anywhere."""
    return server.url.replace("//", f"//line:{PASSWORD}@")


@contextlib.asynccontextmanager
async def pools(
    home: Path, url: str, assistant: str, *tasks: str
) -> AsyncIterator[list[PoolProgram]]:
    """Start a pool for each of some tasks, or one for all."""
    async with contextlib.AsyncExitStack() as stack:
        started = []
        choices = [["--tasks", task] for task in tasks] or [[]]
        for chosen in choices:
            program = pool_program(home, url, "--assistant", assistant, *chosen)
            started.append(await stack.enter_async_context(program))
        yield started


def in_order(text: str, *words: str) -> bool:
    places = [text.find(word) for word in words]
    return -1 not in places and places == sorted(places)


async def to_support_and_back(home: Path, **settings: str) -> Finished:
    """Have a caller be handed to support and back."""
    arguments = ("console", "--assistant", "handoff")
    finished = await run(*arguments, home=home, further=settings, typed=TO_SUPPORT_AND_BACK)
    assert finished.code == 0, finished.err
    said = (
        lines.GREETING,
        lines.TRANSFER_TO_SUPPORT,
        lines.SUPPORT_HERE,
        lines.WARRANTY,
        lines.TRANSFER_TO_GREETER,
        lines.WELCOME_BACK,
        lines.LISTING,
        lines.FAREWELL,
    )
    assert in_order(finished.out, *said), finished.out
    assert "handoff ended the conversation" in finished.err
    return finished


async def test_greeter_and_support_in_processes_of_their_own(
    tmp_path: Path, redis: RedisServer, encrypted: str
) -> None:
    async with pools(tmp_path, encrypted, "handoff", "greeter", "support") as programs:
        for program in programs:
            program.process.send_signal(signal.SIGHUP)
        finished = await to_support_and_back(tmp_path, TRUNKLINE_BUS_URL=encrypted)
        logs = [finished.out, finished.err]
        for program in programs:
            logs.append(await program.log("SIGHUP changes nothing"))
            logs.append(await program.log("Session ended after"))
            press_ctrl_c(program.process)
            _, rest = await within(program.process.communicate(), 30)
            logs.append(rest.decode())
            assert program.process.returncode == 0
        assert PASSWORD not in "".join(logs)
    assert await redis.keys() == []


async def test_a_call_on_a_broker(tmp_path: Path, redis: RedisServer) -> None:
    async with pools(tmp_path, url_of(redis), "acme"):
        options = ("--bus", url_of(redis), "--assistant", "acme", "--wav", str(QUESTION))
        called = await run("call", *options, home=tmp_path)
    assert called.code == 0, called.err
    assert "$299" in called.out
    assert PASSWORD not in called.err


async def test_a_bot_on_a_broker(tmp_path: Path, redis: RedisServer) -> None:
    async with pools(tmp_path, url_of(redis), "acme"):
        port = free_port()
        bus = ("--bus", url_of(redis), "--assistant", "acme")
        options = (*bus, "-t", "websocket", "--port", str(port))
        bot = await start("bot", *options, home=tmp_path)
        async with ended(bot):
            client = Client(await reached(f"ws://localhost:{port}/ws-client"))
            version = {"version": "1.0.0", "about": {"library": "test"}}
            await send(client.bot, "client-ready", version)
            await client.hear("Tornado Kit.")
            await send(client.bot, "send-text", {"content": "goodbye"})
            await client.hear("Goodbye!")
            await client.hear_the_end()
            press_ctrl_c(bot)
            _, errors = await within(bot.communicate(), 30)
        told = errors.decode()
        assert bot.returncode == 0
        assert "This bot talks to acme on redis://127.0.0.1:" in told
        assert PASSWORD not in told


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "no broker is set; give --bus redis://HOST:PORT"),
        (("--bus", f"redis://:{PASSWORD}@127.0.0.1:9"), "redis://127.0.0.1:9 cannot be used"),
        (("--bus", "redis://127.0.0.1:9", "--assistant", "nobody"), "no assistant 'nobody'"),
    ],
)
async def test_what_is_wrong_is_told_in_a_line(
    tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    finished = await run("agents", *options, home=tmp_path)
    assert finished.code == 2
    assert problem in finished.err
    assert "Traceback" not in finished.err
    assert PASSWORD not in finished.err


async def test_an_unknown_task_is_told_with_those_that_there_are(
    tmp_path: Path, redis: RedisServer
) -> None:
    options = ("--assistant", "handoff", "--tasks", "sales", "--bus", redis.url)
    finished = await run("agents", *options, home=tmp_path)
    assert finished.code == 2
    assert "'handoff' has no task 'sales', only greeter, support" in finished.err


async def test_two_places_at_a_time_are_one_too_many(tmp_path: Path) -> None:
    options = ("--remote-url", "ws://127.0.0.1:9/ws", "--bus", "redis://127.0.0.1:9")
    finished = await run("console", *options, home=tmp_path)
    assert finished.code == 2
    assert "--remote-url and --bus name two places" in finished.err


async def test_none_overrules_the_settings(tmp_path: Path) -> None:
    finished = await run(
        *("console", "--assistant", "acme", "--bus", "none"),
        home=tmp_path,
        further={"TRUNKLINE_BUS_URL": "redis://127.0.0.1:9"},
        typed="goodbye\n",
    )
    assert finished.code == 0, finished.err
