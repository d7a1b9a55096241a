"""Shared by all tests: quiet logs, and what makes thousands of them fast.

The tests of `proxy/` alone have to take every branch of it. Nothing else is counted, not even what
is imported: that would take as long again as the imports.
"""

import gc
import importlib
import os
import pkgutil
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from coverage import Coverage
from loguru import logger

PROXY = Path(__file__).parent / "proxy"

COUNTING = pytest.StashKey[Coverage]()

pytest_plugins = ["tests.brokers.postgres"]


@pytest.fixture(autouse=True, scope="session")
def _quiet_logs() -> None:
    """Keep what libraries say about every frame out of the reports of failures."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING", diagnose=False)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Import `proxy/` while that is counted, and everything else while it is not."""
    if session.config.pluginmanager.hasplugin("dsession"):
        return  # the workers do
    # A quarter of what importing all tests takes would be spent on looking for garbage.
    gc.disable()
    counting = Coverage.current()
    if counting is None:
        return
    session.config.stash[COUNTING] = counting
    package = importlib.import_module("proxy")
    for module in pkgutil.walk_packages(package.__path__, "proxy."):
        importlib.import_module(module.name)
    # A worker of pytest-xdist has one that began before its own, and that nobody asks.
    while (running := Coverage.current()) is not None:
        running.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Count which branches the tests of `proxy/` take, and no others."""
    counting = item.config.stash.get(COUNTING, None)
    counted = PROXY in item.path.parents and item.get_closest_marker("uncounted") is None
    if counting is None or not counted:
        return (yield)
    counting.start()
    try:
        return (yield)
    finally:
        counting.stop()


def pytest_collection_finish() -> None:
    """Look for garbage again, but not among modules and tests, which stay."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every other process begin with long tests, or the last ones wait for those.

    Each process is given a run of tests in this order, and takes from others when it has none left.
    Were all of them to begin with those, the machine would be too busy for what is spoken.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    size = len(items) // workers
    items.clear()
    for worker in range(workers):
        share = [] if worker % 2 else long[worker // 2 :: (workers + 1) // 2]
        rest = max(size - len(share), 0)
        items += [*share, *others[:rest]]
        others = others[rest:]
    items += others
