"""What a log may say of an exception: its type and where it came from, never its text.

The text holds what its author did not think of: a key that was refused, a query, what a caller
said. The type and the places are source code.
"""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

# The places nearest to the failure say what is wrong; the ones above are the event loop.
MAX_PLACES = 4

# A group of failures, and a chain of causes, are told this far.
MAX_CAUSES = 3
MAX_MEMBERS = 3


def failure_of(error: BaseException) -> str:
    """Describe an exception in one line.

    Args:
        error: Any exception; its text is not used.

    Returns:
        For example `ValueError at agents/acme/__init__.py:51 in greet, from app/cli/call.py:9 in
        run, after KeyError at ...`.
    """
    first, *causes = _chain(error)
    told = [_one(first, MAX_PLACES), *(_one(cause, 1) for cause in causes)]
    return ", after ".join(told)


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if current is None:
            return
        yield current
        hidden = current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)


def _one(error: BaseException, max_places: int) -> str:
    places = [
        f"{short_path(frame.filename)}:{frame.lineno} in {frame.name}"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    ][:max_places]
    described = type(error).__name__
    if isinstance(error, OSError) and isinstance(error.errno, int) and error.errno > 0:
        # The system's own sentence, without the file name or the address.
        described += f" ({os.strerror(error.errno)})"
    if places:
        described += f" at {', from '.join(places)}"
    if isinstance(error, BaseExceptionGroup):
        members = [_one(member, 1) for member in error.exceptions[:MAX_MEMBERS]]
        described += f" of ({'; '.join(members)})"
    return described


def short_path(path: str) -> str:
    """Return the end of a path, which names a module as its imports do."""
    return "/".join(Path(path).parts[-3:])
