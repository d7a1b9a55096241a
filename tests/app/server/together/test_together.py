"""Several processes answer, count and refuse as one server does."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as families
from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection, connect

from app.processes.condition import Condition, Conditions, ProcessState, Workload
from app.server.serving import SessionServer
from app.server.together import peers
from proxy import CloseCode
from proxy.wire import SUBPROTOCOL, encode
from tests.app.server.identity.asking import bearer
from tests.app.server.test_door import refusal
from tests.app.server.test_resume_sessions import HELLO, welcome
from tests.app.server.test_sessions import close_code, ready
from tests.app.server.together.pair import ADMIN, OTHERS_TOKEN, TOKEN, Pair, two_processes
from tests.app.telemetry.served import OPEN_METRICS, value
from tests.proxy.conversation import within


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with two_processes() as pair:
        yield pair


async def called(pair: Pair, to: int, token: str = TOKEN) -> ClientConnection:
    pair.to = to
    socket = await connect(f"{pair.url}/ws/parrot", additional_headers=bearer(token))
    await ready(socket)
    return socket


async def refused(pair: Pair, to: int, token: str = TOKEN) -> str:
    pair.to = to
    answer = await refusal(f"{pair.url}/ws/parrot", bearer(token))
    return f"{answer.status_code} {answer.json()['code']}"


async def hung_up(sockets: list[ClientConnection]) -> None:
    await asyncio.gather(*(socket.close() for socket in sockets))


async def test_whichever_process_is_asked_lists_the_sessions_of_all(pair: Pair) -> None:
    sockets = [await called(pair, to) for to in (1, 0, 0, 1, 0)]
    for to in (0, 1):
        page = (await pair.ask(to, "/v1/admin/sessions")).json()
        assert (page["total"], page["next"], page["silent_processes"]) == (5, None, 0)
        order = [session["id"][-2:] for session in page["sessions"]]
        assert order == ["01", "00", "00", "01", "00"], "the oldest first"
    everybody = [session["id"] for session in page["sessions"]]
    shown: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    for to in (0, 1, 0):
        page = (await pair.ask(to, "/v1/admin/sessions", params=query)).json()
        shown += [session["id"] for session in page["sessions"]]
        query["cursor"] = page["next"]
    assert (shown, page["next"]) == (everybody, None)
    for to in (0, 1):
        found = await pair.ask(to, f"/v1/admin/sessions/{everybody[0][:8]}")
        assert found.json()["id"] == everybody[0]
    await hung_up(sockets)
    await pair.emptied()


async def test_whichever_process_is_asked_ends_the_sessions_of_all(pair: Pair) -> None:
    sockets = [await called(pair, to) for to in (0, 1)]
    other = await called(pair, 1, OTHERS_TOKEN)
    whose = {"principal": "token-1"}
    answer = await pair.ask(0, "/v1/admin/sessions", method="DELETE", params=whose)
    assert answer.json() == {"ended": 2, "silent_processes": 0}
    for socket_ in sockets:
        assert await close_code(socket_) == CloseCode.ENDED_BY_OPERATOR
    await within(pair.servers[0].sessions.wait_empty())
    page = (await pair.ask(0, "/v1/admin/sessions")).json()
    assert [session["principal"] for session in page["sessions"]] == ["token-2"]
    missing = await pair.ask(0, f"/v1/admin/sessions/{32 * '0'}", method="DELETE")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_session")
    await hung_up([other])
    await pair.emptied()


async def test_nobody_administers_a_process_by_way_of_another(pair: Pair) -> None:
    for to in (0, 1):
        assert (await pair.ask(to, "/v1/admin/sessions", token=TOKEN)).status_code == 403
        assert (await pair.ask(to, "/resume")).status_code == 404
        assert (await pair.ask(to, "/count")).status_code == 404


async def test_a_process_that_does_not_answer_is_counted_and_not_waited_for(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "ASK_TIMEOUT_S", 0.3)
    member = pair.memberships[0]
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(member.socket_path(7)))
        deaf.listen()
        member.conditions.say(7, ProcessState.READY, Workload())
        page = (await pair.ask(0, "/v1/admin/sessions")).json()
        assert page["silent_processes"] == 1
        answer = await pair.ask(1, f"/v1/admin/sessions/{32 * '0'}")
        assert (answer.status_code, answer.json()["code"]) == (503, "process_silent")
        assert (await pair.ask(1, "/metrics")).status_code == 200
    member.socket_path(7).unlink()
    page = (await pair.ask(0, "/v1/admin/sessions")).json()
    assert page["silent_processes"] == 0, "one that has ended has nothing to say"


async def test_a_scrape_of_one_shows_the_metrics_of_all(pair: Pair) -> None:
    sockets = [await called(pair, to) for to in (0, 0, 1)]
    for to in (0, 1):
        text = (await pair.ask(to, "/metrics")).text
        found = {family.name: family for family in families(text)}
        for place, count in (("0", 2), ("1", 1)):
            assert value(found, "trunkline_sessions", process=place) == count
            assert value(found, "trunkline_sessions_started_total", process=place) == count
            assert value(found, "process_resident_memory_bytes", process=place) > 0
        assert value(found, "trunkline_processes", state="ready") == 2
        assert len(found) == text.count("# TYPE")
    answer = await pair.ask(0, "/metrics", headers={**bearer(ADMIN), "accept": OPEN_METRICS})
    assert {family.name for family in open_metrics(answer.text)} >= {"trunkline_sessions"}
    await hung_up(sockets)
    await pair.emptied()


async def test_a_ticket_of_one_process_is_good_in_another_once(pair: Pair) -> None:
    wanted = {"assistant": "parrot"}
    answer = await pair.ask(0, "/v1/sessions", method="POST", token=TOKEN, json=wanted)
    pair.to = 1
    async with connect(answer.json()["url"]) as socket_:
        await ready(socket_)
        (session,) = pair.servers[1].sessions
        assert session.caller.principal == "token-1"
    for pair.to in (0, 1):
        again = await refusal(answer.json()["url"])
        assert again.json()["code"] == "wrong_ticket"
    await pair.emptied()


async def test_wrong_tokens_are_counted_in_all_processes_together() -> None:
    async with two_processes(wrong_tokens_per_minute=4) as pair:
        for to in (0, 1, 0, 1):
            assert await refused(pair, to, "a-wrong-token") == "403 wrong_token"
        for to in (0, 1):
            assert await refused(pair, to, "a-wrong-token") == "429 too_many_wrong_tokens"


async def test_a_principal_has_as_many_as_it_may_in_all_together() -> None:
    async with two_processes(max_sessions_per_principal=2) as pair:
        sockets = [await called(pair, to) for to in (0, 1)]
        for to in (0, 1):
            assert await refused(pair, to) == "429 too_many_sessions"
        await hung_up(sockets[:1])
        await within(pair.servers[0].sessions.wait_empty())
        # One that drains counts no more: its callers come to the other one.
        pair.servers[1].stop()
        assert await close_code(sockets[1]) == CloseCode.GOING_AWAY
        sockets = [await called(pair, 0) for _ in range(2)]
        await hung_up(sockets)
        await pair.emptied()


async def test_a_server_is_ready_while_one_of_its_processes_is(pair: Pair) -> None:
    assert await readiness(pair) == (200, "ready", {"0": "ready", "1": "ready"})
    pair.servers[0].stop()
    await within(pair.servers[0].stopped.wait())
    states = {"0": "draining", "1": "ready"}
    assert await readiness(pair) == (200, "ready", states)
    page = (await pair.ask(1, "/v1/admin/sessions")).json()
    assert page["draining"] is False
    pair.memberships[1].ledger.drain()
    assert await readiness(pair) == (503, "draining", states)
    assert (await pair.ask(1, "/v1/admin/sessions")).json()["draining"] is True


async def test_who_asks_a_process_that_ends_is_led_to_one_that_stays(pair: Pair) -> None:
    base = pair.url.replace("ws://", "http://")
    async with httpx.AsyncClient(base_url=base, headers=bearer(TOKEN)) as client:
        wanted = {"assistant": "parrot"}
        assert (await client.post("/v1/sessions", json=wanted)).status_code == 201
        pair.to = 1
        # Another process does not matter to a connection that is kept.
        assert (await client.post("/v1/sessions", json=wanted)).status_code == 201
        assert [one.server_state.total_requests for one in pair.servers][1:] == [0]
        pair.servers[0].stop()
        await within(pair.servers[0].stopped.wait())
        assert (await client.post("/v1/sessions", json=wanted)).status_code == 201
        assert [one.server_state.total_requests for one in pair.servers][1:] == [1]


async def test_a_connection_counts_until_it_is_over_or_a_session_has_it(pair: Pair) -> None:
    server = pair.servers[0]
    sockets = [await called(pair, 0) for _ in range(3)]
    assert (server.unsettled, len(server.sessions)) == (0, 3)
    ours, theirs = socket.socketpair()
    server.take(theirs)
    assert server.unsettled == 1, "nothing was done for it yet"
    ours.close()
    await within(settled(server))
    base = pair.url.replace("ws://", "http://")
    async with httpx.AsyncClient(base_url=base) as client:
        assert (await client.get("/livez")).status_code == 200
        assert server.unsettled == 1, "it is kept, and may become a session"
    await within(settled(server))
    await hung_up(sockets)
    await pair.emptied()


async def settled(server: SessionServer) -> None:
    while server.unsettled:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.01)


async def readiness(pair: Pair) -> tuple[int, str, dict[str, str]]:
    answer = await pair.ask(1, "/readyz")
    said = answer.json()
    return answer.status_code, said["status"], said["processes"]


async def test_a_process_that_says_nothing_for_too_long_stands_still(pair: Pair) -> None:
    now = [100.0]
    conditions = Conditions(pair.memberships[0].ledger, 2.0, lambda: now[0])
    work = Workload(3, 9, 12, 1)
    conditions.say(5, ProcessState.READY, work)
    assert conditions.of_all()[5] == Condition(5, ProcessState.READY, work, 0.0)
    now[0] = 102.0
    assert conditions.of_all()[5].state is ProcessState.STALLED
    conditions.say(5, ProcessState.READY, work)
    assert conditions.of_all()[5].state is ProcessState.READY


async def test_a_slot_that_one_process_gives_back_reaches_who_waits_in_another() -> None:
    options = {"max_sessions_per_assistant": 1, "max_waiting_callers": 5}
    async with two_processes(**options) as pair:
        holding = await called(pair, 0)
        pair.to = 1
        waits = {**bearer(TOKEN), "Trunkline-Wait": "1"}
        async with connect(
            f"{pair.url}/ws/parrot",
            additional_headers=waits,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
        ) as waiting:
            await waiting.send(encode(HELLO))
            await within(waiting.recv())
            assert len(pair.servers[1].state.room) == 1
            assert pair.servers[1].unsettled == 1
            await holding.close()
            assert (await welcome(waiting)).session
        await pair.emptied()
