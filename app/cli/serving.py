"""`trunkline serve`."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from app.cli.printing import err
from app.errors import AppError
from app.foreign import foreign
from app.logs import configure_logs
from app.processes.ledger import LedgerError
from app.settings import Settings, load_settings
from app.stopping import outlive_hangups

if TYPE_CHECKING:
    from agents import Recipe


async def run_server(*, host: str | None, port: int | None, processes: int | None) -> None:
    """Serve until told to stop.

    Args:
        host: `--host`.
        port: `--port`.
        processes: `--processes`.
    """
    settings = load_settings(host=host, port=port, processes=processes)
    _configure_logs(settings)
    if settings.processes > 1:
        from app.processes.supervisor import supervise

        def on_all_listening(url: str) -> None:
            _say_where(settings, url, f"{settings.processes} processes")

        await supervise(settings, on_listening=on_all_listening)
        return
    from app.hosted import hosted, load_assistants
    from app.server import serve
    from app.telemetry.tracing import start_tracing

    start_tracing()
    assistants = hosted(settings, load_assistants(settings))

    def on_listening(url: str) -> None:
        _say_where(settings, url, f"{len(assistants)} assistants", assistants)

    outlive_hangups("with --processes, SIGHUP replaces every process without losing a call")
    await serve(settings, assistants, on_listening=on_listening)


async def run_process(place: int, control: int, directory: Path) -> None:
    """Be one of the processes of a server, until told to stop.

    Args:
        place: Its place.
        control: The descriptor of the socket on which the parent speaks.
        directory: What the processes share.

    Raises:
        AppError: If the parent has gone, or the process does not start.
    """
    from app.hosted import hosted, load_assistants
    from app.server import serve
    from app.server.together import Membership
    from app.telemetry.tracing import start_tracing

    settings = load_settings()
    _configure_logs(settings, place)
    start_tracing()
    assistants = hosted(settings, load_assistants(settings))
    try:
        membership = Membership(
            place, directory, socket.socket(fileno=control), settings.stall_timeout_s
        )
    except (OSError, LedgerError):
        raise AppError("this is a part of `trunkline serve --processes`, which starts it") from None
    await serve(settings, assistants, on_listening=lambda url: None, membership=membership)


def _configure_logs(settings: Settings, place: int | None = None) -> None:
    configure_logs(
        settings.log_level,
        assistant_modules=settings.assistant_modules,
        log_format=settings.log_format,
        process=place,
    )


def _say_where(
    settings: Settings, url: str, served: str, assistants: "Mapping[str, Recipe] | None" = None
) -> None:
    if settings.log_format == "json":
        logger.info(f"Trunkline listens on {url}/ws with {served}")
        return
    err.print(f"[bold green]Trunkline listens on {url}/ws[/]")
    for name, recipe in (assistants or {}).items():
        err.print(f"  {url}/ws/{name}  [dim]{foreign(recipe.description)}[/]", soft_wrap=True)
    if assistants is None:
        err.print(f"  with {served}", soft_wrap=True)
    err.print(_who_may_come(settings))
    if settings.llm_vendor == "embedded":
        err.print("[yellow]No OPENAI_API_KEY is set: scripts answer, not a language model.[/]")


def _who_may_come(settings: Settings) -> str:
    if settings.guarded:
        ways = [f"one of {len(settings.tokens)} bearer tokens"] if settings.tokens else []
        if settings.principals_file is not None:
            ways.append(f"a token of {foreign(settings.principals_file)}")
        if settings.takes_jwts:
            ways.append(f"a JWT of {foreign(settings.jwt_issuer)}")
        return f"Callers need {', or '.join(ways)}."
    return (
        "[yellow]No TRUNKLINE_TOKENS is set, so anybody who reaches this port is let in; "
        "it listens on this machine only.[/]"
    )
