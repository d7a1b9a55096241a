"""`trunkline demo`."""

import asyncio
import os
import secrets
import shlex
import signal
import sys
from pathlib import Path

from pydantic import SecretStr

from app.cli.call import print_failure, print_line
from app.cli.ports import ensure_free
from app.cli.printing import complain, err
from app.foreign import foreign
from app.logs import configure_logs
from app.settings import Settings, load_settings

HEARD = Path("demo-call.wav")

HOST = "127.0.0.1"

# What the assistant `code` reads.
PROJECT_PATH = "PROJECT_PATH"

# The person's own settings are for another server than this one: whoever has a token there, and how
# it is reached from outside.
_OPEN = {
    "tokens": (),
    "principals_file": None,
    "jwt_jwks_url": None,
    "jwt_key_file": None,
    "allowed_origins": (),
    "public_url": None,
    "calls_remote_url": None,
    "processes": 1,
}


async def run_demo(*, call: bool, port: int) -> int:
    """Run the demonstration; without `call` it does not return, and ends the process with 0.

    Args:
        call: Make one recorded call and return.
        port: The server's port.

    Returns:
        The exit code.
    """
    configure_logs("WARNING")
    if call:
        token = secrets.token_urlsafe(24)
        return await _one_call(
            load_settings(port=0, host=HOST, tokens=(SecretStr(token),), token=SecretStr(token)),
            token,
        )
    ensure_free(port, HOST, "choose another with --port")
    await _serve(port)
    return 0


async def _serve(port: int) -> None:
    """Serve without tokens, so that whoever opens the page talks at once.

    It listens on this machine only, and pages of strangers in a browser here get no further than
    its checks of origin and host. What is left are the other users of the machine: they can talk
    to the assistants, too. So `code` reads nothing of the person who started this, not even a
    `PROJECT_PATH` that was set for a server with tokens, but what everybody can read anyway,
    Trunkline's own assistants. The administration takes a token even here.
    """
    import agents
    from app.hosted import hosted, load_assistants
    from app.server import serve

    watching = secrets.token_urlsafe(24)
    settings = load_settings(port=port, host=HOST).model_copy(
        update={**_OPEN, "admin_tokens": (SecretStr(watching),)}
    )
    os.environ[PROJECT_PATH] = str(Path(agents.__file__).parent)
    assistants = hosted(settings, load_assistants(settings))
    # A terminal that is closed stops it as Ctrl-C does.
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, os.kill, os.getpid(), signal.SIGTERM)
    await serve(settings, assistants, on_listening=lambda url: _explain(port, watching))


def _explain(port: int, watching: str) -> None:
    from app.demo import paths
    from app.page.built import is_built

    program = _this_program()
    line = f"--remote-url ws://localhost:{port}/ws/acme"
    question = shlex.quote(str(paths()[0]))
    page = "" if is_built() else "  [yellow](it is not built here: run scripts/setup)[/]"
    err.print(
        f"""
[bold green]Trunkline runs: a session server with its page, on port {port} of this machine.[/]

  [bold]Talk[/]   open http://localhost:{port}/{page}

In another terminal:

  [bold]Type[/]   {program} console {line}
  [bold]Call[/]   {program} call {line} --wav {foreign(question)} --out answer.wav

  [bold]Watch[/]  open http://localhost:{port}/operator with the token {watching}

Other users of this machine can talk to it, too. Ctrl-C stops it.
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
    from app.caller.recording import RecordingSpeaker
    from app.demo import EXPECTED, recordings
    from app.hosted import load_assistants
    from app.server import running_server
    from app.services import Roles

    RecordingSpeaker.ensure_writable(HEARD)
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
