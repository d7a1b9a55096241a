"""Every assistant, typed to from the page, without a microphone."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Browser, expect

from agents import discover
from agents.acme import script as acme_lines
from agents.debate import ROLES
from agents.handoff import script as handoff_lines
from tests.app.server.identity.asking import Asking
from tests.browser.assistants import ANSWER, MARKUP
from tests.browser.conftest import http_of
from tests.browser.visit import WAIT_MS, Visit, visiting

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("deaf")]


async def acme(visit: Visit) -> None:
    await visit.sees(acme_lines.GREETING.split(".")[0])
    await visit.write("how much are the rocket boots?")
    await visit.sees("cost $299")
    await expect(visit.page.get_by_role("img", name="Seconds from the end")).to_be_visible()


async def handoff(visit: Visit) -> None:
    await visit.write("my rocket boots do not start")
    await visit.sees(handoff_lines.SUPPORT_HERE)
    shown = visit.page.locator(".entry.handoff")
    await expect(shown).to_have_text("Greeterhands over to Support")
    await expect(visit.page.locator(".top .active")).to_have_text("Support")
    await expect(visit.page.locator(".chip code").first).to_have_text("transfer_to_support")


async def debate(visit: Visit) -> None:
    await visit.write("debate whether cats are better than dogs")
    done = visit.page.locator(".job.completed")
    await expect(done).to_have_count(len(ROLES), timeout=WAIT_MS)
    assert {await done.nth(place).locator(".job-task").inner_text() for place in range(3)} == {
        role.capitalize() for role in ROLES
    }
    tops = await done.evaluate_all("jobs => jobs.map((job) => job.getBoundingClientRect().top)")
    assert len(set(tops)) == 1, "they are not side by side"


async def sensor(visit: Visit) -> None:
    await visit.write("set it to twenty five degrees")
    await visit.sees("The target is now 25.0 degrees.")
    chart = visit.page.get_by_role("img", name="the target 25.0")
    await expect(chart).to_be_visible(timeout=WAIT_MS)


async def code(visit: Visit) -> None:
    await visit.write("what does the main module do?")
    await visit.sees("The main module is app/cli/__init__.py.")


TYPED: dict[str, Callable[[Visit], Awaitable[None]]] = {
    "acme": acme,
    "code": code,
    "debate": debate,
    "handoff": handoff,
    "handoff-voices": handoff,
    "sensor": sensor,
}


async def test_every_assistant_is_typed_to() -> None:
    assert set(TYPED) == set(discover())


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TYPED)
async def test_a_typed_conversation(name: str, visit: Visit) -> None:
    await visit.call(name)
    await TYPED[name](visit)
    await visit.write("thank you goodbye")
    await visit.sees_the_end("The conversation ended.")
    await expect(visit.page.get_by_role("button", name="Call again")).to_be_focused()


async def test_tags_that_an_assistant_says_are_shown_and_not_obeyed(visit: Visit) -> None:
    await visit.open()
    await expect(visit.page.get_by_text("<i>Speaks</i> in tags.")).to_be_visible()
    await visit.call("rude")
    await visit.write("<b>hello</b>")
    await visit.sees("<b>hello</b>")
    await visit.sees(MARKUP)
    await visit.sees(ANSWER)
    assert await visit.page.locator("img, .words b").count() == 0
    assert await visit.page.title() == "Trunkline"


async def test_nobody_asks_for_a_microphone_that_is_not_wanted(
    browser: Browser, server: Asking
) -> None:
    async with visiting(browser, http_of(server)) as visit:
        await visit.page.add_init_script(
            "navigator.mediaDevices.getUserMedia = () => { window.asked = true; };"
        )
        await visit.call("acme")
        await visit.write("how much are the rocket boots?")
        await visit.sees("cost $299")
        assert await visit.page.evaluate("window.asked") is None
        await visit.page.get_by_role("button", name="End", exact=True).click()
        await visit.sees_the_end("You hung up.")
