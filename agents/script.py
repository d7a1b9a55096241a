"""Scripts: what the embedded language model says, written down turn by turn.

The embedded model is an HTTP endpoint that speaks the chat-completions protocol. What it answers
comes from a script: a function from the conversation so far to a reply. A script is honest about
being one, and good enough to hold its assistant's conversation in any order of questions.
"""

import json
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

    @property
    def assistant_texts(self) -> list[str]:
        """What the assistant said, the last one last."""
        said = (text_of(each) for each in self.messages if each.get("role") == "assistant")
        return [text for text in said if text]

    @property
    def since_user(self) -> "Turn":
        """What came after the user spoke last; everything if the user has not spoken."""
        for place in range(len(self.messages), 0, -1):
            if self.messages[place - 1].get("role") == "user":
                return Turn(self.messages[place:], self.tools)
        return self

    def tool_that_answered(self) -> str | None:
        """Return the name of the tool whose result is the last message, or None."""
        if self.last_role != "tool":
            return None
        return self._tool_of(self.messages[-1].get("tool_call_id"))

    def tool_calls(self, tool: str) -> list[Call]:
        """Return the calls of a tool so far, the last one last.

        Args:
            tool: The tool's name.
        """
        return [
            Call(tool, _parsed(call["function"].get("arguments")) or {})
            for message in self.messages
            for call in message.get("tool_calls") or ()
            if call["function"]["name"] == tool
        ]

    def results(self, tool: str) -> list[Any]:
        """Return what a tool has answered so far, the last one last.

        A tool that outlives an interruption may answer in a message of its own, behind what was
        said meanwhile; one that was cancelled has not answered.

        Args:
            tool: The tool's name.

        Returns:
            What the tool gave to its result callback.
        """
        found = []
        for message in self.messages:
            if message.get("role") not in ("tool", "developer"):
                continue
            content = _parsed(text_of(message))
            call_id = message.get("tool_call_id")
            if isinstance(content, dict) and content.get("type") == _LATER:
                call_id, content = content.get("tool_call_id"), _parsed(content.get("result"))
            if isinstance(content, dict | list) and self._tool_of(call_id) == tool:
                found.append(content)
        return found

    def _tool_of(self, call_id: Any) -> str | None:
        for message in reversed(self.messages):
            for call in message.get("tool_calls") or ():
                if call.get("id") == call_id:
                    return str(call["function"]["name"])
        return None


Script = Callable[[Turn], Reply]

# How Pipecat marks what is to come, or has come, of a tool that goes on in the background.
# Source: pipecat.processors.aggregators.async_tool_messages
_LATER = "async_tool"


def _parsed(text: Any) -> Any:
    """Return what a text says in JSON; None if it is none."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


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

# Every host's tool.
END_CONVERSATION = "end_conversation"

# What callers of every assistant say.
BYE = ("goodbye", "bye", "bye bye", "good bye", "see you", "farewell", "hang up")
HELLO = ("hello", "hi", "hey", "good morning", "good evening")
WHO = (
    *("who are you", "what are you", "what is your name", "what's your name"),
    *("are you a robot", "are you human", "what can you do"),
)


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


def goodbye(turn: Turn, words: str) -> Reply:
    """End the conversation, or only say farewell where there is no tool for it.

    Args:
        turn: The conversation so far.
        words: The farewell.
    """
    if END_CONVERSATION in turn.tools:
        return (Call(END_CONVERSATION, {"reason": "The caller said goodbye."}),)
    return Say(words)
