"""The command line. Nothing heavy is imported before a command needs it."""

import sys

import typer
from rich.console import Console

from app.errors import AppError
from app.logs import configure_logs

HELP = """Voice assistants behind a URL.

Start with `trunkline demo`, or with `trunkline console --assistant acme` to type to an assistant
in this process. `trunkline serve` hosts assistants; `bot`, `call` and `console` talk to them.

Settings are environment variables, also read from .env; `trunkline check` lists them all.
"""

app = typer.Typer(
    name="trunkline",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    configure_logs()
    from app.cli import commands  # noqa: F401  # registers the commands

    try:
        app()
    except AppError as error:
        for line in str(error).splitlines():
            err.print(f"[bold red]error:[/] {line}", markup=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
