"""Whether the assistant is in the middle of an answer, or of handing the conversation over."""

from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
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
        self._announcing = False
        self._spoke = False
        self._calls: set[str] = set()

    def follow(self, frame: Frame) -> None:
        """Take note of a frame.

        Args:
            frame: Any frame that goes to the caller.
        """
        match frame:
            case LLMTextFrame() | TTSTextFrame():
                self._spoke = self._spoke or bool(frame.text.strip())
            case TTSAudioRawFrame():
                self._spoke = True
            case LLMFullResponseStartFrame():
                self.open = True
                self.awaited = False
            case InterruptionFrame():
                self.open = False
            case FunctionCallsStartedFrame():
                self._calls |= {call.tool_call_id for call in frame.function_calls}
            case FunctionCallResultFrame() | FunctionCallCancelFrame():
                self._calls.discard(frame.tool_call_id)
                self._announcing = self._announcing or _hands_over(frame)
            case LLMFullResponseEndFrame() if not self._calls:
                self.awaited = self._announcing and self._spoke
                self._announcing = self._announcing and not self._spoke
                self.open = self._spoke = False


def _hands_over(frame: Frame) -> bool:
    """Tell whether a tool has handed the conversation to another task."""
    if not isinstance(frame, FunctionCallResultFrame) or not isinstance(frame.result, dict):
        return False
    return frame.result.get("status") == TRANSFERRING
