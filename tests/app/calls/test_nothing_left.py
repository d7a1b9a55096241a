"""After calls that ended in every way, nothing of them is left."""

import asyncio
import gc
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest

from agents import Assistants
from app.calls import call as calls_module
from proxy import CloseCode
from tests.app.calls.pages import Page, WebRTCPage, socket_page, webrtc_page
from tests.app.cli.programs import descendants
from tests.app.server.counts import Counts
from tests.app.server.identity.asking import Asking, asking
from tests.proxy.conversation import within

LONG_S = 60.0

Opened = Callable[[Asking], AbstractAsyncContextManager[Page]]
Way = Callable[[Asking, Opened], Awaitable[None]]

OPENED: tuple[Opened, ...] = (
    lambda server: socket_page(server.client),
    lambda server: webrtc_page(server.client),
)


async def goodbye(server: Asking, opened: Opened) -> None:
    async with opened(server) as page:
        await page.ready()
        await page.until_type("bot-started-speaking")
        await page.type("goodbye")
        await page.until_line("ended")
        await within(page.closed.wait(), LONG_S)


async def page_hangs_up(server: Asking, opened: Opened) -> None:
    async with opened(server) as page:
        await page.ready()
        await page.until_line("up")
        await page.send("disconnect-bot")
        await within(page.closed.wait(), LONG_S)


async def page_goes(server: Asking, opened: Opened) -> None:
    async with opened(server) as page:
        await page.ready()
        await page.until_type("bot-started-speaking")


async def page_goes_at_once(server: Asking, opened: Opened) -> None:
    async with opened(server):
        pass


async def operator_ends(server: Asking, opened: Opened) -> None:
    async with opened(server) as page:
        await page.ready()
        await page.until_line("up")
        server.server.sessions.end_all(CloseCode.ENDED_BY_OPERATOR)
        await page.until_line("ended")
        await within(page.closed.wait(), LONG_S)


async def never_connects(server: Asking, opened: Opened) -> None:
    page = WebRTCPage()
    offer = {"sdp": await page.offer(), "type": "offer"}
    assert (await server.client.post("/v1/calls", json=offer)).status_code == 200
    await page.close()


async def bad_offer(server: Asking, opened: Opened) -> None:
    offer = {"sdp": "v=0", "type": "offer"}
    assert (await server.client.post("/v1/calls", json=offer)).status_code == 422


WAYS: tuple[Way, ...] = (
    *(goodbye, page_hangs_up, page_goes, page_goes_at_once, operator_ends, never_connects),
    bad_offer,
)


async def one_round(server: Asking) -> None:
    """Make a call that ends in each way, over each transport."""
    for opened in OPENED:
        for way in WAYS:
            await way(server, opened)
            await within(server.server.state.calls.wait_empty(), LONG_S)
            await within(server.server.sessions.wait_empty(), LONG_S)


def counted() -> Counts:
    """Count what there is; the event loop keeps a few threads for whatever blocks."""
    kept = sum(thread.name.startswith("asyncio_") for thread in threading.enumerate())
    now = Counts.now()
    return replace(now, threads=now.threads - kept)


async def settled(before: Counts) -> None:
    """Let callbacks of closed sockets run until everything is as it was."""
    for _ in range(400):
        now = counted()
        if now.are_back_to(before):
            return
        await asyncio.sleep(0.05)
    names = sorted(task.get_name() for task in asyncio.all_tasks())
    raise AssertionError(f"{now} is not back to {before}: {names}")


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("deaf")
async def test_fifty_calls_leave_nothing(
    assistants: Assistants, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(assistants) as server:
        monkeypatch.setattr(calls_module, "PAGE_TIMEOUT_S", 2.0)
        # The first of each kind brings up what the process keeps: connections, threads.
        await one_round(server)
        before = counted()
        for _ in range(3):
            await one_round(server)
        await settled(before)
        calls = server.server.state.calls
        assert sum(calls.started.values()) >= 48
        assert sum(calls.ended.values()) == sum(calls.started.values())
        assert calls.connection_of("", "anonymous") is None
        assert server.server.state.slots.taken == 0
        assert len(server.server.state.door.identity.tickets) == 0


@pytest.mark.usefixtures("deaf")
async def test_what_hears_in_a_call_is_gone_without_the_collector(assistants: Assistants) -> None:
    async with asking(assistants) as server:
        gc.collect()
        gc.disable()  # what a server has frozen it does not look at either
        try:
            for opened in OPENED:
                for way in (goodbye, page_hangs_up):
                    await way(server, opened)
                    await within(server.server.state.calls.wait_empty(), LONG_S)
                    kinds = {type(thing).__name__ for thing in gc.get_objects()}
                    assert not kinds & {"SileroVADAnalyzer", "LocalSmartTurnAnalyzerV3"}
        finally:
            gc.enable()


@pytest.mark.long
async def test_recognisers_end_with_their_calls(assistants: Assistants) -> None:
    before = descendants(os.getpid())
    async with asking(assistants) as server:
        for opened in OPENED:
            for way in (goodbye, page_goes):
                await way(server, opened)
                await within(server.server.state.calls.wait_empty(), LONG_S)
                assert descendants(os.getpid()) == before
