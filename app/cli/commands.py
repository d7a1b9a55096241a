"""The commands: what each takes, and the module that does its work."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from app.bench.commands import bench
from app.cli.printing import out
from app.cli.program import app
from app.cli.sessions import sessions
from app.cli.token import token as token_commands
from app.server_settings import MAX_PROCESSES

app.add_typer(bench)
app.add_typer(sessions)
app.add_typer(token_commands)

AssistantOption = Annotated[
    str | None,
    typer.Option(
        help="An assistant in this process, for example debate, or the one to ask for at the URL. "
        "A name that nobody has lists those of this process."
    ),
]
RemoteOption = Annotated[
    str | None, typer.Option(help="A session server, for example ws://localhost:8765/ws.")
]
BusOption = Annotated[
    str | None,
    typer.Option(
        help="A broker on which `trunkline agents` serves the assistant: redis://… or "
        "postgresql://…. Better in TRUNKLINE_BUS_URL or DATABASE_URL, where others cannot see its "
        "password; `none` overrules these."
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(help="The bearer token. Better in TRUNKLINE_TOKEN, where others cannot see it."),
]


@app.command()
def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Where to listen. Loopback unless callers need a token."),
    ] = None,
    port: Annotated[int | None, typer.Option(help="The port. 0 takes a free one.")] = None,
    processes: Annotated[
        int | None,
        typer.Option(help="How many processes serve the port.", min=1, max=MAX_PROCESSES),
    ] = None,
) -> None:
    """Host assistants: one session for every WebSocket at /ws and /ws/{assistant}.

    Ctrl-C or SIGTERM tells every caller, ends the sessions, and exits; twice, at once. With several
    processes, SIGHUP replaces them by fresh ones, one after the other; with one it changes nothing.
    """
    from app.cli.serving import run_server
    from app.loops import run

    run(run_server(host=host, port=port, processes=processes))


@app.command(hidden=True)
def process(place: int, control: int, directory: Path) -> None:
    """Be one process of `serve --processes`, which starts it."""
    from app.cli.serving import run_process
    from app.loops import run

    run(run_process(place, control, directory))


@app.command()
def agents(
    assistant: Annotated[
        str | None, typer.Option(help="The assistant; TRUNKLINE_DEFAULT_ASSISTANT by default.")
    ] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(help="One of its tasks. Repeat for more; all of them by default."),
    ] = None,
    bus: Annotated[
        str | None,
        typer.Option(help="The broker, redis://… or postgresql://…. Better in TRUNKLINE_BUS_URL."),
    ] = None,
    max_sessions: Annotated[
        int | None, typer.Option(help="How many sessions to hold at a time.", min=1)
    ] = None,
) -> None:
    """Serve an assistant's tasks to callers on a broker: a pool, of which there may be many.

    `bot`, `call` and `console` with the same --bus find the pools that together have every task.
    Ctrl-C or SIGTERM hands the callers over to other pools and exits; twice, at once.
    """
    from app.cli.agents import run_agents
    from app.loops import run

    run(run_agents(assistant, tasks or [], bus_url=bus, max_sessions=max_sessions))


@app.command()
def console(
    remote_url: RemoteOption = None,
    bus: BusOption = None,
    token: TokenOption = None,
    assistant: AssistantOption = None,
) -> None:
    """Type to an assistant in the terminal. Ctrl-C or Ctrl-D hangs up.

    Lines may also come from a file or a pipe. Exits with 0 only if the assistant answered, and with
    130 after Ctrl-C.
    """
    from app.cli.console import run_console

    raise typer.Exit(asyncio.run(run_console(remote_url, bus, token, assistant)))


@app.command()
def call(
    wav: Annotated[
        list[Path], typer.Option(help="What the caller says, a WAV file. Repeat for more turns.")
    ],
    remote_url: RemoteOption = None,
    bus: BusOption = None,
    token: TokenOption = None,
    assistant: AssistantOption = None,
    out: Annotated[Path | None, typer.Option(help="Where to write what the caller heard.")] = None,
) -> None:
    """Call an assistant with recordings, and print what both sides said and when.

    Speaks one recording after the other, waiting for the answers. Exits with 0 only if the
    conversation took place: every recording was recognised and answered.
    """
    from app.cli.call import run_call
    from app.cli.sides import wanted

    raise typer.Exit(asyncio.run(run_call(wav, wanted(remote_url, bus, token, assistant), out)))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Further options go to Pipecat's runner: `trunkline bot -- --help` lists them.",
)
def bot(
    context: typer.Context,
    remote_url: RemoteOption = None,
    bus: BusOption = None,
    token: TokenOption = None,
    assistant: AssistantOption = None,
    transport: Annotated[
        str | None,
        typer.Option("--transport", "-t", help="webrtc, daily, websocket or eval; all by default."),
    ] = None,
) -> None:
    """Run a local transport bot on Pipecat's runner, with a page on port 7860.

    The microphone stays with this bot; the assistant is behind --remote-url, on a --bus, or in this
    process with --assistant alone.
    """
    from app.cli.bot import run_bot

    run_bot(remote_url, bus, token, assistant, transport, context.args)


@app.command()
def check() -> None:
    """Print the effective settings, without secrets, and everything that is wrong with them.

    Asks the vendors whose keys are set. Exits with 0 only if nothing is wrong.
    """
    from app.cli.check import run_check

    raise typer.Exit(asyncio.run(run_check()))


@app.command()
def voices() -> None:
    """List the voices of the configured text-to-speech."""
    from app.cli.voices import run_voices

    raise typer.Exit(asyncio.run(run_voices()))


@app.command()
def demo(
    call: Annotated[
        bool, typer.Option("--call", help="Make one recorded call, check it, and exit.")
    ] = False,
    port: Annotated[int, typer.Option(help="The server's port.")] = 8765,
) -> None:
    """Try everything on this machine, without a key: a session server with its page.

    Says where to talk to it, how to type to it, and how to call it with a recording. Ctrl-C or
    SIGTERM stops it.
    """
    from app.cli.demo import run_demo

    raise typer.Exit(asyncio.run(run_demo(call=call, port=port)))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The assistant's name, and the directory's.")],
) -> None:
    """Start a project of your own: an assistant with a tool, a job worker and a test.

    Writes it into a new directory here, and says how to try it.
    """
    from app.cli.new import create_project, shown_program

    directory = create_project(name, Path.cwd())
    out.print(f"{directory.name} is ready. Try it:\n")
    tests, console = shown_program("pytest"), f"{shown_program('trunkline')} console"
    for line in (f"cd {directory.name}", tests, f"{console} --assistant {name}"):
        out.print(f"    {line}", markup=False, soft_wrap=True)
