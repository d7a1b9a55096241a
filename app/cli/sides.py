"""From the options of a command to the assistant that they name."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from agents import Assistants
from app.addresses import line_of, problem_of, shown_url
from app.brokers import open_broker
from app.caller.assistants import AssistantSide, RemoteAssistant
from app.caller.local import LocalAssistant
from app.caller.pooled import PooledAssistant
from app.errors import AppError
from app.hosted import load_assistants
from app.logs import configure_logs
from app.services import Roles
from app.settings import Settings, load_settings
from app.telemetry.tracing import start_tracing
from proxy.bus.claims import Claims

# Instead of a URL: the assistant is in this process, whatever the settings say.
NO_BUS = "none"


@dataclass(frozen=True)
class Wanted:
    """What the options ask for.

    Attributes:
        remote_url: The URL of a server, with the assistant in it; None if it is elsewhere.
        bus_url: The broker on which it is served; None for a server's, or one in this process.
        token: The bearer token, or None.
        assistant: The assistant's name.
        settings: The settings.
        assistants: The assistants that this process knows.
    """

    remote_url: str | None
    bus_url: str | None
    token: str | None
    assistant: str
    settings: Settings
    assistants: Assistants

    @property
    def phrases(self) -> tuple[str, ...]:
        """What callers of the assistant say, if this process knows the assistant."""
        recipe = self.assistants.get(self.assistant)
        return recipe.phrases if recipe else ()

    @property
    def here(self) -> bool:
        """Whether the assistant is in this process."""
        return self.remote_url is None and self.bus_url is None

    @property
    def where(self) -> str:
        """Where the assistant is, in words for the caller."""
        if self.remote_url is not None:
            return shown_url(self.remote_url)
        if self.bus_url is not None:
            return f"{self.assistant} on {shown_url(self.bus_url)}"
        return f"{self.assistant}, right here"


@dataclass(frozen=True)
class Sides:
    """What the conversations of a program share.

    Attributes:
        what: What the options ask for.
        roles: Makes the services that are needed on this side.
        claims: The broker; None where there is none.
    """

    what: Wanted
    roles: Roles
    claims: Claims | None = None

    def side(self, *, has_screen: bool = False) -> AssistantSide:
        """Return the assistant's side of a conversation.

        Args:
            has_screen: Whether the caller wants what is for a screen.
        """
        what = self.what
        if what.remote_url is not None:
            return RemoteAssistant(what.remote_url, token=what.token, has_screen=has_screen)
        if self.claims is not None:
            assert what.bus_url is not None
            recipe, where = what.assistants.get(what.assistant), shown_url(what.bus_url)
            return PooledAssistant(
                self.claims, what.assistant, recipe, where=where, has_screen=has_screen
            )
        recipe = what.assistants[what.assistant]
        return LocalAssistant(recipe, self.roles, has_screen=has_screen)


def wanted(
    remote_url: str | None, bus: str | None, token: str | None, assistant: str | None
) -> Wanted:
    """Make sense of the options of a command.

    Args:
        remote_url: `--remote-url`.
        bus: `--bus`.
        token: `--token`.
        assistant: `--assistant`.

    Raises:
        AppError: If they name no assistant, one that is not there, or two; or if the URL is none.
    """
    if remote_url is not None and bus not in (None, NO_BUS):
        raise AppError("--remote-url and --bus name two places; leave one of them out")
    settings = load_settings(token=token, bus_url=None if bus == NO_BUS else bus)
    here = remote_url is not None or bus == NO_BUS
    bus_url = None if here else settings.broker_url
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
    if remote_url is None and bus_url is None and name not in assistants:
        raise AppError(f"there is no assistant {name!r} here, only {', '.join(assistants)}")
    return Wanted(
        remote_url=named,
        bus_url=bus_url,
        token=settings.token.get_secret_value() if settings.token else None,
        assistant=name,
        settings=settings,
        assistants=assistants,
    )


@contextlib.asynccontextmanager
async def open_sides(what: Wanted) -> AsyncIterator[Sides]:
    """Open what conversations need on this side.

    Args:
        what: What the options ask for.

    Raises:
        AppError: If a broker is wanted and cannot be used.
    """
    async with contextlib.AsyncExitStack() as stack:
        roles = await stack.enter_async_context(Roles.open(what.settings, what.assistants))
        claims = None
        if what.bus_url is not None:
            claims = await stack.enter_async_context(open_broker(what.settings))
        yield Sides(what, roles, claims)


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
