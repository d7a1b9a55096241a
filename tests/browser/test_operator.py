"""The operator's page, of a real server with real callers."""

import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from pipecat.workers.base_worker import BaseWorker
from playwright.async_api import Browser, expect

from agents import Assistants, Recipe, SessionContext, assistant
from proxy import CloseCode
from tests.app.server.admin.test_administration import ADMIN, OTHER, called
from tests.app.server.conftest import TOKEN
from tests.app.server.identity.asking import Asking, asking
from tests.app.server.identity.issuer import AUDIENCE, ISSUER, SECRET, signed
from tests.app.server.recipes import parrot
from tests.app.server.test_sessions import close_code, hear_words, say
from tests.browser.assistants import MARKUP
from tests.browser.operating import SEE_MS, Operator, operating
from tests.browser.visit import PHONE
from tests.proxy.conversation import within

pytestmark = pytest.mark.asyncio(loop_scope="session")


@assistant("tagged", exports=("assistant",), description="Has a task whose name is markup.")
def tagged(session: SessionContext) -> Sequence[BaseWorker]:
    return [*parrot.build(session), BaseWorker(MARKUP)]  # type: ignore[misc]


RECIPES: tuple[Recipe, ...] = (parrot, tagged)


@contextlib.asynccontextmanager
async def administered(**further: Any) -> AsyncIterator[Asking]:
    tokens = {"tokens": f"{TOKEN},{OTHER}", "admin_tokens": ADMIN}
    async with asking(Assistants(RECIPES), **tokens, **further) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asking]:
    key: Path = tmp_path_factory.mktemp("issuer") / "key"
    key.write_bytes(SECRET)
    issuer = {"jwt_key_file": key, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    async with administered(**issuer) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def operator(browser: Browser, server: Asking) -> AsyncIterator[Operator]:
    async with operating(browser, server.url) as opened:
        yield opened
    for session in server.server.sessions:  # of a test that failed
        session.end(CloseCode.GOING_AWAY)
    await within(server.server.sessions.wait_empty())


def ids(server: Asking) -> list[str]:
    return [session.id for session in server.server.sessions]


async def test_a_session_is_shown_with_its_figures_and_goes(
    operator: Operator, server: Asking
) -> None:
    await operator.enter(ADMIN)
    await operator.sees("Nobody is talking to this server.")
    socket = await called(server)
    (one,) = ids(server)
    await expect(operator.row(one)).to_be_visible(timeout=SEE_MS)
    for column, words in (("State", "ready"), ("Assistant", "parrot"), ("Principal", "token-1")):
        await expect(operator.cell(one, column)).to_have_text(words)
    await expect(operator.cell(one, "Active task")).to_have_text("assistant")
    await say(socket, "xylophone quokka")
    await hear_words(socket, 2)
    a_number = re.compile(r"^(\d+\.\d|< 0\.1)$")
    for column in ("In msg/s", "Out msg/s"):
        await expect(operator.cell(one, column)).to_have_text(a_number, timeout=SEE_MS)
    await expect(operator.page.locator(".tile").first).to_contain_text("1 of 1,000")
    await operator.button(one[:8]).first.click()
    await expect(operator.page.locator(".facts")).to_contain_text(one)
    for word in ("xylophone", "quokka", TOKEN, ADMIN):
        assert word not in await operator.page.content()
    await socket.close()
    await operator.sees("Nobody is talking to this server.")
    await expect(operator.page.locator(".reasons")).to_contain_text("ended", timeout=SEE_MS)


async def test_one_session_is_ended_once_that_was_confirmed(
    operator: Operator, server: Asking
) -> None:
    first, second = await called(server), await called(server)
    one, other = ids(server)
    await operator.enter(ADMIN)
    ending = operator.button(f"End session {one[:8]}")
    await ending.focus(timeout=SEE_MS)
    await operator.page.keyboard.press("Enter")
    await expect(operator.question).to_contain_text("The call of token-1 with parrot ends at once.")
    await expect(operator.button("Cancel")).to_be_focused()
    await operator.page.keyboard.press("Escape")
    await expect(operator.question).to_be_hidden()
    await expect(ending).to_be_focused()
    assert ids(server) == [one, other], "nothing is done before it was confirmed"
    assert all(session.ending_with is None for session in server.server.sessions)
    await ending.click()
    await operator.question.get_by_role("button", name="End session").click()
    assert await close_code(first) == CloseCode.ENDED_BY_OPERATOR
    await operator.sees(f"Session {one[:8]} was told to end.")
    await expect(operator.row(one)).to_have_count(0, timeout=SEE_MS)
    await expect(operator.row(other)).to_be_visible()
    assert ids(server) == [other]
    await second.close()


async def test_every_session_of_a_principal_is_ended_and_nobody_elses(
    operator: Operator, server: Asking
) -> None:
    theirs = [await called(server, token=OTHER) for _ in range(2)]
    mine = await called(server)
    *_, own = ids(server)
    await operator.enter(ADMIN)
    await operator.page.get_by_role("button", name="token-2").first.click(timeout=SEE_MS)
    await expect(operator.row(own)).to_have_count(0, timeout=SEE_MS)
    await expect(operator.page.get_by_label("Principal")).to_have_value("token-2")
    await operator.button("End all of token-2").click()
    await expect(operator.question).to_contain_text("2 sessions end at once")
    assert len(ids(server)) == 3
    await operator.question.get_by_role("button", name="End 2 sessions").click()
    assert {await close_code(socket) for socket in theirs} == {CloseCode.ENDED_BY_OPERATOR}
    await operator.sees("2 sessions of token-2 were told to end.")
    await operator.sees("No session matches.")
    await operator.button("Clear").click()
    await expect(operator.row(own)).to_be_visible(timeout=SEE_MS)
    await say(mine, "still here")
    assert await hear_words(mine, 2) == ["still", "here"]
    await mine.close()


async def test_sessions_are_filtered_and_sorted(operator: Operator, server: Asking) -> None:
    sockets = [await called(server), await called(server, "tagged", OTHER)]
    parrots, other = ids(server)
    await operator.enter(ADMIN)
    principals = operator.page.locator("tbody [data-label='Principal']")
    await expect(principals).to_have_text(["token-1", "token-2"], timeout=SEE_MS)
    head = operator.page.get_by_role("columnheader", name="Principal")
    for way, order in (
        ("ascending", ["token-1", "token-2"]),
        ("descending", ["token-2", "token-1"]),
    ):
        await head.get_by_role("button").press("Enter")
        await expect(head).to_have_attribute("aria-sort", way)
        await expect(principals).to_have_text(order)
    await operator.page.get_by_label("Assistant").select_option("parrot")
    await expect(operator.row(other)).to_have_count(0, timeout=SEE_MS)
    await expect(operator.row(parrots)).to_be_visible()
    await operator.page.get_by_label("State").select_option("detached")
    await operator.sees("No session matches.")
    for socket in sockets:
        await socket.close()


async def test_names_that_are_markup_are_shown_and_not_obeyed(
    operator: Operator, server: Asking
) -> None:
    token = signed(SECRET, "HS256", None, sub=MARKUP, trunkline_assistants="*")
    socket = await called(server, "tagged", token)
    (one,) = ids(server)
    await operator.enter(ADMIN)
    await expect(operator.cell(one, "Principal")).to_have_text(f"jwt:{MARKUP}", timeout=SEE_MS)
    await expect(operator.cell(one, "Active task")).to_contain_text(MARKUP)
    await operator.cell(one, "Principal").get_by_role("button").click()
    await operator.button("End all of").click()
    await expect(operator.question).to_contain_text(f"End every session of jwt:{MARKUP}?")
    await operator.question.get_by_role("button", name="End 1 session").click()
    await operator.sees(f"1 session of jwt:{MARKUP} was told to end.")
    assert await close_code(socket) == CloseCode.ENDED_BY_OPERATOR
    assert await operator.page.locator("img").count() == 0
    assert await operator.page.title() == "Operator · Trunkline"


async def test_a_caller_is_told_that_it_has_no_rights_and_sees_nothing(
    browser: Browser, server: Asking
) -> None:
    socket = await called(server)
    (one,) = ids(server)
    async with operating(browser, server.url) as operator:
        asked: list[str] = []
        operator.page.on("request", lambda request: asked.append(request.url))
        for token, words in ((TOKEN, "403 not_admin"), ("a-wrong-token", "403 wrong_token")):
            await operator.enter(token)
            await expect(operator.page.get_by_role("alert")).to_contain_text(words, timeout=SEE_MS)
            assert await operator.page.evaluate("sessionStorage.length") == 0
            assert token not in operator.page.url
        content = await operator.page.content()
        for shown in (one[:8], "parrot", "token-1"):
            assert shown not in content
        paths = {urlsplit(url).path for url in asked if "/assets/" not in url}
        assert paths == {"/v1/admin/sessions"}, "who may see nothing is not asked about the rest"
        assert TOKEN not in "".join(asked)
    await socket.close()
    await within(server.server.sessions.wait_empty())


async def test_a_token_is_kept_for_the_tab_and_forgotten_by_signing_out(
    operator: Operator,
) -> None:
    await operator.enter(ADMIN)
    await operator.sees("signed in as admin-1")
    await operator.page.reload()
    await operator.sees("signed in as admin-1")
    await operator.button("Sign out").click()
    await expect(operator.page.get_by_label("token")).to_be_focused()
    await operator.page.reload()
    await expect(operator.page.get_by_label("token")).to_be_visible()
    assert await operator.page.evaluate("sessionStorage.length + localStorage.length") == 0


async def test_the_server_is_drained_once_that_was_confirmed(browser: Browser) -> None:
    async with administered() as server, operating(browser, server.url) as operator:
        socket = await called(server)
        await operator.enter(ADMIN)
        await operator.sees("1 session")
        await operator.button("Drain…").click()
        await expect(operator.question).to_contain_text("1 session ends")
        await expect(operator.question).to_contain_text("within 8 s")
        await operator.button("Cancel").click()
        await expect(operator.question).to_be_hidden()
        assert not server.server.sessions.draining
        await operator.button("Drain…").click()
        await operator.button("Drain and stop").click()
        assert await close_code(socket) == CloseCode.GOING_AWAY
        await within(server.server.stopped.wait())
        await operator.sees("Not answering")


async def test_a_server_that_goes_away_is_said_to_be_gone_and_its_figures_old(
    browser: Browser,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        started = await stack.enter_async_context(contextlib.AsyncExitStack())
        server = await started.enter_async_context(administered())
        operator = await stack.enter_async_context(operating(browser, server.url))
        await operator.enter(ADMIN)
        await operator.sees("Nobody is talking to this server.")
        await started.aclose()
        await operator.sees("What is shown is how it was.")
        await expect(operator.button("Drain…")).to_be_disabled()


async def test_nobody_is_kept_out_by_a_disability(
    operator: Operator, server: Asking, browser: Browser
) -> None:
    socket = await called(server)
    (one,) = ids(server)
    await operator.enter(ADMIN)
    await operator.button(one[:8]).first.click(timeout=SEE_MS)
    assert await operator.visit.faults() == []
    await operator.button(f"End session {one[:8]}").click()
    assert await operator.visit.faults() == []
    async with operating(browser, server.url, viewport=PHONE, color_scheme="dark") as phone:
        assert await phone.visit.faults() == []
        await phone.enter(ADMIN)
        await expect(phone.row(one)).to_be_visible(timeout=SEE_MS)
        assert await phone.visit.faults() == []
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await phone.page.evaluate(overflow) == 0, "nobody scrolls sideways"
    await socket.close()
