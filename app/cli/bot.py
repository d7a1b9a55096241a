"""`trunkline bot`."""

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from loguru import logger

from app.cli import err
from app.cli.sides import Wanted, wanted
from app.errors import AppError, MissingExtraError
from app.logs import configure_logs, quiet_uvicorn
from app.services import Roles

TRANSPORTS = ("webrtc", "daily", "websocket", "eval")


def run_bot(
    remote_url: str | None,
    token: str | None,
    assistant: str | None,
    transport: str | None,
    further: Sequence[str],
) -> None:
    """Run Pipecat's runner with our bot until it is stopped.

    Args:
        remote_url: `--remote-url`.
        token: `--token`.
        assistant: `--assistant`.
        transport: `--transport`.
        further: Options for Pipecat's runner.

    Raises:
        AppError: If a part is missing or an option is wrong.
    """
    what = wanted(remote_url, token, assistant)
    if transport is not None and transport not in TRANSPORTS:
        raise AppError(f"there is no transport {transport!r}, only {', '.join(TRANSPORTS)}")
    try:
        from pipecat.runner.run import main as run_pipecat
    except ImportError:
        raise MissingExtraError("Pipecat's runner", "webrtc") from None
    where = what.remote_url or f"{what.assistant}, in this process"
    err.print(f"[bold green]This bot talks to {where.partition('?')[0]}[/]")
    # An eval harness connects to the socket that the runner always has; Pipecat's own option for
    # it is deprecated.
    chosen = ["--transport", transport] if transport not in (None, "eval") else []
    quiet_uvicorn()
    # Pipecat's runner sets up logs of its own, with content, which hold until its server starts.
    logger.disable("pipecat.transports")
    _install(what)
    sys.argv = ["trunkline bot", *chosen, *(option for option in further if option != "--")]
    run_pipecat(argparse.ArgumentParser(prog="trunkline bot"))


def _install(what: Wanted) -> None:
    """Put our entry point where Pipecat's runner looks for it: the main module."""
    from pipecat.runner.types import RunnerArguments

    from app.caller.bot import BotOptions, hold_conversation, make_transport

    shared = _SharedRoles(what)
    shared.live_with_the_runner()

    async def bot(arguments: RunnerArguments) -> None:
        configure_logs(what.settings.log_level)
        roles = await shared.get()
        options = BotOptions(roles, lambda: what.side(roles), what.phrases)
        await hold_conversation(await make_transport(arguments), arguments, options)

    sys.modules["__main__"].bot = bot  # type: ignore[attr-defined]


class _SharedRoles:
    """The services of all conversations of this process, opened with the first one."""

    def __init__(self, what: Wanted) -> None:
        self._what = what
        self._roles: Roles | None = None
        self._stack = contextlib.AsyncExitStack()

    def live_with_the_runner(self) -> None:
        """Close with the server of Pipecat's runner."""
        from pipecat.runner.run import app

        inner = app.router.lifespan_context

        @contextlib.asynccontextmanager
        async def lifespan(served: Any) -> AsyncIterator[Any]:
            configure_logs(self._what.settings.log_level)
            async with self._stack, inner(served) as state:
                yield state

        app.router.lifespan_context = lifespan

    async def get(self) -> Roles:
        """Return the services; opens them the first time."""
        if self._roles is None:
            opening = Roles.open(self._what.settings, self._what.assistants)
            self._roles = await self._stack.enter_async_context(opening)
        return self._roles
