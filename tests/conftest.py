"""Shared by all tests: quiet logs, and a failure for every warning."""

import sys

import pytest
from loguru import logger

pytest_plugins = ["tests.brokers.postgres"]


@pytest.fixture(autouse=True, scope="session")
def _quiet_logs() -> None:
    """Keep what libraries say about every frame out of the reports of failures."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING", diagnose=False)
