"""What waits for an application: in order, taken once, lost never."""

import asyncio

from app.server.inbox import Event, Inbox
from tests.proxy.conversation import within


def said(data: bytes) -> Event:
    return {"type": "websocket.receive", "bytes": data}


async def test_events_come_in_order() -> None:
    inbox = Inbox()
    assert inbox.empty()
    inbox.put_nowait(said(b"one"))
    inbox.put_nowait(said(b"two"))
    assert not inbox.empty()
    assert [await inbox.get(), await inbox.get()] == [said(b"one"), said(b"two")]
    assert inbox.empty()


async def test_nothing_but_a_binary_message_is_taken_without_waiting() -> None:
    inbox = Inbox()
    assert inbox.take_binary() is None
    text: Event = {"type": "websocket.receive", "text": "words"}
    others: list[Event] = [text, {"type": "websocket.connect"}, {"type": "websocket.disconnect"}]
    inbox.put_nowait(said(b""))
    for event in others:
        inbox.put_nowait(event)
    assert inbox.take_binary() == b""
    for event in others:
        assert inbox.take_binary() is None
        assert await inbox.get() == event


async def test_an_event_wakes_one_that_waits() -> None:
    inbox = Inbox()
    waiting = [asyncio.create_task(inbox.get()) for _ in range(2)]
    await asyncio.sleep(0)
    inbox.put_nowait(said(b"one"))
    assert await within(waiting[0]) == said(b"one")
    assert not waiting[1].done()
    inbox.put_nowait(said(b"two"))
    assert await within(waiting[1]) == said(b"two")


async def test_an_event_for_one_that_is_cancelled_goes_to_the_next() -> None:
    inbox = Inbox()
    first, second = (asyncio.create_task(inbox.get()) for _ in range(2))
    await asyncio.sleep(0)
    inbox.put_nowait(said(b"one"))
    first.cancel()
    assert await within(second) == said(b"one")
    assert first.cancelled()


async def test_one_that_is_cancelled_while_nothing_came_leaves_no_trace() -> None:
    inbox = Inbox()
    first = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    inbox.put_nowait(said(b"one"))
    assert await within(inbox.get()) == said(b"one")
