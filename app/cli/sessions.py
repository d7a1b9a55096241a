"""`trunkline sessions`: what an administrator sees of a server, and does with it."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.cli.administration import Administration
from app.cli.printing import complain, err, out
from app.errors import AppError
from app.foreign import foreign, plain
from app.settings import load_settings

# What a server tells at once, and what a terminal shows.
PAGE = 500
MAX_SHOWN = 5000

# How often a live table is drawn anew.
EVERY_S = 1.0

sessions = typer.Typer(
    name="sessions", no_args_is_help=True, help="Look at the sessions of a server, and end them."
)

UrlOption = Annotated[
    str | None, typer.Option(help="The session server; the one on this machine by default.")
]
TokenOption = Annotated[
    str | None, typer.Option(help="An administrator's token. Better in TRUNKLINE_TOKEN.")
]
StateOption = Annotated[
    str | None, typer.Option("--state", help="starting, ready, detached or draining.")
]
AssistantOption = Annotated[str | None, typer.Option(help="Only those with this assistant.")]
PrincipalOption = Annotated[str | None, typer.Option(help="Only those of this principal.")]


@sessions.command()
def ls(
    state: StateOption = None,
    assistant: AssistantOption = None,
    principal: PrincipalOption = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
    remote_url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """List sessions, the oldest first."""
    filters = {"state": state, "assistant": assistant, "principal": principal}
    with Administration(remote_url, token, load_settings()) as server:
        if not watch:
            out.print(_listing(*_all(server, filters)))
        elif out.is_terminal:
            with Live(console=out, auto_refresh=False, screen=True) as live:
                for shown in _again_and_again(server, filters):
                    live.update(shown, refresh=True)
        else:
            for shown in _again_and_again(server, filters):
                out.print(shown)


@sessions.command()
def show(
    session: Annotated[str, typer.Argument(help="Its id, or how it begins, as the log has it.")],
    remote_url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show one session."""
    with Administration(remote_url, token, load_settings()) as server:
        found = server.ask("GET", f"/v1/admin/sessions/{_checked(session)}")
    table = Table(box=None, show_header=False)
    for name, value in _rows(found):
        table.add_row(name, Text(plain(value)))
    out.print(table)


@sessions.command()
def end(
    session: Annotated[str | None, typer.Argument(help="Its id, or how it begins.")] = None,
    principal: Annotated[
        str | None, typer.Option(help="Instead: every session of this principal.")
    ] = None,
    remote_url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """End one session, or all of a principal. Callers are told: close code 4008."""
    if (session is None) == (principal is None):
        raise AppError("name a session, or a principal with --principal")
    with Administration(remote_url, token, load_settings()) as server:
        if session is not None:
            said = server.ask("DELETE", f"/v1/admin/sessions/{_checked(session)}")
        else:
            said = server.ask("DELETE", "/v1/admin/sessions", principal=principal)
    err.print(f"{said['ended']} asked to end.")
    if said["silent_processes"]:
        complain(f"{said['silent_processes']} processes do not answer; ask again", "warning")


@sessions.command()
def drain(remote_url: UrlOption = None, token: TokenOption = None) -> None:
    """Have a server take no more callers, end its sessions after their answers, and stop."""
    with Administration(remote_url, token, load_settings()) as server:
        said = server.ask("POST", "/v1/drain")
    err.print(f"{said['sessions']} sessions end within {said['timeout_s']:g} s.")


def _again_and_again(server: Administration, filters: dict[str, str | None]) -> Iterator[Group]:
    while True:
        yield _listing(*_all(server, filters))
        time.sleep(EVERY_S)


def _all(
    server: Administration, filters: dict[str, str | None]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Fetch the last page, and the sessions of all pages."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = server.ask("GET", "/v1/admin/sessions", limit=PAGE, cursor=cursor, **filters)
        found += page["sessions"]
        cursor = page["next"]
        if cursor is None or len(found) >= MAX_SHOWN:
            return page, found


def _listing(page: dict[str, Any], found: list[dict[str, Any]]) -> Group:
    table = Table(box=None, header_style="bold")
    for column in ("Session", "State", "Assistant", "Principal", "Active"):
        table.add_column(column, no_wrap=column == "Session")
    for column in ("Age", "Idle", "In", "Out"):
        table.add_column(column, justify="right")
    for session in found:
        cells = (
            session["id"][:8],
            f"{session['state']}{' *' if session['answering'] else ''}",
            session["assistant"],
            session["principal"],
            ", ".join(session["active_tasks"]),
            _time(session["age_s"]),
            _time(session["idle_s"]),
            str(session["received"]["messages"]),
            str(session["sent"]["messages"]),
        )
        table.add_row(*(Text(plain(cell)) for cell in cells))
    said = f"{page['total']} sessions, {page['waiting']} callers waiting"
    if len(found) < page["total"]:
        said += f"; {len(found)} shown"
    if page["draining"]:
        said += "; draining"
    if page["silent_processes"]:
        said += f"; {page['silent_processes']} processes do not answer, theirs are missing"
    return Group(table, Text(said, style="dim"))


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in found.items():
        if isinstance(value, dict):
            for inner, counted in value.items():
                yield f"{name}.{inner}", counted
        else:
            yield name, ", ".join(value) if isinstance(value, list) else value


def _checked(session: str) -> str:
    """Refuse what is no id before it becomes a part of an address."""
    if not (8 <= len(session) <= 32 and all(letter in "0123456789abcdef" for letter in session)):
        raise AppError(f"{foreign(session)} is no session id, and not how one begins")
    return session


def _time(duration_s: float) -> str:
    minutes, seconds = divmod(int(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
