"""A loop that is late is measured, and one that stood still is not ready for a while."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.telemetry.lag import PERIOD_S, RECOVERY_S, LoopLag
from tests.app.telemetry.served import Served, served


def test_what_is_late_is_measured_and_what_is_early_is_not() -> None:
    measured: list[float] = []
    lag = LoopLag(2.0, measured.append)
    for due, now in ((10.0, 10.0), (11.0, 11.5), (12.0, 11.9)):
        lag.expect(due)
        lag.measure(now)
    assert measured == [0.0, 0.5, 0.0]
    assert not lag.stalled(12.0)


def test_a_loop_that_stood_still_is_stalled_until_it_has_been_punctual_for_a_while() -> None:
    lag = LoopLag(2.0)
    assert not lag.stalled(9.0)
    lag.expect(10.0)
    lag.measure(12.0)
    lag.expect(12.0 + RECOVERY_S)
    assert lag.stalled(12.0)
    assert lag.stalled(11.9 + RECOVERY_S)
    assert not lag.stalled(12.0 + RECOVERY_S)


def test_who_asks_before_the_measurement_hears_of_it() -> None:
    lag = LoopLag(2.0)
    lag.expect(10.0)
    assert not lag.stalled(11.9)
    assert lag.stalled(12.0)


async def test_a_loop_is_measured_while_the_block_runs() -> None:
    measured: asyncio.Queue[float] = asyncio.Queue()
    lag = LoopLag(2.0, measured.put_nowait)
    before = asyncio.all_tasks()
    async with lag.measuring(), asyncio.timeout(100 * PERIOD_S):
        assert await measured.get() >= 0
        assert await measured.get() >= 0
    assert asyncio.all_tasks() == before


@pytest.fixture
async def impatient() -> AsyncIterator[Served]:
    async with served(stall_timeout_s=1e-9) as running:
        yield running


async def test_a_server_whose_loop_stood_still_is_alive_and_not_ready(impatient: Served) -> None:
    async with asyncio.timeout(100 * PERIOD_S):
        answer: httpx.Response = await impatient.get("/readyz")
        while answer.status_code == 200:  # until it has been measured once
            answer = await impatient.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "stalled", "processes": {"0": "stalled"}}
    assert (await impatient.get("/livez")).status_code == 200
