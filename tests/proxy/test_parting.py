"""How one end takes its leave: no longer than it must, and no longer than it may."""

import asyncio

import pytest

from proxy import parting
from proxy.dialect import LineState
from proxy.gate import Gate
from proxy.parting import part
from proxy.pump import Signals
from tests.proxy.conversation import within
from tests.proxy.fakes import FakeDialect


class Leave:
    """One end on its way out."""

    def __init__(self) -> None:
        self.dialect, self.signals, self.gone = FakeDialect(), Signals(), Gate()

    def part(self, *, ended: bool) -> "asyncio.Task[None]":
        return asyncio.create_task(part(self.dialect, self.signals, self.gone, ended=ended))


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parting, "DRAIN_TIMEOUT_S", 0.01)
    monkeypatch.setattr(parting, "END_GRACE_S", 0.01)


async def passing() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_line_that_is_gone_waits_for_nothing() -> None:
    leave = Leave()
    leave.gone.set()
    await within(leave.part(ended=True))


async def test_what_waits_goes_out_first() -> None:
    leave = Leave()
    parted = leave.part(ended=False)
    await passing()
    assert not parted.done()
    leave.signals.drained.set()
    await within(parted)


async def test_what_does_not_go_out_is_not_waited_for_long(hurried: None) -> None:
    await within(Leave().part(ended=False))


async def test_after_an_end_the_other_side_may_close(monkeypatch: pytest.MonkeyPatch) -> None:
    leave = Leave()
    leave.signals.drained.set()
    parted = leave.part(ended=True)
    await passing()
    assert not parted.done()
    leave.gone.set()
    await within(parted)


async def test_one_that_does_not_is_closed_on(hurried: None) -> None:
    leave = Leave()
    leave.signals.drained.set()
    await within(leave.part(ended=True))


async def test_one_whose_connection_is_lost_may_come_back_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def pass_time(timeout_s: float, event: asyncio.Event) -> bool:
        leave.dialect.state = states.pop(0)
        return False

    lost, up = LineState.DETACHED, LineState.OPEN
    states = [lost, lost, lost, up, up, up]
    monkeypatch.setattr(parting, "_within", pass_time)
    leave = Leave()
    await within(leave.part(ended=True))
    assert states == []  # it had a whole grace after it came back
