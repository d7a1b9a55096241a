"""From the options of a command to the assistant that they name."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from agents import Assistants
from app.caller.assistants import AssistantSide, LocalAssistant, RemoteAssistant
from app.errors import AppError
from app.hosted import load_assistants
from app.logs import configure_logs
from app.services import Roles
from app.settings import Settings, load_settings


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
        AppError: If they name no assistant, or one that is not there.
    """
    settings = load_settings(token=token)
    configure_logs(settings.log_level)
    assistants = load_assistants(settings)
    name = assistant or _name_in(remote_url) or settings.default_assistant
    if remote_url is None and assistant is None:
        known = ", ".join(assistants)
        raise AppError(f"say whom to talk to: --remote-url URL, or --assistant NAME ({known})")
    if remote_url is None and name not in assistants:
        raise AppError(f"there is no assistant {name!r} here, only {', '.join(assistants)}")
    return Wanted(
        remote_url=_with_name(remote_url, assistant) if remote_url else None,
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
    parts = urlsplit(remote_url or "").path.strip("/").split("/")
    return parts[1] if len(parts) == 2 and parts[0] == "ws" else None


def _with_name(remote_url: str, assistant: str | None) -> str:
    """Add the assistant to a URL that does not name one."""
    parts = urlsplit(remote_url)
    if parts.scheme not in ("ws", "wss"):
        raise AppError("a remote URL starts with ws:// or wss://")
    path = parts.path.rstrip("/") or "/ws"
    if assistant is not None and path.endswith("/ws"):
        path = f"{path}/{assistant}"
    return parts._replace(path=path).geturl()
