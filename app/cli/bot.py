"""`trunkline bot`."""

import argparse
import asyncio
import contextlib
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from dotenv import load_dotenv
from loguru import logger

from app.cli.ports import ensure_free
from app.cli.printing import err
from app.cli.sides import Sides, Wanted, open_sides, wanted
from app.errors import AppError, MissingExtraError
from app.foreign import foreign
from app.logs import quiet_uvicorn
from app.services.packages import Role, missing_part
from app.settings import ENV_FILE, Settings

# Where Pipecat's runner listens unless it is told otherwise.
DEFAULT_HOST = "localhost"
DEFAULT_PORT = 7860

# What a bot needs for every caller.
SPEECH: tuple[Role, ...] = ("stt", "tts")

HELP_OPTIONS = frozenset({"-h", "--help"})

# With any of these Pipecat's runner joins a room of Daily's by itself.
DIRECT_OPTIONS = frozenset({"-d", "--direct"})

TRANSPORTS = ("webrtc", "daily", "websocket", "eval")


def run_bot(
    remote_url: str | None,
    bus: str | None,
    token: str | None,
    assistant: str | None,
    transport: str | None,
    further: Sequence[str],
) -> None:
    """Run Pipecat's runner with our bot until it is stopped.

    Args:
        remote_url: `--remote-url`.
        bus: `--bus`.
        token: `--token`.
        assistant: `--assistant`.
        transport: `--transport`.
        further: Options for Pipecat's runner.

    Raises:
        AppError: If a part is missing or an option is wrong.
    """
    if transport is not None and transport not in TRANSPORTS:
        raise AppError(f"there is no transport {transport!r}, only {', '.join(TRANSPORTS)}")
    options = [option for option in further if option != "--"]
    explain = not HELP_OPTIONS.isdisjoint(options)
    what = None if explain else wanted(remote_url, bus, token, assistant)
    runner = _import_runner(what.settings if what else None)
    if what is not None:
        err.print(f"[bold green]This bot talks to {foreign(what.where)}[/]", soft_wrap=True)
        _ensure_port(options)
        _ensure_speech(what.settings)
        _ensure_daily(what.settings, transport, options)
        _install(what)
    # An eval harness connects to the socket that the runner always has; Pipecat's own option for
    # it is deprecated.
    chosen = ["--transport", transport] if transport not in (None, "eval") else []
    quiet_uvicorn()
    # Pipecat's runner would set up logs of its own, with what is said in them.
    runner.logger = _OurLogs()
    sys.argv = ["trunkline bot", *chosen, *options]
    runner.main(argparse.ArgumentParser(prog="trunkline bot"))


class _OurLogs:
    """A logger that stays as we set it up."""

    def __getattr__(self, name: str) -> Any:
        """Log as ever."""
        return getattr(logger, name)

    def remove(self, *_: Any) -> None:
        """Remove nothing."""

    def add(self, *_: Any, **__: Any) -> int:
        """Add nothing; returns an id that no sink has."""
        return -1


def _import_runner(settings: Settings | None) -> Any:
    """Import Pipecat's runner, with what `.env` has for it and nothing that it overrides.

    The runner itself looks for `.env` above its own file, and lets it override the environment.
    """
    given = dict(os.environ)
    # Pipecat always has the module; what it needs comes with the page.
    if importlib.util.find_spec("pipecat_ai_prebuilt") is None:
        raise MissingExtraError("Pipecat's runner", "webrtc")
    from pipecat.runner import run

    os.environ.update(given)
    load_dotenv(ENV_FILE, override=False)
    if settings is not None and settings.daily_api_key is not None:
        os.environ["DAILY_API_KEY"] = settings.daily_api_key.get_secret_value()
    return run


def _ensure_speech(settings: Settings) -> None:
    """Tell what is missing before the first caller finds out."""
    for role in SPEECH:
        missing = missing_part(role, settings)
        if missing is not None:
            raise missing


def _ensure_daily(settings: Settings, transport: str | None, options: Sequence[str]) -> None:
    """Tell what Daily's transport needs before the runner says that it is ready."""
    missing: AppError | None = None
    if importlib.util.find_spec("daily") is None:
        missing = MissingExtraError("Daily's package", "daily")
    elif settings.daily_api_key is None:
        missing = AppError("set DAILY_API_KEY")
    if missing is None:
        return
    if transport == "daily" or not DIRECT_OPTIONS.isdisjoint(options):
        raise missing
    if transport is None:
        err.print(f"[dim]Daily is off: {foreign(missing)}[/]", soft_wrap=True)


def _ensure_port(options: Sequence[str]) -> None:
    """Tell that the runner's port is taken before it logs that without the reason."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    with contextlib.suppress(argparse.ArgumentError):
        known, _ = parser.parse_known_args(options)
        ensure_free(known.port, known.host, "choose another with --port")


def _install(what: Wanted) -> None:
    """Put our entry point where Pipecat's runner looks for it: the main module."""
    from pipecat.runner.types import RunnerArguments

    from app.caller.bot import BotOptions, hold_conversation, make_transport

    shared = _SharedSides(what)
    shared.live_with_the_runner()

    async def bot(arguments: RunnerArguments) -> None:
        sides = await shared.get()
        options = BotOptions(sides.roles, partial(sides.side, has_screen=True), what.phrases)
        await hold_conversation(await make_transport(arguments), arguments, options)

    sys.modules["__main__"].bot = bot  # type: ignore[attr-defined]


class _SharedSides:
    """What all conversations of this process share, opened with the first one."""

    def __init__(self, what: Wanted) -> None:
        self._what = what
        self._sides: Sides | None = None
        self._opening = asyncio.Lock()
        self._stack = contextlib.AsyncExitStack()

    def live_with_the_runner(self) -> None:
        """Close with the server of Pipecat's runner."""
        from pipecat.runner.run import app

        inner = app.router.lifespan_context

        @contextlib.asynccontextmanager
        async def lifespan(served: Any) -> AsyncIterator[Any]:
            async with self._stack, inner(served) as state:
                yield state

        app.router.lifespan_context = lifespan

    async def get(self) -> Sides:
        """Return it; opens it the first time."""
        async with self._opening:
            if self._sides is None:
                self._sides = await self._stack.enter_async_context(open_sides(self._what))
            return self._sides
