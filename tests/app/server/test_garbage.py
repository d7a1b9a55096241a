"""The garbage collector looks at what is new, and at what is old only when nobody would notice."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest

from app.server import garbage
from app.server.garbage import collecting_rarely
from tests.proxy.conversation import within


class Circle:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


class Quiet:
    """Whether it is quiet."""

    now = False

    def __call__(self) -> bool:
        return self.now


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.collect()


@pytest.fixture
async def quiet(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Quiet]:
    monkeypatch.setattr(garbage, "QUIET_INTERVAL_S", 0.01)
    quiet = Quiet()
    async with collecting_rarely(quiet):
        yield quiet


async def grow(kept: list[list[int]], count: int) -> None:
    """Make objects as sessions do, with turns for others."""
    for _ in range(count // 1000):
        kept.extend([number] for number in range(1000))
        await asyncio.sleep(0)


async def test_what_was_there_at_the_start_is_out_of_sight(quiet: Quiet) -> None:
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 10_000


async def test_what_grows_old_is_frozen_in_batches_that_are_small(quiet: Quiet) -> None:
    kept: list[list[int]] = []
    before, collections = gc.get_freeze_count(), gc.get_stats()[2]["collections"]
    for _ in range(20):
        await grow(kept, 10_000)
        assert len(gc.get_objects()) < 25_000
    assert gc.get_freeze_count() - before > 150_000
    assert gc.get_stats()[2]["collections"] - collections < 40


async def test_what_takes_the_place_of_what_is_frozen_is_looked_at_though_nobody_counts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "COUNT_INTERVAL_S", 0)
    kept: list[list[int]] = []
    async with collecting_rarely(lambda: False):
        await grow(kept, 60_000)
        for index in range(len(kept)):
            kept[index] = [index]
            if index % 1000 == 0:
                await asyncio.sleep(0)
                assert len(gc.get_objects()) < 40_000


async def test_new_garbage_is_freed_although_sessions_are_open(quiet: Quiet) -> None:
    gone = asyncio.Event()
    circle = Circle()
    watch = weakref.finalize(circle, gone.set)
    del circle
    await grow([], 100_000)
    kept: list[list[int]] = []
    await grow(kept, 100_000)
    await within(gone.wait())
    assert not watch.alive


async def test_old_garbage_is_freed_when_it_is_quiet_and_not_before(quiet: Quiet) -> None:
    gone = asyncio.Event()
    circle = Circle()
    watch = weakref.finalize(circle, gone.set)
    kept: list[list[int]] = []
    await grow(kept, 100_000)
    del circle
    await grow(kept, 100_000)
    assert watch.alive
    quiet.now = True
    await within(gone.wait())
    assert gc.get_freeze_count() > 10_000


async def test_what_nothing_refers_to_is_freed_at_once_although_it_is_frozen(quiet: Quiet) -> None:
    class Straight:
        pass

    straight = Straight()
    watch = weakref.finalize(straight, lambda: None)
    gc.freeze()
    del straight
    assert not watch.alive


async def test_afterwards_everything_is_as_it_was() -> None:
    before = (gc.get_threshold(), len(gc.callbacks))
    async with collecting_rarely(lambda: False):
        assert gc.get_threshold() != before[0]
    assert (gc.get_threshold(), len(gc.callbacks)) == before
    assert gc.get_freeze_count() == 0
