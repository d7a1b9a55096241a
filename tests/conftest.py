"""Shared by all tests: quiet logs, and a failure for every warning."""

import os
import sys
from pathlib import Path

import pytest
from loguru import logger

PROXY = Path(__file__).parent / "proxy"

pytest_plugins = ["tests.brokers.postgres"]


@pytest.fixture(autouse=True, scope="session")
def _quiet_logs() -> None:
    """Keep what libraries say about every frame out of the reports of failures."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING", diagnose=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every other process begin with long tests, or the last ones wait for those.

    Each process is given a run of tests in this order, and takes from others when it has none left.
    Were all of them to begin with those, the machine would be too busy for what is spoken.

    The tests of `proxy/` alone have to take every branch of it. The others run faster uncounted.
    """
    for item in items:
        if PROXY not in item.path.parents:
            item.add_marker("no_cover")
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
