"""`trunkline demo`."""

import asyncio
import contextlib
import os
import secrets
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr

from agents.variables import variable
from app.cli.call import print_failure, print_line
from app.cli.ports import ensure_free
from app.cli.printing import complain, err
from app.errors import AppError
from app.foreign import foreign
from app.logs import configure_logs
from app.settings import PREFIX, Settings, load_settings

HEARD = Path("demo-call.wav")

HOST = "127.0.0.1"

# What the assistant `code` reads. Nobody else has the token, so that is where this was started.
PROJECT_PATH = "PROJECT_PATH"

# The bot imports WebRTC, which takes a few seconds on a small machine.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0

# A terminal that is closed, Ctrl-C, and whoever stops a service.
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


async def run_demo(*, call: bool, port: int, bot_port: int) -> int:
    """Run the demonstration.

    Args:
        call: Make one recorded call and return.
        port: The session server's port.
        bot_port: The port of the local bot's page.

    Returns:
        The exit code.
    """
    # Any page in a browser can reach a port of this machine; without the token it gets no further.
    token = secrets.token_urlsafe(24)
    settings = load_settings(
        port=0 if call else port, host=HOST, tokens=(SecretStr(token),), token=SecretStr(token)
    )
    configure_logs("WARNING")
    if call:
        return await _one_call(settings, token)
    for taken in (port, bot_port):
        ensure_free(taken, HOST, "choose others with --port and --bot-port")
    stopped = asyncio.Event()
    with _on_signals(stopped):
        running = asyncio.create_task(_both(port, bot_port, token))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if running.done():
            return running.result()
        err.print("\n[dim]Stopping.[/]")
        running.cancel()
        await asyncio.wait({running})
        return 0


async def _both(port: int, bot_port: int, token: str) -> int:
    """Run the server and the bot until one of them stops by itself."""
    environment = {
        f"{PREFIX}TOKENS": token,
        f"{PREFIX}TOKEN": token,
        PROJECT_PATH: variable(PROJECT_PATH) or str(Path.cwd()),
    }
    served = ("serve", "--host", HOST, "--port", str(port))
    async with _program(*served, environment=environment) as server:
        await _listening(port, server)
        options = ("--remote-url", f"ws://{HOST}:{port}/ws/acme", "--transport", "webrtc")
        answered = ("bot", *options, "--port", str(bot_port))
        async with _program(*answered, environment=environment) as bot:
            await _listening(bot_port, bot)
            _explain(port, bot_port, token)
            waits = {asyncio.create_task(process.wait()) for process in (server, bot)}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for waiting in waits:
                waiting.cancel()
            complain("the server or the bot stopped by itself")
            return 1


@contextlib.contextmanager
def _on_signals(stopped: asyncio.Event) -> Iterator[None]:
    """Set an event when the program is told to stop, while the block runs."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def _explain(port: int, bot_port: int, token: str) -> None:
    from app.demo import paths

    program = _this_program()
    line = f"--remote-url ws://localhost:{port}/ws/acme"
    question = shlex.quote(str(paths()[0]))
    err.print(
        f"""
[bold green]Trunkline runs: a session server on port {port}, a local bot on port {bot_port}.[/]

  [bold]Talk[/]   open http://localhost:{bot_port}/client
         [dim]This page is Pipecat's prebuilt client. It loads a script from its vendor's CDN,
         so it needs the internet, which nothing else here does.[/]

In another terminal, with the token of this demonstration:

  export TRUNKLINE_TOKEN={token}

  [bold]Type[/]   {program} console {line}
  [bold]Call[/]   {program} call {line} --wav {foreign(question)} --out answer.wav

Ctrl-C stops both.
""",
        soft_wrap=True,
    )


def _this_program() -> str:
    """Return what to type to run this program once more."""
    program = Path(sys.argv[0])
    if program.name == "trunkline":
        return foreign(shlex.quote(str(program)))
    return foreign(f"{shlex.quote(sys.executable)} -m app.cli")


async def _one_call(settings: Settings, token: str) -> int:
    from app.caller.assistants import RemoteAssistant
    from app.caller.call import Call
    from app.demo import EXPECTED, recordings
    from app.hosted import load_assistants
    from app.server import running_server
    from app.services import Roles

    assistants = load_assistants(settings)
    async with running_server(settings, assistants) as (address, _):
        err.print("[bold]A session server listens, and a recorded voice calls it:[/]")
        err.print(f"  {address}/ws/acme\n")
        side = RemoteAssistant(f"{address}/ws/acme", token=token)
        async with Roles.open(settings, assistants) as roles:
            call = Call(side, recordings(), print_line, print_failure)
            result = await call.hold(roles, assistants["acme"].phrases)
    result.speaker.write_wav(HEARD)
    said = " ".join(line.text for line in result.transcript.lines).lower()
    missing = [word for word in EXPECTED if word not in said]
    if result.error or missing:
        complain(result.error or f"nobody said {' or '.join(missing)}")
        return 1
    err.print(f"\n[bold green]The call took place.[/] What the caller heard is in {HEARD}.")
    return 0


@contextlib.asynccontextmanager
async def _program(
    *arguments: str, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run one of our own commands while the block runs.

    It has a session of its own, so that Ctrl-C reaches this program alone, which then ends it.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    """Wait until a program takes connections."""
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while process.returncode is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(HOST, port)
                    writer.close()
                    return
                await asyncio.sleep(0.1)  # there is nothing to wait on but the port itself
    except TimeoutError:
        raise AppError(f"nothing listens on port {port} after {START_TIMEOUT_S:g} s") from None
    raise AppError("a program of the demonstration did not start; its message is above")
