"""What administrators are told of the server as a whole."""

from typing import Any

from agents import Assistants
from app.version import __version__
from proxy import CloseCode
from tests.app.server.admin.test_administration import ADMIN, administered, called
from tests.app.server.identity.asking import Asking, bearer
from tests.app.server.test_sessions import close_code
from tests.proxy.conversation import within


async def endings(server: Asking) -> dict[str, Any]:
    answer = await server.client.get("/v1/admin/endings")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_why_sessions_ended_is_told_with_the_time_that_it_covers(
    assistants: Assistants,
) -> None:
    async with administered(assistants) as server:
        before = await endings(server)
        assert (before["minutes"], before["silent_processes"]) == ([], 0)
        sockets = [await called(server) for _ in range(3)]
        await sockets[0].close()
        for session in list(server.server.sessions)[1:]:
            await server.client.delete(f"/v1/admin/sessions/{session.id}")
        for socket in sockets[1:]:
            assert await close_code(socket) == CloseCode.ENDED_BY_OPERATOR
        await within(server.server.sessions.wait_empty())
        after = await endings(server)
        reasons: dict[str, int] = {}
        for minute in after["minutes"]:
            assert minute["minutes_ago"] in (0, 1)
            for reason, count in minute["reasons"].items():
                reasons[reason] = reasons.get(reason, 0) + count
        assert reasons == {"ended": 1, "ended_by_operator": 2}
        assert before["covers_s"] <= after["covers_s"] <= 3600


async def test_an_administrator_is_told_who_it_is_and_how_long_a_drain_takes(
    assistants: Assistants,
) -> None:
    further = {"drain_timeout_s": 2.5, "max_waiting_callers": 7}
    async with administered(assistants, **further) as server:
        answer = await server.client.get("/v1/admin/server")
        assert answer.json() == {
            "version": __version__,
            "administrator": "admin-1",
            "max_waiting_callers": 7,
            "drain_timeout_s": 2.5,
        }
        assert ADMIN not in answer.text
        nobody = await server.client.get("/v1/admin/server", headers=bearer("a-wrong-token"))
        assert nobody.json()["code"] == "wrong_token"
