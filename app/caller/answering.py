"""Whether the assistant is in the middle of an answer, or of handing the conversation over."""

from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
)

from agents.host import TRANSFERRING

# A transfer takes a round trip, and as long as a busy machine's model needs to begin.
TAKEOVER_TIMEOUT_S = 20.0


class Answering:
    """Follows what the assistant sends.

    Attributes:
        open: Whether an answer has begun that is not over; what tools find out is part of it.
        awaited: Whether a transfer was announced, and whoever takes over has not begun to speak.
    """

    def __init__(self) -> None:
        """Start before the first answer."""
        self.open = False
        self.awaited = False
        self._hands_over = False  # by a tool, which is not announced yet
        self._announces = False  # the answer that is open
        self._said_all = False
        self._owed = False  # what is said about a tool's result, in the next answer
        self._calls: set[str] = set()

    def follow(self, frame: Frame) -> bool:
        """Take note of a frame.

        Args:
            frame: Any frame that goes to the caller.

        Returns:
            Whether it ends an answer.
        """
        match frame:
            case LLMFullResponseStartFrame():
                self.open = True
                self.awaited = self._said_all = self._owed = False
                self._announces, self._hands_over = self._hands_over, False
            case InterruptionFrame():
                self.open = self._owed = self._announces = self._hands_over = False
            case FunctionCallsStartedFrame():
                self._calls |= {call.tool_call_id for call in frame.function_calls}
            case FunctionCallResultFrame() | FunctionCallCancelFrame():
                self._calls.discard(frame.tool_call_id)
                return self._called(frame)
            case LLMFullResponseEndFrame():
                self._said_all = True
                return self._end()
        return False

    def _called(self, frame: FunctionCallResultFrame | FunctionCallCancelFrame) -> bool:
        silent = _is_silent(frame)
        self._owed = self._owed or not silent
        if _hands_over(frame):
            self._announces, self._hands_over = silent, not silent
        return self.open and self._said_all and self._end()

    def _end(self) -> bool:
        if self._calls or self._owed:
            return False
        self.awaited = self._announces
        self.open = self._announces = False
        return True


def _is_silent(frame: FunctionCallResultFrame | FunctionCallCancelFrame) -> bool:
    """Tell whether nothing is said about what became of a tool."""
    if isinstance(frame, FunctionCallCancelFrame) or not frame.result:
        return True
    return frame.properties is not None and frame.properties.run_llm is False


def _hands_over(frame: Frame) -> bool:
    """Tell whether a tool has handed the conversation to another task."""
    if not isinstance(frame, FunctionCallResultFrame) or not isinstance(frame.result, dict):
        return False
    return frame.result.get("status") == TRANSFERRING
