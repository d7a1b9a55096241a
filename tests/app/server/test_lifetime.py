"""Sessions in which nothing is said, and sessions that last for too long."""

from typing import Any

import pytest

from agents import Assistants, show
from app.caller.assistants import RemoteAssistant
from app.server.lifetime import Lifetimes
from app.server.states import SessionState
from proxy import CloseCode
from tests.agents.talking import CURT, talking
from tests.agents.watching import Watched
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, asking
from tests.app.server.identity.test_tokens import Clock
from tests.app.server.test_sessions import close_code, hear_words, opened, ready, say
from tests.proxy.conversation import within


def lifetimes(server: Asking, clock: Clock, **limits: float) -> Lifetimes:
    options: dict[str, Any] = {"idle_timeout_s": 0.0, "max_session_s": 0.0, **limits}
    return Lifetimes(server.server.sessions, clock=clock, **options)


async def test_a_session_in_which_nothing_is_said_is_ended(assistants: Assistants) -> None:
    async with asking(assistants, tokens=TOKEN) as server, opened(server.url, "parrot") as socket:
        await ready(socket)
        (session,) = server.server.sessions
        clock = Clock()
        clock.now = session.started_at
        watching = lifetimes(server, clock, idle_timeout_s=60.0)
        for _ in range(5):
            clock.now += 59.0
            await say(socket, "hello")
            await hear_words(socket, 1)
            watching.look()
        assert session.state is SessionState.READY
        clock.now += 59.0
        watching.look()
        assert session.state is SessionState.READY
        clock.now += 1.0
        watching.look()
        assert await close_code(socket) == CloseCode.IDLE
        assert socket.close_reason == "nothing was said for too long"
        await within(server.server.sessions.wait_empty())


async def test_a_session_lasts_as_long_as_it_may_whatever_is_said(assistants: Assistants) -> None:
    async with asking(assistants, tokens=TOKEN) as server, opened(server.url, "parrot") as socket:
        await ready(socket)
        (session,) = server.server.sessions
        clock = Clock()
        watching = lifetimes(server, clock, max_session_s=3600.0)
        clock.now = session.started_at + 3599.0
        watching.look()
        await say(socket, "hello")
        assert await hear_words(socket, 1) == ["hello"]
        clock.now += 1.5  # a sum of such numbers may be a little less than it should be
        watching.look()
        assert await close_code(socket) == CloseCode.TIME_IS_UP


async def test_without_limits_sessions_go_on(assistants: Assistants) -> None:
    async with asking(assistants, tokens=TOKEN) as server, opened(server.url, "parrot") as socket:
        await ready(socket)
        (session,) = server.server.sessions
        clock = Clock()
        clock.now = session.started_at + 10**9
        lifetimes(server, clock).look()
        assert session.state is SessionState.READY


@pytest.mark.parametrize(
    ("setting", "code"),
    [("idle_timeout_s", CloseCode.IDLE), ("max_session_s", CloseCode.TIME_IS_UP)],
)
async def test_the_settings_are_kept_while_the_server_runs(
    assistants: Assistants, setting: str, code: CloseCode
) -> None:
    options: dict[str, Any] = {setting: 0.2}
    async with (
        asking(assistants, tokens=TOKEN, **options) as server,
        opened(server.url, "parrot") as socket,
    ):
        assert await close_code(socket) == code


async def test_a_session_that_ends_is_not_ended_again(assistants: Assistants) -> None:
    async with asking(assistants, tokens=TOKEN) as server, opened(server.url, "parrot") as socket:
        await ready(socket)
        (session,) = server.server.sessions
        session.end(CloseCode.GOING_AWAY)
        clock = Clock()
        clock.now = session.started_at + 10**6
        lifetimes(server, clock, idle_timeout_s=1.0).look()
        assert await close_code(socket) == CloseCode.GOING_AWAY


async def test_what_is_only_shown_keeps_no_session_alive(assistants: Assistants) -> None:
    async with asking(assistants, tokens=TOKEN) as server:
        side = Watched(RemoteAssistant(f"{server.url}/ws/parrot", token=TOKEN, has_screen=True))
        async with talking(side, **CURT, answer_timeout_s=0.01):
            await side.until(1, trunkline="active")
            (session,) = server.server.sessions
            session.idle_s(1.0)
            for number in range(3):
                show(session._tasks[0], {"number": number})
                await side.until(1, number=number)
            assert session.idle_s(100.0) == 99.0
