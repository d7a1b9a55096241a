"""Somebody speaks to the page, and hears the answer."""

import pytest
from playwright.async_api import Browser, expect

from agents.handoff import script as handoff_lines
from tests.agents.hearing import recording
from tests.app.server.identity.asking import Asking
from tests.browser.conftest import http_of
from tests.browser.ears import TAP, hear, listen
from tests.browser.microphone import Microphone
from tests.browser.visit import WAIT_MS, Visit, visiting

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What the greeter may say, as it is spoken.
ANSWERS = (
    "the tornado kit costs one hundred ninety nine dollars",
    "the rocket boots cost two hundred ninety nine dollars",
    "the invisible paint costs forty nine dollars per can",
    "ask me what we sell and what it costs or tell me what is broken",
)


class Speaker:
    """Somebody with a microphone, who speaks by picking it up anew."""

    def __init__(self, visit: Visit, microphone: Microphone) -> None:
        self.visit = visit
        self.microphone = microphone
        self._turns = 0

    async def say(self, text: str, understood: str) -> None:
        """Say something into another one of the machine's microphones, and see some of it shown."""
        self.microphone.will_hear(await recording(text))
        choice = self.visit.page.get_by_role("combobox", name="Microphone")
        await expect(choice).to_be_visible(timeout=WAIT_MS)
        self._turns += 1
        places = await choice.locator("option").count()
        assert places > 1
        await choice.select_option(index=self._turns % places)
        heard = self.visit.page.locator(".entry.heard:not(:has(.partial)) .words")
        await expect(heard.nth(self._turns - 1)).to_contain_text(understood, timeout=WAIT_MS)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_conversation_by_voice(
    browser: Browser, server: Asking, microphone: Microphone
) -> None:
    async with visiting(browser, http_of(server)) as visit:
        await visit.page.add_init_script(TAP)
        microphone.is_silent()
        await visit.open()
        await visit.choose("handoff")
        await visit.talk()
        await visit.sees("this is the greeter of Acme.")
        await visit.sees_status("Listening")
        somebody = Speaker(visit, microphone)

        await listen(visit.page)
        await somebody.say("how much is the tornado kit", "tornado kit")
        await visit.sees("costs $199")
        await hear(visit.page, "tornado kit costs one hundred", ANSWERS)

        await somebody.say("my rocket boots are broken", "broken")
        await visit.sees(handoff_lines.SUPPORT_HERE)
        await expect(visit.page.locator(".entry.handoff")).to_contain_text("Support")
        await expect(visit.page.get_by_role("img", name="Seconds from the end")).to_be_visible()

        # Whoever speaks over an answer is not kept waiting for its end.
        await somebody.say("thank you goodbye", "goodbye")
        await visit.sees_the_end("The conversation ended.")
