"""What was said in a conversation, by whom and when."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMAssistantAggregator,
    LLMUserAggregator,
    UserTurnMessageAddedMessage,
)

from app.caller.main_task import MainTask


class Speaker(StrEnum):
    """Who said something."""

    CALLER = "caller"
    ASSISTANT = "assistant"


@dataclass(frozen=True)
class Line:
    """One turn.

    Attributes:
        at_s: When it began, in seconds since the conversation did.
        speaker: Who said it.
        text: What was said.
    """

    at_s: float
    speaker: Speaker
    text: str


@dataclass
class Transcript:
    """The turns of one conversation in order.

    Attributes:
        on_line: Called with every turn as it is complete.
        lines: The turns so far.
    """

    on_line: Callable[[Line], None] = lambda line: None
    lines: list[Line] = field(default_factory=list)
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def follow(self, main: MainTask) -> None:
        """Write down what is said in a conversation.

        Args:
            main: The caller's main task.
        """

        async def on_user(_: LLMUserAggregator, message: UserTurnMessageAddedMessage) -> None:
            self._add(Speaker.CALLER, message.content, message.timestamp)

        async def on_assistant(
            _: LLMAssistantAggregator, message: AssistantTurnStoppedMessage
        ) -> None:
            self._add(Speaker.ASSISTANT, message.content, message.timestamp)

        main.user.add_event_handler("on_user_turn_message_added", on_user)
        main.assistant.add_event_handler("on_assistant_turn_stopped", on_assistant)

    def _add(self, speaker: Speaker, text: str, began: str) -> None:
        if text.strip():
            when = datetime.fromisoformat(began) if began else datetime.now(UTC)
            line = Line((when - self._began).total_seconds(), speaker, text.strip())
            self.lines.append(line)
            self.on_line(line)

    def said_by(self, speaker: Speaker) -> list[str]:
        """Return what one side said."""
        return [line.text for line in self.lines if line.speaker is speaker]
