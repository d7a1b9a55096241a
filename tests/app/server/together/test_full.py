"""A caller gets a session as long as any process of the server has room, whichever it reached."""

import asyncio
import contextlib
import socket as sockets
from collections.abc import AsyncIterator

import pytest
from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection, connect

from app.server.admission import SlotLimits
from app.server.together import inside, passing
from proxy import CloseCode
from proxy.codec.trunk import read_envelope
from proxy.wire import SUBPROTOCOL, Waiting, Welcome, encode
from tests.app.server.identity.asking import bearer
from tests.app.server.raw import RawSocket, connected, request
from tests.app.server.test_door import refusal
from tests.app.server.test_resume_sessions import HELLO
from tests.app.server.test_sessions import close_code, hear_words, ready, say
from tests.app.server.together.pair import TOKEN, Pair, two_processes
from tests.proxy.conversation import within

ASSISTANTS = (
    f"GET /v1/assistants HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
).encode()


async def answered(raw: RawSocket) -> bytes:
    """Read one answer; gives its status."""
    head = await within(raw.reader.readuntil(b"\r\n\r\n"))
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    await within(raw.reader.readexactly(int(fields.get(b"content-length", 0))))
    status: bytes = head.split(b" ")[1]
    return status


async def kept(stack: contextlib.AsyncExitStack, url: str) -> RawSocket:
    """Make a connection that was used for something else, as a proxy in front keeps them."""
    raw = await stack.enter_async_context(connected(url))
    raw.writer.write(ASSISTANTS)
    assert await answered(raw) == b"200"
    return raw


def upgrade(raw: RawSocket, *headers: str) -> None:
    raw.writer.write(
        request("/ws/parrot", *headers).replace(b"a-token-of-the-tests", TOKEN.encode())
    )


@pytest.fixture
async def stack() -> AsyncIterator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as stack:
        yield stack


async def called(pair: Pair, to: int, token: str = TOKEN) -> ClientConnection:
    pair.to = to
    socket = await connect(f"{pair.url}/ws/parrot", additional_headers=bearer(token))
    await ready(socket)
    return socket


@contextlib.asynccontextmanager
async def waiting(pair: Pair, to: int) -> AsyncIterator[ClientConnection]:
    """Ask to wait, and hear that one does."""
    pair.to = to
    async with connect(
        f"{pair.url}/ws/parrot?who=me",
        additional_headers={**bearer(TOKEN), "Trunkline-Wait": "1", "traceparent": TRACE},
        subprotocols=[Subprotocol(SUBPROTOCOL)],
    ) as socket:
        await socket.send(encode(HELLO))
        assert isinstance(read_envelope(await within(socket.recv())), Waiting)
        yield socket


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def welcomed(socket: ClientConnection) -> Welcome:
    """Be told the place again and again, and at last be welcome."""
    while True:
        envelope = read_envelope(await within(socket.recv()))
        if isinstance(envelope, Welcome):
            return envelope
        assert isinstance(envelope, Waiting)


async def test_kept_connections_become_calls_wherever_there_is_room(
    stack: contextlib.AsyncExitStack,
) -> None:
    async with two_processes(max_sessions=2) as pair:
        raws = [await kept(stack, pair.url) for _ in range(5)]
        for raw in raws:
            upgrade(raw)
        statuses = sorted([await answered(raw) for raw in raws])
        assert statuses == [b"101"] * 4 + [b"503"]
        assert [len(server.sessions) for server in pair.servers] == [2, 2]
        await stack.aclose()
        await pair.emptied()


async def test_a_caller_who_is_handed_on_is_where_it_was_handed_to_and_nowhere_else() -> None:
    async with two_processes(max_sessions=1) as pair:
        one = await called(pair, 0)
        other = await called(pair, 0)
        await say(other, "hello")
        assert await hear_words(other, 1) == ["hello"]
        assert [len(server.sessions) for server in pair.servers] == [1, 1]
        # The process that handed it on has no part in it any more.
        pair.servers[0].stop()
        assert await close_code(one) == CloseCode.GOING_AWAY
        await within(pair.servers[0].stopped.wait())
        await say(other, "still")
        assert await hear_words(other, 1) == ["still"]
        await other.close()
        await pair.emptied()


async def test_a_ticket_that_a_full_process_is_shown_is_good_in_the_one_that_has_room() -> None:
    async with two_processes(max_sessions=1) as pair:
        one = await called(pair, 0)
        wanted = {"assistant": "parrot"}
        answer = await pair.ask(0, "/v1/sessions", method="POST", token=TOKEN, json=wanted)
        async with connect(answer.json()["url"]) as other:
            await ready(other)
            assert len(pair.servers[1].sessions) == 1
        await one.close()
        await pair.emptied()


