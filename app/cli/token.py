"""`trunkline token`: bearer tokens of principals."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from app.cli.printing import err, out
from app.errors import AppError
from app.foreign import foreign
from app.settings import load_settings, variable_of

token = typer.Typer(
    name="token", no_args_is_help=True, help="Make bearer tokens for those who call a server."
)

_DAYS = re.compile(r"(\d{1,5})d")


@token.callback()
def _group() -> None:
    """Keep `new` a command of its own although it is the only one."""


@token.command()
def new(
    name: Annotated[str, typer.Option(help="The principal. One may have several tokens.")],
    assistants: Annotated[
        str, typer.Option(help="What the token opens, separated by commas; * is everything.")
    ] = "",
    max_sessions: Annotated[
        int | None, typer.Option(help="How many sessions the principal may have at a time.", min=1)
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When the token ends: a date, or a number of days as in 90d.")
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Let it look at sessions, end them, and drain.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Let it read /metrics, as Prometheus does.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option(help="Where to add it, instead of TRUNKLINE_PRINCIPALS_FILE.")
    ] = None,
) -> None:
    """Make a token, and print it this once.

    Its hash is added to the file of principals, which a running server reads again by itself.
    Without a file, the entry is printed behind the token, on standard error.
    """
    from app.server.identity.token_file import add_to_file, as_toml
    from app.server.identity.tokens import new_token

    names = [part.strip() for part in assistants.split(",") if part.strip()]
    if not (names or admin or metrics):
        raise AppError("a token that opens nothing: name --assistants, --metrics, or --admin")
    try:
        made, entry = new_token(
            name,
            assistants=names,
            max_sessions=max_sessions,
            expires=None if expires is None else _moment(expires),
            admin=admin,
            metrics=metrics,
        )
    except ValueError:
        raise AppError(
            "a name has 1 to 64 letters, digits and any of _ . @ - behind the first one, and does "
            "not begin with token- or admin-; an assistant's has at most 64"
        ) from None
    path = file or load_settings().principals_file
    if path is not None:
        add_to_file(path, entry)
    # Alone on standard output, for whatever keeps secrets.
    out.print(made, markup=False, soft_wrap=True)
    if path is None:
        err.print(f"[dim]# For the file that {variable_of('principals_file')} names:[/]")
        err.print(foreign(as_toml(entry), lines=True), soft_wrap=True)
    else:
        err.print(f"Added {entry.id} to {foreign(path)}. The token is not shown again.")


def _moment(text: str) -> datetime:
    """Read when a token ends.

    Raises:
        AppError: If it is no date, or over.
    """
    now = datetime.now(UTC)
    days = _DAYS.fullmatch(text)
    if days and int(days[1]):
        return now + timedelta(days=int(days[1]))
    if days:
        raise AppError(f"a token for {text} is over at once; name at least 1d")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise AppError(f"{text} is neither a date, as in 2030-12-31, nor days, as in 90d") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment <= now:
        raise AppError(f"{text} is over")
    return moment
