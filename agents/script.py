"""Scripts: what the embedded language model says, written down turn by turn.

The embedded model is an HTTP endpoint that speaks the chat-completions protocol. What it answers
comes from a script: a function from the conversation so far to a reply. A script is honest about
being one, and good enough to hold its assistant's conversation in any order of questions.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True)
class Say:
    """An answer in words."""

    text: str


@dataclass(frozen=True)
class Call:
    """A request to call a tool.

    Attributes:
        tool: The tool's name.
        arguments: Its arguments by name.
    """

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Reply = Say | Sequence[Call]


@dataclass(frozen=True)
class Turn:
    """What a script sees of a conversation.

    Attributes:
        messages: The messages of a chat-completions request, the last one last.
        tools: Names of the tools that may be called.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: frozenset[str] = frozenset()

    @property
    def last_role(self) -> str:
        """The role of the last message; "" where there is none."""
        return str(self.messages[-1].get("role", "")) if self.messages else ""

    @property
    def last_text(self) -> str:
        """The text of the last message."""
        return text_of(self.messages[-1]) if self.messages else ""

    @property
    def user_texts(self) -> list[str]:
        """What the user said, the last one last."""
        return [text_of(message) for message in self.messages if message.get("role") == "user"]

    def tool_that_answered(self) -> str | None:
        """Return the name of the tool whose result is the last message, or None."""
        if self.last_role != "tool":
            return None
        call_id = self.messages[-1].get("tool_call_id")
        for message in reversed(self.messages):
            for call in message.get("tool_calls") or ():
                if call.get("id") == call_id:
                    return str(call["function"]["name"])
        return None


Script = Callable[[Turn], Reply]


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message, joining the text parts of a list."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return " ".join(part for part in parts if part)
    return ""


# A turn is a few dozen words. The rest of a longer one is not looked at, as every word is compared
# with every near miss, and a caller could hold up everybody else's conversations with a book.
MAX_LENGTH = 2000
MAX_WORDS = 100

_WORD = re.compile(r"[a-z0-9']+")


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words without punctuation."""
    return _WORD.findall(text.lower())


def mentions(text: str, vocabulary: Sequence[str], *, closeness: float = 0.84) -> list[str]:
    """Find which words or phrases of a vocabulary a text mentions.

    A recogniser's near misses count, as "tornados" for "tornado"; words of fewer than five letters
    only when they are exact.

    Args:
        text: What was said; of a very long text only the first `MAX_WORDS` words.
        vocabulary: Words or phrases in lower case, without punctuation.
        closeness: How alike two words must be, from 0 to 1.

    Returns:
        The words and phrases found, in the vocabulary's order.
    """
    said = words_of(text[:MAX_LENGTH])[:MAX_WORDS]
    joined = f" {' '.join(said)} "
    found = []
    for entry in vocabulary:
        close = len(entry) >= 5 and " " not in entry
        if f" {entry} " in joined or (close and get_close_matches(entry, said, 1, closeness)):
            found.append(entry)
    return found
