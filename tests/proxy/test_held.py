"""Large messages are weighed for as long as somebody holds them."""

import asyncio

import pytest
from pipecat.bus.messages import BusFrameMessage, BusJobRequestMessage
from pipecat.frames.frames import TextFrame
from pipecat.processors.frame_processor import FrameDirection

from proxy import held
from proxy.held import LARGE_BYTES, HeldMessages
from tests.proxy.conversation import within


def carried() -> BusFrameMessage:
    return BusFrameMessage(source="a", frame=TextFrame("x"), direction=FrameDirection.DOWNSTREAM)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for cycles without much ado."""
    monkeypatch.setattr(held, "COLLECT_AFTER_S", 0.01)


def test_small_messages_are_not_weighed() -> None:
    one, message = HeldMessages(LARGE_BYTES), carried()
    one.hold(message, LARGE_BYTES - 1)
    assert one.size_bytes == 0
    assert one.fits(LARGE_BYTES - 1)


def test_one_message_of_any_size_fits() -> None:
    one, message = HeldMessages(LARGE_BYTES), carried()
    assert one.fits(10**9)
    one.hold(message, 10**9)
    assert not one.fits(LARGE_BYTES)
    assert one.fits(1)


def test_what_nobody_holds_weighs_nothing() -> None:
    one = HeldMessages(LARGE_BYTES)
    request = BusJobRequestMessage(source="a", target="b", job_id="1")
    one.hold(request, LARGE_BYTES)
    assert one.size_bytes == LARGE_BYTES
    del request
    assert one.size_bytes == 0


def test_of_a_frame_the_frame_counts_and_not_what_carried_it() -> None:
    one, message = HeldMessages(LARGE_BYTES), carried()
    frame = message.frame
    one.hold(message, LARGE_BYTES)
    del message
    assert one.size_bytes == LARGE_BYTES
    del frame
    assert one.size_bytes == 0


async def test_there_is_room_as_soon_as_something_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held, "COLLECT_AFTER_S", 60.0)
    one, messages = HeldMessages(LARGE_BYTES), [carried()]
    assert await one.wait_room(0.0)
    one.hold(messages[0], LARGE_BYTES)
    waiting = asyncio.create_task(one.wait_room(120.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    messages.clear()
    assert await within(waiting, 10)


async def test_what_is_let_go_and_is_not_enough_is_no_room(soon: None) -> None:
    one, messages = HeldMessages(LARGE_BYTES), [carried(), carried()]
    for message in messages:
        one.hold(message, LARGE_BYTES)
    del message
    waiting = asyncio.create_task(one.wait_room(0.02))
    await asyncio.sleep(0)
    messages.pop()
    assert not await within(waiting)


async def test_what_holds_only_itself_is_found(soon: None) -> None:
    one, message = HeldMessages(LARGE_BYTES), carried()
    message.frame.me = message.frame  # type: ignore[attr-defined]
    one.hold(message, LARGE_BYTES)
    del message
    assert one.size_bytes == LARGE_BYTES
    assert await within(one.wait_room(60.0))
    assert one.size_bytes == 0


async def test_nobody_waits_longer_than_asked(soon: None) -> None:
    one, message = HeldMessages(LARGE_BYTES), carried()
    one.hold(message, LARGE_BYTES)
    assert not await within(one.wait_room(0.03))
    assert not await within(one.wait_room(0.0))
