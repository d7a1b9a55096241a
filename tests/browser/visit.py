"""A person at the page: what they do, and what they see."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"

# A machine with much else to do takes its time, above all to load a recogniser.
WAIT_MS = 120_000

Scheme = Literal["light", "dark"]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}


class Visit:
    """A page that is open.

    Attributes:
        page: Playwright's.
        strays: Addresses elsewhere that the page asked for.
        complaints: What the browser had to say: errors, and what its policy refused.
    """

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.strays: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._logged)

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.base).netloc:
            self.strays.append(url)

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} {message.location}")

    async def open(self, path: str = "/") -> None:
        await self.page.goto(f"{self.base}{path}")

    @property
    def conversation(self) -> Locator:
        return self.page.locator(".timeline")

    async def choose(self, assistant: str) -> None:
        await self.page.locator(f".card:has(input[value='{assistant}'])").click()

    async def talk(self) -> None:
        await self.page.get_by_role("button", name="Talk to").click()

    async def type_instead(self) -> None:
        await self.page.get_by_role("button", name="Type instead").click()

    async def call(self, assistant: str) -> None:
        """Call an assistant without a microphone, and wait until it is there."""
        await self.open()
        await self.choose(assistant)
        await self.type_instead()
        await expect(self.writing).to_be_enabled(timeout=WAIT_MS)

    @property
    def writing(self) -> Locator:
        return self.page.get_by_label("Write to the assistant")

    async def write(self, text: str) -> None:
        await self.writing.fill(text)
        await self.writing.press("Enter")

    async def sees(self, words: str) -> None:
        await expect(self.conversation).to_contain_text(words, timeout=WAIT_MS)

    async def sees_status(self, words: str) -> None:
        await expect(self.page.locator(".top .status")).to_have_text(words, timeout=WAIT_MS)

    async def sees_the_end(self, reason: str) -> None:
        await self.sees_status("Ended")
        await expect(self.page.locator(".talk > .ended")).to_contain_text(reason)

    async def by(self, scheme: Scheme) -> None:
        """See the page by day or by night."""
        await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        # Drawn twice, all of it has the new colours.
        frame = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
        await self.page.evaluate(frame)

    async def faults(self) -> list[str]:
        """Return what a person with a disability could not use here, as axe finds it."""
        if not await self.page.evaluate("typeof window.axe === 'object'"):
            await self.page.evaluate(AXE.read_text())
        found: Any = await self.page.evaluate("window.axe.run(document)")
        return [
            f"{fault['id']}: {json.dumps(node['target'])} {node['failureSummary']}"
            for fault in found["violations"]
            if fault["impact"] in {"serious", "critical"}
            for node in fault["nodes"]
        ]


@contextlib.asynccontextmanager
async def visiting(browser: Browser, base: str, **options: Any) -> AsyncIterator[Visit]:
    """Open a page, and make sure at the end that it has asked nobody else and broken no rule."""
    options = {"viewport": DESKTOP, "reduced_motion": "reduce", **options}
    context = await browser.new_context(**options)
    try:
        visit = Visit(await context.new_page(), base)
        yield visit
        assert visit.strays == [], visit.strays
        assert visit.complaints == [], visit.complaints
    finally:
        await context.close()
