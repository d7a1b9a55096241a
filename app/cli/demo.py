"""`trunkline demo`."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from app.cli import err
from app.cli.call import print_line
from app.errors import AppError
from app.logs import configure_logs
from app.settings import Settings, load_settings

HEARD = Path("demo-call.wav")

# The bot imports WebRTC, which takes a few seconds on a small machine.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


async def run_demo(*, call: bool, port: int, bot_port: int) -> int:
    """Run the demonstration.

    Args:
        call: Make one recorded call and return.
        port: The session server's port.
        bot_port: The port of the local bot's page.

    Returns:
        The exit code.
    """
    settings = load_settings(port=0 if call else port)
    configure_logs("WARNING")
    if call:
        return await _one_call(settings)
    for taken in (port, bot_port):
        _ensure_free(taken)
    async with _program("serve", "--port", str(port)) as server:
        await _listening(port, server)
        options = ("--remote-url", f"ws://127.0.0.1:{port}/ws/acme", "--transport", "webrtc")
        async with _program("bot", *options, "--port", str(bot_port)) as bot:
            await _listening(bot_port, bot)
            _explain(port, bot_port)
            waits = {asyncio.create_task(process.wait()) for process in (server, bot)}
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                err.print("\n[dim]Stopping.[/]")
                return 0
            err.print("[bold red]error:[/] the server or the bot stopped by itself")
            return 1


def _explain(port: int, bot_port: int) -> None:
    err.print(
        f"""
[bold green]Trunkline runs: a session server on port {port}, a local bot on port {bot_port}.[/]

  [bold]Talk[/]   open http://localhost:{bot_port}/client
         [dim]This page is Pipecat's prebuilt client. It loads a script from its vendor's CDN,
         so it needs the internet, which nothing else here does.[/]
  [bold]Type[/]   .venv/bin/trunkline console --remote-url ws://localhost:{port}/ws/acme
  [bold]Call[/]   .venv/bin/trunkline call --remote-url ws://localhost:{port}/ws/acme \\
             --wav question.wav --out answer.wav

Ctrl-C stops both.
"""
    )


async def _one_call(settings: Settings) -> int:
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
        side = RemoteAssistant(f"{address}/ws/acme", token=_first_token(settings))
        async with Roles.open(settings, assistants) as roles:
            call = Call(side, recordings(), print_line)
            result = await call.hold(roles, assistants["acme"].phrases)
    result.speaker.write_wav(HEARD)
    said = " ".join(line.text for line in result.transcript.lines).lower()
    missing = [word for word in EXPECTED if word not in said]
    if result.error or missing:
        problem = result.error or f"nobody said {' or '.join(missing)}"
        err.print(f"\n[bold red]error:[/] {problem}")
        return 1
    err.print(f"\n[bold green]The call took place.[/] What the caller heard is in {HEARD}.")
    return 0


def _first_token(settings: Settings) -> str | None:
    return settings.tokens[0].get_secret_value() if settings.tokens else None


def _ensure_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise AppError(
                f"port {port} is in use; choose others with --port and --bot-port"
            ) from None


@contextlib.asynccontextmanager
async def _program(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run one of our own commands while the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", *arguments, stdout=asyncio.subprocess.DEVNULL
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
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(0.1)  # there is nothing to wait on but the port itself
    except TimeoutError:
        raise AppError(f"nothing listens on port {port} after {START_TIMEOUT_S:g} s") from None
    raise AppError("a program of the demonstration did not start; its message is above")
