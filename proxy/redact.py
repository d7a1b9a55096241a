"""What an assistant's failures are called on the other side: a fixed sentence, never their text.

An exception's text holds what its author did not think of: a key that was refused, a query, a path.
"""

import copy

from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    FunctionCallResultFrame,
    LLMContextSummaryResultFrame,
)

TOOL_FAILED = "the tool failed"
SUMMARY_FAILED = "the summary failed"


def redacted(frame: Frame) -> Frame:
    """Return a frame without the text of an exception.

    Args:
        frame: Any frame.

    Returns:
        The frame itself where it holds none, else a copy with a fixed sentence in its place.
    """
    match frame:
        case ErrorFrame():
            category = frame.category.value if frame.category is not None else "unknown"
            return ErrorFrame(f"a service failed ({category})", category=frame.category)
        case FunctionCallResultFrame(error=str()):
            return _with_error(frame, TOOL_FAILED)
        case LLMContextSummaryResultFrame(error=str()):
            return _with_error(frame, SUMMARY_FAILED)
    return frame


def _with_error(frame: Frame, error: str) -> Frame:
    safe = copy.copy(frame)
    safe.error = error  # type: ignore[attr-defined]
    return safe
