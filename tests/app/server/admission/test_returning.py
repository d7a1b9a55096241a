"""Connections that say they come back, and no more: bounded, as they take no slot."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest

from app.server.admission import Returning, SlotLimits
from app.server.identity import Principal
from app.server.refusal import TurnedAwayError
from proxy import CloseCode
from proxy.wire import SESSION_HEADER
from tests.app.server.test_door import refusal
from tests.app.server.test_resume_sessions import HELLO, bearer, greeting, serving
from tests.app.server.test_sessions import close_code

SILENT = {SESSION_HEADER: "x"}


async def test_those_who_say_no_more_than_that_they_come_back_are_bounded() -> None:
    async with serving(max_sessions_per_principal=2) as (url, server), AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(greeting(url, None, **SILENT))
        answer = await refusal(f"{url}/ws/parrot", {**bearer(), **SILENT})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_returning")
        assert answer.headers["retry-after"] == "1"
        assert server.state.refusals["too_many_returning"] == 1
        # Whoever goes makes room, and so does whoever says hello.
        await stack.aclose()
        for _ in range(600):
            if not server.state.returning._total:
                break
            await asyncio.sleep(0.05)
        hello = msgspec.structs.replace(HELLO, session="x")
        async with greeting(url, hello, **SILENT) as socket:
            assert await close_code(socket) == CloseCode.SESSION_GONE
        assert not server.state.returning._total
        assert not server.state.returning._by_principal


def test_all_principals_together_are_bounded_too() -> None:
    returning = Returning(SlotLimits(1))
    leave = [returning.enter(Principal(name, None)) for name in ("ada", "grace")]
    with pytest.raises(TurnedAwayError) as turned_away:
        returning.enter(Principal("edsger", None))
    assert turned_away.value.refusal.status == 503
    leave[0]()
    returning.enter(Principal("edsger", None))
