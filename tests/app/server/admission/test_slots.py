"""How many sessions there may be, however many callers come at once."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from agents import Assistants
from app.processes.ledger import NAME, Ledger
from app.server.admission import SlotLimits, Slots
from app.server.admission.book import OwnBook, SharedBook
from app.server.identity import Principal
from app.server.refusal import TurnedAwayError
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, asking, bearer
from tests.app.server.identity.test_tokens import added
from tests.app.server.test_sessions import close_code
from tests.proxy.conversation import within

ADA, GRACE = Principal("ada", None), Principal("grace", None)


def slots_of(shared: Ledger | None, limits: SlotLimits) -> Slots:
    return Slots(limits, None if shared is None else SharedBook(shared, 0))


def refused(slots: Slots, principal: Principal, assistant: str = "acme") -> str:
    with pytest.raises(TurnedAwayError) as turned_away:
        slots.reserve(principal, assistant)
    refusal = turned_away.value.refusal
    assert refusal.retry_after_s
    return f"{refusal.status} {refusal.code}"


def test_there_are_as_many_slots_as_there_are(shared: Ledger | None) -> None:
    slots = slots_of(shared, SlotLimits(2))
    one, _ = slots.reserve(ADA, "acme"), slots.reserve(GRACE, "debate")
    assert refused(slots, ADA) == "503 full"
    one.release()
    one.release()
    assert slots.taken == 1
    slots.reserve(ADA, "acme")
    assert refused(slots, GRACE) == "503 full"


def test_a_principal_has_as_many_as_it_may(shared: Ledger | None) -> None:
    slots = slots_of(shared, SlotLimits(10, per_principal=2))
    held = [slots.reserve(ADA, name) for name in ("acme", "debate")]
    assert refused(slots, ADA) == "429 too_many_sessions"
    slots.reserve(GRACE, "acme")
    held[0].release()
    slots.reserve(ADA, "acme")


def test_a_number_of_its_own_goes_before_that_of_all(shared: Ledger | None) -> None:
    slots = slots_of(shared, SlotLimits(10, per_principal=2))
    few = Principal("few", None, max_sessions=1)
    many = Principal("many", None, max_sessions=3)
    slots.reserve(few, "acme")
    assert refused(slots, few) == "429 too_many_sessions"
    for _ in range(3):
        slots.reserve(many, "acme")
    assert refused(slots, many) == "429 too_many_sessions"


def test_an_assistant_has_as_many_as_it_may(shared: Ledger | None) -> None:
    slots = slots_of(shared, SlotLimits(10, per_assistant=1))
    slots.reserve(ADA, "acme")
    assert refused(slots, GRACE) == "503 assistant_full"
    slots.reserve(GRACE, "debate")


def test_nothing_is_kept_of_names_that_have_no_slot() -> None:
    book = OwnBook()
    slots = Slots(SlotLimits(10), book)
    for number in range(100):
        slots.reserve(Principal(f"jwt:{number}", None), "acme").release()
    assert not book._by_principal
    assert not book._by_assistant


def test_a_principal_has_as_many_as_it_may_in_all_processes_together(ledger: Ledger) -> None:
    limits = SlotLimits(10, per_principal=2, per_assistant=3)
    here, there = (Slots(limits, SharedBook(ledger, place)) for place in (0, 1))
    first, second = here.reserve(ADA, "acme"), there.reserve(ADA, "acme")
    assert refused(here, ADA) == refused(there, ADA) == "429 too_many_sessions"
    assert first.number < second.number
    there.reserve(GRACE, "acme")
    assert refused(here, GRACE) == "503 assistant_full"
    assert here.taken == 1, "the total is that of a process"
    first.release()
    there.reserve(ADA, "acme")


def test_what_a_process_held_that_is_gone_is_free_again(ledger: Ledger) -> None:
    limits = SlotLimits(10, per_principal=1)
    here, there = (Slots(limits, SharedBook(ledger, place)) for place in (0, 1))
    lost = there.reserve(ADA, "acme")
    ledger.forget(1)
    here.reserve(ADA, "acme")
    lost.release()
    assert refused(here, ADA) == "429 too_many_sessions"


def test_a_ledger_that_cannot_be_had_is_a_full_server_and_gets_what_it_is_owed(
    ledger: Ledger, tmp_path: Path
) -> None:
    slots = Slots(SlotLimits(10, per_principal=1), SharedBook(ledger, 0))
    held = slots.reserve(ADA, "acme")
    with sqlite3.connect(tmp_path / NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert refused(slots, GRACE) == "503 full"
        held.release()
        other.execute("ROLLBACK")
    other.close()
    assert refused(slots, ADA) == "429 too_many_sessions"
    ledger.settle()
    slots.reserve(ADA, "acme")


async def call(server: Asking, **options: Any) -> ClientConnection | httpx.Response:
    """Call once; gives the open socket, or the refusal."""
    try:
        socket = await connect(
            f"{server.url}/ws/parrot", additional_headers=bearer(TOKEN), **options
        )
        await socket.recv()
    except websockets.InvalidStatus as refused:
        answer = refused.response
        return httpx.Response(
            answer.status_code, headers=dict(answer.headers), content=bytes(answer.body)
        )
    return socket


async def burst(server: Asking, count: int) -> tuple[list[ClientConnection], list[httpx.Response]]:
    came = await within(asyncio.gather(*(call(server) for _ in range(count))))
    opened = [one for one in came if isinstance(one, ClientConnection)]
    return opened, [one for one in came if isinstance(one, httpx.Response)]


async def test_a_burst_of_150_on_50_slots_gives_50_sessions_and_50_again(
    assistants: Assistants,
) -> None:
    async with asking(assistants, tokens=TOKEN, max_sessions=50) as server:
        for _ in range(2):
            opened, turned_away = await burst(server, 150)
            assert (len(opened), len(turned_away)) == (50, 100)
            assert len(server.server.sessions) == 50
            for answer in turned_away:
                assert (answer.status_code, answer.json()["code"]) == (503, "full")
                assert int(answer.headers["retry-after"]) > 0
            for socket in opened:
                await socket.close()
            await within(server.server.sessions.wait_empty())
            assert server.server.state.slots.taken == 0


async def test_a_principal_with_a_cap_leaves_the_rest_to_others(
    assistants: Assistants, tmp_path: Path
) -> None:
    path = tmp_path / "principals.toml"
    few = added(path, "few", assistants=["*"], max_sessions=1)
    other = added(path, "other", assistants=["*"])
    async with asking(assistants, principals_file=path) as server:
        async with connect(f"{server.url}/ws/parrot", additional_headers=bearer(few)) as socket:
            await within(socket.recv())
            assert await server.code(few) == "429 too_many_sessions"
            async with connect(f"{server.url}/ws/parrot", additional_headers=bearer(other)) as more:
                await within(more.recv())
        await within(server.server.sessions.wait_empty())
        assert await server.enters(few) == "few"


async def test_a_slot_comes_back_however_its_session_ends(assistants: Assistants) -> None:
    options: dict[str, Any] = {"max_sessions": 1, "start_timeout_s": 0.2}
    async with asking(assistants, tokens=TOKEN, **options) as server:
        for name in ("raises", "hangs", "parrot", "quits-in-recipe"):
            address = f"{server.url}/ws/{name}"
            async with connect(address, additional_headers=bearer(TOKEN)) as socket:
                with contextlib.suppress(websockets.ConnectionClosed):
                    if name == "parrot":
                        await socket.close()
                assert await close_code(socket)
            await within(server.server.sessions.wait_empty())
        assert server.server.state.slots.taken == 0
