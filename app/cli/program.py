"""The program that the commands add themselves to, and how it ends."""

import contextlib
import io
import sys
from pathlib import Path
from typing import NoReturn

import typer
from loguru import logger

from app.cli import leave
from app.cli.printing import complain
from app.errors import AppError
from app.logs import catch_strays, configure_logs

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
    context_settings={"help_option_names": ["-h", "--help"]},
)


def prepare() -> None:
    """Make the process fit for every command, and add the commands."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    configure_logs()
    catch_strays(on_interrupt=leave)
    # Modules with assistants may lie where the program is started; nothing there hides a package.
    with contextlib.suppress(FileNotFoundError):
        sys.path.append(str(Path.cwd()))
    from app.cli import commands  # noqa: F401  # registers the commands


def run() -> None:
    """Run the command that the arguments name; ends the process."""
    try:
        app()
    except AppError as error:
        complain(error)
        sys.exit(2)
    except ImportError as error:
        if _interrupted(error):
            raise KeyboardInterrupt from None
        _stop_for(error)
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.close()
        sys.exit(1)
    except Exception as error:
        _stop_for(error)


def _interrupted(error: BaseException) -> bool:
    """Tell whether Ctrl-C was why a module could not be imported; some say no more than that."""
    before = error.__cause__ or error.__context__
    return isinstance(error, KeyboardInterrupt) or (before is not None and _interrupted(before))


def _stop_for(error: Exception) -> NoReturn:
    logger.opt(exception=error).critical("This is a defect of the program, and it stops")
    sys.exit(1)
