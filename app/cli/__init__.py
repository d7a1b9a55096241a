"""The command line. Nothing heavy is imported before a command needs it."""

import contextlib
import io
import sys
from pathlib import Path

import typer
from loguru import logger
from rich.console import Console

from app.errors import AppError
from app.foreign import foreign
from app.logs import catch_strays, configure_logs

HELP = """Voice assistants behind a URL.

Start with `trunkline demo`, or with `trunkline console --assistant acme` to type to an assistant
in this process. `trunkline serve` hosts assistants; `bot`, `call` and `console` talk to them.

Settings are environment variables, also read from .env; `trunkline check` lists them all.
"""

# What a shell reports for a program that Ctrl-C ended.
INTERRUPTED = 130

app = typer.Typer(
    name="trunkline",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def complain(problem: object, word: str = "error") -> None:
    """Print what is wrong, a line for each problem.

    Args:
        problem: One problem a line; printed as it is, whatever it holds.
        word: What it is.
    """
    for line in str(problem).splitlines():
        err.print(f"[bold red]{word}:[/] {foreign(line)}", soft_wrap=True)


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    configure_logs()
    catch_strays()
    # Modules with assistants may lie where the program is started; nothing there hides a package.
    with contextlib.suppress(FileNotFoundError):
        sys.path.append(str(Path.cwd()))
    from app.cli import commands  # noqa: F401  # registers the commands

    try:
        app()
    except AppError as error:
        complain(error)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.close()
        sys.exit(1)
    except Exception as error:
        logger.opt(exception=error).critical("This is a defect of the program, and it stops")
        sys.exit(1)
