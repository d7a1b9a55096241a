"""Callers that wait for a session, and are told where they stand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets
from msgspec import structs
from websockets.asyncio.client import ClientConnection, connect

from agents import Assistants
from app.server.admission import SlotLimits, Slots, WaitingRoom, waiting
from app.server.admission.book import OwnBook
from app.server.identity import Principal
from app.server.refusal import TurnedAwayError
from proxy import CloseCode, WebSocketProxyClientTask
from proxy.codec.trunk import read_envelope
from proxy.wire import SUBPROTOCOL, Hello, Waiting, Welcome, encode
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, asking, bearer
from tests.app.server.identity.test_tokens import added
from tests.app.server.test_door import refusal
from tests.app.server.test_resume_sessions import HELLO, welcome
from tests.app.server.test_sessions import close_code
from tests.proxy.conversation import calling, say, within

ADA, GRACE = Principal("ada", None), Principal("grace", None)
WAITS = {"Trunkline-Wait": "1"}


def test_a_slot_goes_to_whoever_waits_longest_for_it() -> None:
    slots = Slots(SlotLimits(2, per_assistant=1))
    room = WaitingRoom(slots, 10)
    acme, debate = slots.reserve(ADA, "acme"), slots.reserve(ADA, "debate")
    first, second, third = (room.enter(GRACE, name) for name in ("acme", "debate", "acme"))
    assert [room.position(place) for place in (first, second, third)] == [1, 2, 3]
    debate.release()
    assert (first.settled.is_set(), second.settled.is_set()) == (False, True)
    assert [room.position(place) for place in (first, second, third)] == [1, 0, 2]
    with pytest.raises(TurnedAwayError):  # nobody who comes later can take it
        slots.reserve(ADA, "debate")
    acme.release()
    assert first.settled.is_set()
    assert room.position(third) == 1


def test_who_leaves_makes_room_and_gives_back_what_it_got() -> None:
    book = OwnBook()
    slots = Slots(SlotLimits(1), book)
    room = WaitingRoom(slots, 10)
    held = slots.reserve(ADA, "acme")
    first, second = room.enter(GRACE, "acme"), room.enter(ADA, "acme")
    room.leave(first)
    room.leave(first)
    assert (room.position(second), len(room)) == (1, 1)
    held.release()
    assert second.settled.is_set()
    third = room.enter(GRACE, "acme")
    room.leave(second)
    assert third.settled.is_set()
    taken = third.take()
    assert taken is not None
    room.leave(third)
    assert slots.taken == 1
    taken.release()
    assert slots.taken == 0
    assert not book._by_principal


def test_there_are_only_so_many_places_and_those_count_as_sessions() -> None:
    slots = Slots(SlotLimits(1, per_principal=2))
    room = WaitingRoom(slots, 2)
    slots.reserve(ADA, "acme")
    room.enter(ADA, "acme")
    with pytest.raises(TurnedAwayError) as own:
        room.enter(ADA, "acme")
    assert own.value.refusal.code == "too_many_sessions"
    room.enter(GRACE, "acme")
    with pytest.raises(TurnedAwayError) as full:
        room.enter(GRACE, "acme")
    assert full.value.refusal.code == "full"


def test_a_room_that_closes_sends_everybody_away() -> None:
    slots = Slots(SlotLimits(1))
    room = WaitingRoom(slots, 2)
    held = slots.reserve(ADA, "acme")
    place = room.enter(GRACE, "acme")
    room.close()
    assert place.settled.is_set()
    held.release()
    assert (place.take(), slots.taken, len(room)) == (None, 0, 0)


@contextlib.asynccontextmanager
async def queued(
    server: Asking,
    query: str = "",
    headers: dict[str, str] = WAITS,
    token: str = TOKEN,
    hello: Hello = HELLO,
) -> AsyncIterator[ClientConnection]:
    async with connect(
        f"{server.url}/ws/parrot{query}",
        subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
        additional_headers={**bearer(token), **headers},
    ) as socket:
        await socket.send(encode(hello))
        yield socket


async def position(socket: ClientConnection) -> int:
    data = await within(socket.recv())
    assert isinstance(data, bytes)
    said = read_envelope(data)
    assert isinstance(said, Waiting), said
    return said.position


async def position_becomes(socket: ClientConnection, wanted: int) -> None:
    while await position(socket) != wanted:
        pass


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell callers sooner than people need it."""
    monkeypatch.setattr(waiting, "TELL_EVERY_S", 0.01)
    monkeypatch.setattr(waiting, "REPEAT_EVERY_S", 0.05)


@contextlib.asynccontextmanager
async def full(
    assistants: Assistants, wait_timeout_s: float = 60.0, tokens: str = TOKEN
) -> AsyncIterator[tuple[Asking, ClientConnection]]:
    """Start a server with one slot, and somebody who has it."""
    async with (
        asking(
            assistants,
            tokens=tokens,
            max_sessions=1,
            max_waiting_callers=2,
            wait_timeout_s=wait_timeout_s,
        ) as server,
        queued(server) as holder,
    ):
        await welcome(holder)
        yield server, holder


@pytest.mark.parametrize(("query", "headers"), [("", WAITS), ("?wait=1&room=7", {})])
async def test_callers_are_told_where_they_stand_and_served_in_their_order(
    assistants: Assistants, query: str, headers: dict[str, str]
) -> None:
    async with (
        full(assistants) as (server, holder),
        queued(server, query, headers) as first,
    ):
        assert await position(first) == 1
        async with queued(server, query, headers) as second:
            assert await position(second) == 2
            assert await server.code(TOKEN) == "503 full", "who does not ask does not wait"
            await holder.close()
            await position_becomes(second, 1)
            while not isinstance(said := await received(first), Welcome):
                assert said == Waiting(1)
            (session,) = server.server.sessions
            assert dict(session.caller.metadata) == ({"room": "7"} if query else {})
            await first.close()
            while not isinstance(said := await received(second), Welcome):
                assert said == Waiting(1)
        await within(server.server.sessions.wait_empty())
        assert server.server.state.slots.taken == 0


