"""Somebody at the operator's page."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Browser, Locator, expect

from tests.browser.visit import Visit, visiting

# The page looks every two seconds, and a machine with much else to do takes its time.
SEE_MS = 30_000


class Operator:
    """Somebody at the operator's page.

    Attributes:
        visit: The page that is open.
        page: Playwright's.
    """

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.page = visit.page

    async def enter(self, token: str) -> None:
        """Show a token at the door."""
        await self.page.get_by_label("token").fill(token)
        await self.button("Open").click()

    def button(self, name: str) -> Locator:
        """Find a button by how its name begins."""
        return self.page.get_by_role("button", name=name)

    def row(self, session_id: str) -> Locator:
        """Find the line of a session."""
        return self.page.get_by_role("row").filter(has_text=session_id[:8])

    def cell(self, session_id: str, column: str) -> Locator:
        """Find what is said of a session in one column."""
        return self.row(session_id).locator(f"[data-label='{column}']")

    @property
    def question(self) -> Locator:
        """What is asked before something is done."""
        return self.page.get_by_role("dialog")

    async def sees(self, words: str) -> None:
        """Wait until the page says something, wherever on it."""
        await expect(self.page.locator("#page")).to_contain_text(words, timeout=SEE_MS)


@contextlib.asynccontextmanager
async def operating(browser: Browser, url: str, **options: Any) -> AsyncIterator[Operator]:
    """Open the operator's page of a server in a tab of its own.

    Args:
        browser: The browser.
        url: The server's address for WebSockets.
        **options: As those of `visiting`.
    """
    async with visiting(browser, url.replace("ws://", "http://"), **options) as visit:
        await visit.open("/operator")
        yield Operator(visit)
        # That a server refuses or is gone is what some come for; what the policy refused is not.
        answers = "Failed to load resource"
        visit.complaints = [one for one in visit.complaints if not one.startswith(answers)]
