"""Opening a call: who may, before anything is built, and where its assistant is."""

import asyncio
import importlib
import importlib.util
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from loguru import logger

from agents import Recipe
from app.caller.line_news import LineNews
from app.calls.own_line import TicketDialler, address_of_assistant
from app.failures import failure_of
from app.server.identity import Principal
from app.server.refusal import Refusal, TurnedAwayError
from app.server.routes import DRAINING, NO_ASSISTANT
from app.server.state import ServerState
from app.services.packages import Role, missing_part

if TYPE_CHECKING:
    from app.caller.assistants import RemoteAssistant
    from app.calls.call import HostedCall

# What every call needs on this side.
SPEECH: tuple[Role, ...] = ("stt", "tts")

NO_WEBRTC = Refusal(
    HTTPStatus.NOT_IMPLEMENTED,
    "no_webrtc",
    "WebRTC is not installed here: pip install 'trunkline[webrtc]', or call over a WebSocket",
)


def has_webrtc() -> bool:
    """Tell whether calls may come over WebRTC."""
    return importlib.util.find_spec("aiortc") is not None


def admit_call(state: ServerState, principal: Principal, name: str) -> Recipe:
    """Tell whether somebody may have a call now; the call itself takes its place afterwards.

    Args:
        state: The server.
        principal: Who.
        name: With which assistant.

    Raises:
        TurnedAwayError: If not.
    """
    state.door.check_right(principal, name)
    recipe = state.assistants.get(name)
    if recipe is None:
        raise TurnedAwayError(NO_ASSISTANT)
    if state.sessions.draining:
        raise TurnedAwayError(DRAINING)
    for role in SPEECH:
        missing = missing_part(role, state.settings)
        if missing is not None:
            raise TurnedAwayError(Refusal(HTTPStatus.NOT_IMPLEMENTED, "no_speech", str(missing)))
    if state.settings.calls_remote_url is None:
        # Its session takes a slot when it dials. Better to hear now that there is none.
        state.slots.reserve(principal, name).release()
    return recipe


async def parts_loaded() -> None:
    """Import what calls are made of, in a thread: for the first one that takes seconds."""
    await asyncio.to_thread(_load)


def warm_up(state: ServerState) -> None:
    """Begin to import what calls are made of, as somebody looks at the page.

    A server that nobody calls from a page does without, and saves its memory.

    Args:
        state: The server.
    """
    if state.calls.max_calls and state.calls.warming is None:
        state.calls.warming = asyncio.create_task(_warm(), name="load-calls")


async def _warm() -> None:
    try:
        await parts_loaded()
    except ImportError as error:
        # Whoever calls is told; see `admit_call`.
        logger.warning(f"Calls cannot be hosted here: {failure_of(error)}")


def _load() -> None:
    names = ["app.calls.call", "app.calls.socket"]
    if has_webrtc():
        names.append("app.calls.webrtc")
    for name in names:
        importlib.import_module(name)


def make_call(state: ServerState, principal: Principal, recipe: Recipe) -> "HostedCall":
    """Make a call; nothing of it runs yet.

    Args:
        state: The server; `parts_loaded` was waited for.
        principal: Who calls.
        recipe: The assistant.
    """
    from app.calls.call import HostedCall

    return HostedCall(
        id=state.new_session_id(),
        principal=principal.name,
        roles=state.roles,
        phrases=recipe.phrases,
        make_side=lambda on_news: _side(state, principal, recipe, on_news),
    )


def _side(
    state: ServerState,
    principal: Principal,
    recipe: Recipe,
    on_news: Callable[[LineNews], Awaitable[None]],
) -> "RemoteAssistant":
    from app.caller.assistants import RemoteAssistant

    settings = state.settings
    elsewhere = settings.calls_remote_url
    if elsewhere is not None:
        token = settings.token.get_secret_value() if settings.token else None
        url = address_of_assistant(elsewhere, recipe.name)
        return RemoteAssistant(url, token=token, has_screen=True, on_news=on_news)
    url = address_of_assistant(state.address, recipe.name)
    dialler = TicketDialler(
        url,
        recipe.name,
        principal,
        state.door.identity.tickets,
        max_message_bytes=settings.max_message_bytes,
    )
    return RemoteAssistant(
        url,
        token=None,
        has_screen=True,
        dialler=dialler,
        speaks=recipe.speaks,
        on_news=on_news,
    )