async def received(socket: ClientConnection) -> object:
    data = await within(socket.recv())
    assert isinstance(data, bytes)
    return read_envelope(data)


async def test_a_room_that_is_full_or_not_there_is_a_refusal(assistants: Assistants) -> None:
    async with full(assistants) as (server, _), queued(server) as one, queued(server) as two:
        await position(one)
        await position(two)
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with queued(server):
                pass
        assert refused.value.response.status_code == 503
    async with asking(assistants, tokens=TOKEN, max_sessions=1) as server, queued(server) as holder:
        await welcome(holder)
        with pytest.raises(websockets.InvalidStatus):
            async with queued(server):
                pass


async def test_who_cannot_be_told_does_not_wait(assistants: Assistants) -> None:
    async with full(assistants) as (server, _):
        answer = await refusal(f"{server.url}/ws/parrot?wait=1", {**bearer(TOKEN), **WAITS})
        assert answer.json()["code"] == "full"


async def test_its_own_cap_is_nothing_to_wait_for(assistants: Assistants, tmp_path: Path) -> None:
    path = tmp_path / "principals.toml"
    token = added(path, "few", assistants=["*"], max_sessions=1)
    async with (
        asking(assistants, principals_file=path, max_waiting_callers=2) as server,
        queued(server, token=token) as holder,
    ):
        await welcome(holder)
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with queued(server, token=token):
                pass
        assert refused.value.response.status_code == 429


async def test_who_waited_for_too_long_is_told_to_try_again(assistants: Assistants) -> None:
    async with full(assistants, wait_timeout_s=0.05) as (server, _):
        async with queued(server) as waiting_one:
            assert await close_code(waiting_one) == CloseCode.TRY_AGAIN_LATER
        assert len(server.server.state.room) == 0


async def test_who_leaves_is_noticed(assistants: Assistants) -> None:
    async with full(assistants) as (server, _), queued(server) as first, queued(server) as second:
        assert await position(first) == 1
        first.transport.abort()
        await position_becomes(second, 1)


@pytest.mark.parametrize(
    ("said", "code"),
    [(encode(HELLO), CloseCode.PROTOCOL_ERROR), ("hello?", CloseCode.UNSUPPORTED_DATA)],
)
async def test_who_speaks_while_waiting_is_closed(
    assistants: Assistants, said: bytes | str, code: CloseCode
) -> None:
    async with full(assistants) as (server, _):
        async with queued(server) as impatient:
            await position(impatient)
            await impatient.send(said)
            assert await close_code(impatient) == code
        assert len(server.server.state.room) == 0


async def test_who_hangs_up_just_as_it_is_its_turn_takes_no_slot_along(
    assistants: Assistants,
) -> None:
    async with full(assistants) as (server, holder):
        async with queued(server) as first, queued(server) as second:
            await position(first)
            await position(second)
            first.transport.abort()
            await holder.close()
            while not isinstance(await received(second), Welcome):
                pass
        await within(server.server.sessions.wait_empty())
        assert server.server.state.slots.taken == 0


async def test_who_comes_back_to_its_session_does_not_wait_for_another(
    assistants: Assistants,
) -> None:
    async with (
        asking(assistants, tokens=TOKEN, max_sessions=1, max_waiting_callers=2) as server,
        queued(server) as holder,
    ):
        known = await welcome(holder)
        hello = structs.replace(HELLO, session=known.session, token=known.token)
        # As a page does, which has no headers to name its session in.
        async with queued(server, hello=hello) as back:
            assert (await welcome(back)).resumed
            assert (len(server.server.state.room), server.server.state.slots.taken) == (0, 1)
            assert await close_code(holder) == CloseCode.SESSION_TAKEN_OVER
        await within(server.server.sessions.wait_empty())
        assert server.server.state.slots.taken == 0


async def test_a_server_that_stops_sends_the_waiting_away(assistants: Assistants) -> None:
    async with full(assistants) as (server, holder), queued(server) as waiting_one:
        await position(waiting_one)
        server.server.stop()
        assert await close_code(waiting_one) == CloseCode.GOING_AWAY
        assert await close_code(holder) == CloseCode.GOING_AWAY


async def test_our_own_client_waits_and_then_converses(
    assistants: Assistants, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: asyncio.Queue[int] = asyncio.Queue()
    plain = WebSocketProxyClientTask.__init__

    def listening(self: WebSocketProxyClientTask, *args: str, **options: object) -> None:
        plain(self, *args, **options)  # type: ignore[arg-type]
        self.add_event_handler("on_waiting", on_waiting)

    async def on_waiting(_: object, position: int) -> None:
        heard.put_nowait(position)

    monkeypatch.setattr(WebSocketProxyClientTask, "__init__", listening)
    async with full(assistants) as (server, holder):

        async def hang_up_when_somebody_waits() -> None:
            assert await heard.get() == 1
            await holder.close()

        hanging_up = asyncio.create_task(hang_up_when_somebody_waits())
        headers = {**bearer(TOKEN), **WAITS}
        async with calling(f"{server.url}/ws/parrot", headers=headers) as caller:
            assert await say(caller, "finally") == "finally"
        await within(hanging_up)