async def test_who_has_no_token_has_none_in_the_other_process_either() -> None:
    async with two_processes(max_sessions=1) as pair:
        one = await called(pair, 0)
        answer = await refusal(f"{pair.url}/ws/parrot", bearer("wrong"))
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_token")
        await one.close()
        await pair.emptied()


async def test_who_reaches_a_process_that_drains_is_handed_on() -> None:
    async with two_processes() as pair:
        pair.servers[0].sessions.draining = True
        socket = await called(pair, 0)
        assert len(pair.servers[1].sessions) == 1
        await socket.close()
        await pair.emptied()


async def test_a_process_that_does_not_take_whom_it_is_given_leaves_the_answer_to_the_giver() -> (
    None
):
    async with two_processes(max_sessions=1) as pair:
        one = await called(pair, 0)
        pair.memberships[1].passing_path().unlink()
        answer = await refusal(f"{pair.url}/ws/parrot", bearer(TOKEN))
        assert (answer.status_code, answer.json()["code"]) == (503, "full")
        await one.close()
        await pair.emptied()


async def test_what_is_handed_on_in_part_is_not_taken() -> None:
    async with two_processes() as pair:
        ours, theirs = sockets.socketpair()
        with ours, theirs, sockets.socket(sockets.AF_UNIX) as way:
            way.connect(str(pair.memberships[1].passing_path()))
            sockets.send_fds(way, [passing._SIZE.pack(100) + b"GET"], [theirs.fileno()])
            theirs.close()
            way.shutdown(sockets.SHUT_WR)
            ours.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=ours)
            assert await within(reader.read()) == b""
            writer.close()


async def test_who_waits_in_a_full_process_gets_the_session_that_another_has() -> None:
    async with two_processes(
        max_sessions=1, max_waiting_callers=5, max_sessions_per_principal=3
    ) as pair:
        one, other = await called(pair, 0), await called(pair, 1)
        async with waiting(pair, 0) as socket:
            await other.close()
            told = await welcomed(socket)
            (session,) = pair.servers[1].sessions
            assert session.id == told.session
            assert session.caller.principal == "token-1"
            assert dict(session.caller.metadata) == {"who": "me"}
            assert session.caller.traceparent == TRACE
            # It counts once, in the process that has it.
            ledger = pair.memberships[0].ledger
            counted = "SELECT place, count(assistant) FROM entries GROUP BY place"
            assert sorted(ledger.rows(counted)) == [(0, 1), (1, 1)]
            assert [server.state.slots.taken for server in pair.servers] == [1, 1]
            assert not len(pair.servers[0].state.room)
        await one.close()
        await pair.emptied()
        assert not ledger.rows("SELECT * FROM entries")


async def test_who_is_refused_by_the_other_process_waits_on_where_it_was() -> None:
    async with two_processes(max_sessions=1, max_waiting_callers=5) as pair:
        one = await called(pair, 0)
        other = await called(pair, 1)
        async with waiting(pair, 0) as socket:
            # Full after all: what is counted is behind.
            (entry,) = pair.memberships[0].ledger.rows(
                "SELECT number FROM entries WHERE place = 1 AND assistant IS NOT NULL"
            )
            pair.memberships[0].ledger.run("DELETE FROM entries WHERE number = ?", entry[0])
            (place,) = pair.servers[0].state.room._queue
            while not place.refused:
                assert isinstance(read_envelope(await within(socket.recv())), Waiting)
            await one.close()
            told = await welcomed(socket)
            assert [session.id for session in pair.servers[0].sessions] == [told.session]
        await other.close()
        await pair.emptied()
        assert not pair.memberships[0].ledger.rows("SELECT * FROM entries")


async def test_who_waits_for_an_assistant_that_is_full_everywhere_stays_where_it_is() -> None:
    limits = {"max_sessions": 1, "max_sessions_per_assistant": 1, "max_waiting_callers": 5}
    async with two_processes(**limits) as pair:
        one = await called(pair, 0)
        async with waiting(pair, 0) as socket:
            # Handed on to the one that has room; but for this assistant there is none anywhere.
            (place,) = pair.servers[1].state.room._queue
            pair.servers[1].state.slots.limits = SlotLimits(0, per_assistant=1)
            pair.memberships[1].ledger.run("UPDATE entries SET place = 1 WHERE place = 0")
            inside._lead_on(pair.servers[1].state, pair.memberships[1])
            assert place.elsewhere is None
            pair.servers[1].state.slots.limits = SlotLimits(1, per_assistant=1)
            await one.close()
            await welcomed(socket)
        await pair.emptied()
