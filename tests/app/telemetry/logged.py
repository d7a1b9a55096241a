"""All that a server logs, and the keys that it makes, to look for these in that."""

import contextlib
import io
import logging
import secrets
import sys
from collections.abc import Iterator

import pytest
from loguru import logger

from app.logs import configure_logs


@contextlib.contextmanager
def everything_logged(
    monkeypatch: pytest.MonkeyPatch, log_format: str = "human"
) -> Iterator[io.StringIO]:
    """Log everything there is while the block runs, as a server would that is set to."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        configure_logs("TRACE", log_format="json" if log_format == "json" else "human")
    yield stream
    root.handlers[:], root.level = handlers, level
    logger.remove()
    logger.configure(patcher=lambda record: None)
    logger.add(sys.stderr, level="WARNING", diagnose=False)


def keys_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Learn the keys that the server makes for itself from now on."""
    made: list[str] = []
    make = secrets.token_urlsafe

    def token(size: int | None = None) -> str:
        made.append(make(size))
        return made[-1]

    monkeypatch.setattr(secrets, "token_urlsafe", token)
    return made
