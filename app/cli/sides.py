"""From the options of a command to the assistant that they name."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from agents import Assistants
from app.addresses import line_of, problem_of
from app.caller.assistants import AssistantSide, LocalAssistant, RemoteAssistant
from app.errors import AppError
from app.hosted import load_assistants
from app.logs import configure_logs
from app.services import Roles
from app.settings import Settings, load_settings
from app.telemetry.tracing import start_tracing


@dataclass(frozen=True)
class Wanted:
    """What the options ask for.

    Attributes:
        remote_url: The URL of a server, with the assistant in it; None for one in this process.
        token: The bearer token, or None.
        assistant: The assistant's name.
        settings: The settings.
        assistants: The assistants that this process knows.
    """

    remote_url: str | None
    token: str | None
    assistant: str
    settings: Settings
    assistants: Assistants

    @property
    def phrases(self) -> tuple[str, ...]:
        """What callers of the assistant say, if this process knows the assistant."""
        recipe = self.assistants.get(self.assistant)
        return recipe.phrases if recipe else ()

    def side(self, roles: Roles) -> AssistantSide:
        """Return the assistant's side of a conversation."""
        if self.remote_url is not None:
            return RemoteAssistant(self.remote_url, token=self.token)
        return LocalAssistant(self.assistants[self.assistant], roles)


def wanted(remote_url: str | None, token: str | None, assistant: str | None) -> Wanted:
    """Make sense of the options of a command.

    Args:
        remote_url: `--remote-url`.
        token: `--token`.
        assistant: `--assistant`.

    Raises:
        AppError: If they name no assistant, one that is not there, or two; or if the URL is none.
    """
    settings = load_settings(token=token)
    configure_logs(
        settings.log_level,
        assistant_modules=settings.assistant_modules,
        log_format=settings.log_format,
    )
    start_tracing()
    named = _with_name(remote_url, assistant) if remote_url is not None else None
    assistants = load_assistants(settings)
    name = assistant or _name_in(remote_url) or settings.default_assistant
    if remote_url is None and assistant is None:
        known = ", ".join(assistants)
        raise AppError(f"say whom to talk to: --remote-url URL, or --assistant NAME ({known})")
    if remote_url is None and name not in assistants:
        raise AppError(f"there is no assistant {name!r} here, only {', '.join(assistants)}")
    return Wanted(
        remote_url=named,
        token=settings.token.get_secret_value() if settings.token else None,
        assistant=name,
        settings=settings,
        assistants=assistants,
    )


@contextlib.asynccontextmanager
async def open_roles(what: Wanted) -> AsyncIterator[Roles]:
    """Open the services that a conversation needs on this side."""
    async with Roles.open(what.settings, what.assistants) as roles:
        yield roles


def _name_in(remote_url: str | None) -> str | None:
    line = line_of(remote_url) if remote_url is not None else None
    return line[1] or None if line is not None else None


def _with_name(remote_url: str, assistant: str | None) -> str:
    """Add the assistant to a URL that does not name one."""
    problem = problem_of(remote_url, ("ws", "wss"))
    if problem is not None:
        raise AppError(f"a remote URL {problem}")
    parts = urlsplit(remote_url)
    if parts.path in ("", "/"):
        parts = parts._replace(path="/ws")
    line = line_of(parts.geturl())
    if assistant is None or (line is not None and line[1] == assistant):
        return parts.geturl()
    if line is None:
        raise AppError(
            "this URL does not end in /ws, so the name of --assistant cannot be added to it; "
            "give the whole URL, or --assistant alone"
        )
    if line[1]:
        raise AppError(
            f"--remote-url asks for the assistant {line[1]!r} and --assistant for {assistant!r}; "
            "leave one of them out"
        )
    return parts._replace(path=f"{line[0]}/ws/{quote(assistant, safe='')}").geturl()
