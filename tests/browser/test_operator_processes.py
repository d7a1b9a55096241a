"""The operator's page, of a server of several processes."""

import socket

import pytest
from playwright.async_api import Browser, expect

from app.processes.condition import ProcessState, Workload
from app.server.together import peers
from tests.app.server.together.pair import ADMIN, two_processes
from tests.app.server.together.test_together import called, hung_up
from tests.browser.operating import SEE_MS, operating

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_processes_are_shown_and_one_that_is_silent_is_missed(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "ASK_TIMEOUT_S", 0.3)
    async with two_processes() as pair:
        sockets = [await called(pair, to) for to in (0, 1)]
        async with operating(browser, pair.url) as operator:
            await operator.enter(ADMIN)
            await expect(operator.page.locator("tbody tr")).to_have_count(2, timeout=SEE_MS)
            processes = operator.page.get_by_role("list", name="Processes")
            await expect(processes).to_contain_text("process 0 ready")
            await expect(processes).to_contain_text("process 1 ready")
            member = pair.memberships[0]
            with socket.socket(socket.AF_UNIX) as deaf:
                deaf.bind(str(member.socket_path(7)))
                deaf.listen()
                member.conditions.say(7, ProcessState.READY, Workload())
                await operator.sees("1 process did not answer.")
                await operator.sees("silent processes are missing")
            member.socket_path(7).unlink()
            await expect(operator.page.locator(".notice")).to_have_count(0, timeout=SEE_MS)
        await hung_up(sockets)
        await pair.emptied()
