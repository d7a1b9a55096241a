"""A caller that comes back finds its session, whichever process it reaches."""

import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from app.server.session import Session
from app.server.states import SessionState
from proxy import CloseCode
from proxy.wire import SESSION_HEADER
from tests.app.server.test_resume_sessions import (
    HELLO,
    Moves,
    bearer,
    coming_back,
    greeting,
    lose,
    moves,
    until,
    welcome,
)
from tests.app.server.test_sessions import close_code
from tests.app.server.together.pair import ADMIN, OTHERS_TOKEN, Pair, two_processes
from tests.proxy.conversation import Caller, calling, say, within
from tests.proxy.relay import Relay

__all__ = ["moves"]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with two_processes() as pair:
        yield pair


@contextlib.asynccontextmanager
async def called(pair: Pair) -> AsyncIterator[tuple[Caller, Relay, Session]]:
    """Hold a conversation with the first process, over a network that can be cut."""
    pair.to = 0
    async with (
        Relay.to(f"{pair.url}/ws/parrot").running() as relay,
        calling(relay.url, headers=bearer()) as caller,
    ):
        assert await say(caller, "hello") == "hello"
        (session,) = pair.servers[0].sessions
        yield caller, relay, session


async def come_back_to(pair: Pair, place: int, relay: Relay, moves: Moves) -> None:
    await lose(relay, moves)
    pair.to = place
    relay.refusing = False
    await until(moves, SessionState.READY)


async def test_a_session_is_carried_on_from_another_process(pair: Pair, moves: Moves) -> None:
    async with called(pair) as (caller, relay, session):
        for place in (1, 1, 0, 1):
            await come_back_to(pair, place, relay, moves)
            assert await say(caller, f"from {place}") == f"from {place}"
            assert list(pair.servers[0].sessions) == [session]
            assert not len(pair.servers[1].sessions)
        assert pair.servers[0].state.slots.taken == 1
        assert pair.servers[1].state.slots.taken == 0
        assert session.resumes == 4
    # The caller hangs up with a code, which reaches its session at once.
    await pair.emptied()
    assert session.closed_with == CloseCode.ENDED


async def test_the_code_that_a_session_ends_with_reaches_its_caller(
    pair: Pair, moves: Moves
) -> None:
    async with called(pair) as (caller, relay, session):
        await come_back_to(pair, 1, relay, moves)
        answer = await pair.ask(1, f"/v1/admin/sessions/{session.id}", method="DELETE")
        assert answer.json() == {"ended": 1, "silent_processes": 0}
        assert (await within(caller.gone.get())).code == CloseCode.ENDED_BY_OPERATOR
    await pair.emptied()


async def test_what_a_caller_may_not_send_is_refused_by_way_of_another_process(
    pair: Pair, moves: Moves
) -> None:
    async with greeting(pair.url) as first:
        told = await welcome(first)
        first.transport.abort()
        await until(moves, SessionState.DETACHED)
    pair.to = 1
    back = msgspec.structs.replace(HELLO, session=told.session, token=told.token)
    async with greeting(pair.url, back) as second:
        assert (await welcome(second)).resumed
        await second.send("text")
        assert await close_code(second) == CloseCode.UNSUPPORTED_DATA
    await pair.emptied()


async def test_a_process_in_between_that_ends_costs_a_caller_its_connection_alone(
    pair: Pair, moves: Moves
) -> None:
    async with called(pair) as (caller, relay, session):
        await come_back_to(pair, 1, relay, moves)
        pair.to = 0
        pair.servers[1].stop()
        await until(moves, SessionState.READY)
        assert await say(caller, "still here") == "still here"
        assert list(pair.servers[0].sessions) == [session]
    await pair.emptied()


async def test_a_session_whose_process_drains_is_not_carried_on(pair: Pair, moves: Moves) -> None:
    async with called(pair) as (caller, relay, _):
        back = coming_back(caller.line)
        await lose(relay, moves)
        pair.servers[0].sessions.draining = True
        pair.to = 1
        async with greeting(pair.url, back) as socket:
            assert await close_code(socket) == CloseCode.GOING_AWAY
        await caller.line.close(CloseCode.ENDED)
        pair.servers[0].sessions.end_all(CloseCode.GOING_AWAY)
    await pair.emptied()


async def test_nobody_else_takes_a_session_by_way_of_another_process(
    pair: Pair, moves: Moves
) -> None:
    async with called(pair) as (caller, relay, session):
        stolen = coming_back(caller.line)
        await lose(relay, moves)
        pair.to = 1
        for headers in ({}, {SESSION_HEADER: session.id}):
            async with greeting(pair.url, stolen, token=OTHERS_TOKEN, **headers) as thief:
                assert await close_code(thief) == CloseCode.SESSION_GONE
        assert session.state is SessionState.DETACHED
        relay.refusing = False
        assert await say(caller, "still mine") == "still mine"
    await pair.emptied()


@pytest.mark.parametrize("place", ["00", "01", "07", "zz"])
async def test_a_session_that_no_process_has_is_gone(pair: Pair, place: str) -> None:
    pair.to = 1
    hello = msgspec.structs.replace(HELLO, session=30 * "a" + place, token="x")
    async with greeting(pair.url, hello) as socket:
        assert await close_code(socket) == CloseCode.SESSION_GONE
    await pair.emptied()


async def test_the_session_of_a_process_is_named_after_it(pair: Pair) -> None:
    async with called(pair):
        shown = (await pair.ask(1, "/v1/admin/sessions", token=ADMIN)).json()["sessions"]
        assert [session["id"][-2:] for session in shown] == ["00"]
