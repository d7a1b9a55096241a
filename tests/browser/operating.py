"""A browser on the operator's page."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

CHROMIUM = "/usr/bin/chromium"
# The browser's own requests would look like the page's; it has no sandbox where it is root.
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DESKTOP, PHONE = (1440, 900), (390, 844)
# A busy machine is slow; a page that shows nothing would never show it.
TIMEOUT_MS = 20_000

Scheme = Literal["light", "dark"]


@contextlib.asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Run a browser while the block runs."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Operator:
    """Somebody who looks at the operator's page.

    Attributes:
        page: The page.
        base: The server's address.
        asked: Where every request of the page went.
        faults: What the browser complained of: scripts that failed, and what the policy refused.
    """

    page: Page
    base: str
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def complained(self, message: ConsoleMessage) -> None:
        """Note what the browser complains of."""
        if message.type == "error":
            self.faults.append(message.text)

    async def enter(self, token: str) -> None:
        """Show a token at the door."""
        await self.page.get_by_label("token").fill(token)
        await self.page.get_by_role("button", name="Open").click()

    def row(self, session_id: str) -> Any:
        """Find the line of a session."""
        return self.page.get_by_role("row").filter(has_text=session_id[:8])

    def button(self, name: str) -> Any:
        """Find a button by its name."""
        return self.page.get_by_role("button", name=name)

    async def is_heard_of(self, words: str) -> None:
        """Wait until the page says something, wherever on it."""
        await self.page.get_by_text(words).first.wait_for()


@contextlib.asynccontextmanager
async def operator(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Scheme = "light",
) -> AsyncIterator[Operator]:
    """Open the operator's page of a server in a tab of its own.

    Args:
        browser: The browser.
        url: The server's address for WebSockets.
        size: The window's width and height.
        scheme: What the machine prefers.
    """
    base = url.replace("ws://", "http://")
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        device_scale_factor=1,
        reduced_motion="reduce",
    )
    context.set_default_timeout(TIMEOUT_MS)
    page = await context.new_page()
    shown = Operator(page, base)

    page.on("request", lambda request: shown.asked.append(request.url))
    page.on("pageerror", lambda error: shown.faults.append(str(error)))
    page.on("console", shown.complained)
    try:
        await page.goto(f"{base}/operator")
        yield shown
    finally:
        await context.close()
