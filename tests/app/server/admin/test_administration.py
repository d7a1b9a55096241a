"""What administrators see and do, and that nobody else does."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from loguru import logger
from websockets.asyncio.client import ClientConnection, connect

from agents import Assistants
from app.server import create_app
from app.server.admin.routes import router
from app.server.states import SessionState
from app.settings import Settings
from proxy import CloseCode
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, asking, bearer
from tests.app.server.test_sessions import close_code, hear_words, opened, ready, say
from tests.proxy.conversation import within

ADMIN, OTHER = "an-admin-of-the-tests", "another-token-of-the-tests"


@contextlib.asynccontextmanager
async def administered(assistants: Assistants, **further: Any) -> AsyncIterator[Asking]:
    tokens = f"{TOKEN},{OTHER}"
    async with asking(assistants, tokens=tokens, admin_tokens=ADMIN, **further) as server:
        server.client.headers.update(bearer(ADMIN))
        yield server


async def page(server: Asking, **filters: Any) -> dict[str, Any]:
    answer = await server.client.get("/v1/admin/sessions", params=filters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ids(server: Asking, **filters: Any) -> list[str]:
    return [session["id"] for session in (await page(server, **filters))["sessions"]]


async def called(server: Asking, assistant: str = "parrot", token: str = TOKEN) -> ClientConnection:
    socket = await connect(f"{server.url}/ws/{assistant}", additional_headers=bearer(token))
    await ready(socket)
    return socket


async def test_a_session_is_shown_with_what_it_does_and_without_what_is_said(
    assistants: Assistants,
) -> None:
    async with administered(assistants) as server, opened(server.url, "parrot") as socket:
        await ready(socket)
        await say(socket, "xylophone quokka")
        await hear_words(socket, 2)
        (session,) = server.server.sessions
        answer = await server.client.get(f"/v1/admin/sessions/{session.id}")
        shown = answer.json()
        assert (shown["id"], shown["state"]) == (session.id, "ready")
        assert (shown["assistant"], shown["principal"]) == ("parrot", "token-1")
        assert shown["active_tasks"] == ["assistant"]
        assert shown["received"]["messages"] == 2
        assert shown["sent"]["messages"] >= 2
        assert shown["sent"]["size_bytes"] > 0
        assert (shown["resumes"], shown["lost_with"], shown["ending_with"]) == (0, None, None)
        again = await server.client.get(f"/v1/admin/sessions/{session.id[:8]}")
        assert again.json()["id"] == session.id
        for word in ("xylophone", "quokka", TOKEN):
            assert word not in answer.text


async def test_sessions_are_filtered_and_paged(assistants: Assistants) -> None:
    async with administered(assistants) as server:
        parrots = [await called(server) for _ in range(5)]
        others = [await called(server, "sleepy", OTHER) for _ in range(2)]
        everybody = await ids(server)
        assert everybody == [session.id for session in server.server.sessions]
        assert await ids(server, assistant="sleepy") == everybody[5:]
        assert await ids(server, principal="token-1") == everybody[:5]
        assert await ids(server, principal="token-2", assistant="parrot") == []
        ready_ones = await page(server, state="ready")
        assert (ready_ones["total"], ready_ones["draining"]) == (7, False)
        first = await page(server, limit=3)
        assert (first["total"], len(first["sessions"])) == (7, 3)
        # One that was shown and one that was not yet are gone before the next page is asked for.
        await parrots[0].close()
        await others[0].close()
        while len(server.server.sessions) > 5:
            await server.client.get("/livez")
        second = await page(server, limit=3, cursor=first["next"])
        shown = [session["id"] for session in [*first["sessions"], *second["sessions"]]]
        assert shown == [*everybody[:5], everybody[6]]
        assert second["next"] is None
        for socket in [*parrots, *others]:
            await socket.close()


async def test_one_session_is_ended_and_its_caller_is_told(assistants: Assistants) -> None:
    async with administered(assistants) as server:
        one, two = await called(server), await called(server)
        first, second = await ids(server)
        answer = await server.client.delete(f"/v1/admin/sessions/{first}")
        assert (answer.status_code, answer.json()) == (202, {"ended": 1, "silent_processes": 0})
        assert await close_code(one) == CloseCode.ENDED_BY_OPERATOR
        while len(server.server.sessions) > 1:
            await server.client.get("/livez")
        assert await ids(server) == [second]
        gone = await server.client.delete(f"/v1/admin/sessions/{first}")
        assert (gone.status_code, gone.json()["code"]) == (404, "no_session")
        await two.close()


async def test_every_session_of_a_principal_is_ended_and_nobody_elses(
    assistants: Assistants,
) -> None:
    async with administered(assistants) as server:
        theirs = [await called(server, token=OTHER) for _ in range(3)]
        mine = await called(server)
        nobody = await server.client.delete("/v1/admin/sessions", params={"principal": "nobody"})
        assert nobody.json() == {"ended": 0, "silent_processes": 0}
        answer = await server.client.delete("/v1/admin/sessions", params={"principal": "token-2"})
        assert answer.json() == {"ended": 3, "silent_processes": 0}
        assert {await close_code(socket) for socket in theirs} == {CloseCode.ENDED_BY_OPERATOR}
        await say(mine, "still here")
        assert await hear_words(mine, 2) == ["still", "here"]
        everybody = await server.client.delete("/v1/admin/sessions")
        assert everybody.status_code == 422, "nobody ends them all by leaving something out"
        misspelt = await server.client.get("/v1/admin/sessions", params={"principle": "token-2"})
        assert misspelt.status_code == 422, "and nobody gets all who asked for some"
        await mine.close()


async def test_an_id_that_begins_as_several_do_is_ambiguous(
    assistants: Assistants, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with administered(assistants) as server:
        sockets = [await called(server) for _ in range(2)]
        for place, session in enumerate(server.server.sessions):
            session.id = f"abcdef12{place:024}"
        answer = await server.client.get("/v1/admin/sessions/abcdef12")
        assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous")
        for socket in sockets:
            await socket.close()


async def test_a_drain_is_seen_at_once_and_stops_the_server(assistants: Assistants) -> None:
    async with administered(assistants) as server:
        socket = await called(server)
        answer = await server.client.post("/v1/drain")
        assert answer.status_code == 202
        assert answer.json() == {"sessions": 1, "timeout_s": 8.0}
        assert (await server.client.get("/readyz")).status_code == 503
        assert await close_code(socket) == CloseCode.GOING_AWAY
        await within(server.server.stopped.wait())


def admin_routes() -> list[tuple[str, str]]:
    """Every route of the administration, as its router lists them."""
    return [
        (method, route.path.replace("{session_id}", "a" * 32))
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]


def test_whatever_is_called_so_belongs_to_the_administration() -> None:
    described = create_app(Settings(), Assistants([])).openapi()["paths"]
    called_so = {path for path in described if "/admin" in path or "drain" in path}
    assert called_so == {route.path for route in router.routes if isinstance(route, APIRoute)}
    assert len(admin_routes()) == 7


@pytest.mark.parametrize(("method", "path"), admin_routes())
async def test_no_route_of_the_administration_answers_without_its_rights(
    assistants: Assistants, method: str, path: str
) -> None:
    async with administered(assistants) as server, opened(server.url, "parrot") as socket:
        await ready(socket)
        for headers, code in (
            ({}, "no_token"),
            (bearer(TOKEN), "not_admin"),
            (bearer("a-wrong-token"), "wrong_token"),
            ({"Authorization": "Basic YWRtaW46YWRtaW4="}, "no_token"),
        ):
            async with httpx.AsyncClient(base_url=server.client.base_url) as client:
                answer = await client.request(
                    method, path, headers=headers, params={"principal": "token-1"}
                )
            assert answer.status_code == (401 if code == "no_token" else 403)
            assert answer.json()["code"] == code
        assert not server.server.sessions.draining
        (session,) = server.server.sessions
        assert session.state is SessionState.READY
        assert session.ending_with is None


async def test_on_a_server_without_tokens_the_administration_still_takes_one(
    assistants: Assistants,
) -> None:
    async with asking(assistants) as server:
        for headers in ({}, bearer("whatever-it-may-be")):
            answer = await server.client.get("/v1/admin/sessions", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_admin")
    async with asking(assistants, admin_tokens=ADMIN) as server:
        assert (await server.client.get("/v1/admin/sessions")).status_code == 403
        answer = await server.client.get("/v1/admin/sessions", headers=bearer(ADMIN))
        assert answer.status_code == 200
        assert await server.enters_at(f"{server.url}/ws/parrot") == "anonymous"


async def test_a_page_of_another_origin_administers_nothing(assistants: Assistants) -> None:
    options = {"allowed_origins": "https://voice.test"}
    async with administered(assistants, **options) as server:
        headers = {"Origin": "https://evil.test"}
        answer = await server.client.get("/v1/admin/sessions", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_origin")


async def test_what_administrators_do_is_in_the_log(assistants: Assistants) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    async with administered(assistants) as server, opened(server.url, "parrot") as socket:
        await ready(socket)
        (session,) = server.server.sessions
        await server.client.delete(f"/v1/admin/sessions/{session.id}")
        await close_code(socket)
        await server.client.post("/v1/drain")
    logger.remove(sink)
    told = "".join(lines)
    assert "admin-1 ends the session" in told
    assert "admin-1 has the server drained" in told
    assert ADMIN not in told


async def test_who_asks_for_a_state_that_there_is_not_is_told_which_there_are(
    assistants: Assistants,
) -> None:
    async with administered(assistants) as server:
        answer = await server.client.get(
            "/v1/admin/sessions", params={"state": "foo"}, headers=bearer(ADMIN)
        )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    for state in SessionState:
        assert state.value in answer.json()["detail"]
    assert "foo" not in answer.json()["detail"]
