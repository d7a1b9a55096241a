"""What the embedded model says for the moderator and for the three who argue."""

import re
from collections.abc import Mapping
from typing import Any

from agents.script import BYE, END_CONVERSATION, HELLO, Call, Reply, Say, Turn, goodbye, mentions

DEBATE = "debate"

PHRASES = (
    "hello",
    "debate whether cats are better than dogs",
    "debate whether the earth is round",
    "let us debate time travel",
    "what about the cost",
    "what about the food",
    "what did the critic say",
    "what did the advocate say",
    "what did the analyst say",
    "can you say that again",
    "thank you",
    "thank you goodbye",
    "goodbye",
)

GREETING = (
    "Welcome to the debate. I am a script that stands in for a language model, and so are the "
    "advocate, the critic and the analyst. What shall we debate?"
)
FAREWELL = "Thank you for the debate. Goodbye!"
THANKS = "You are welcome. Is there another side to it?"
STILL_DEBATED = "The three are still at it. One moment."
LOST = "I am only a script. Name a topic, as in: debate whether cats are better than dogs."
NOTHING_YET = "Nobody has said anything yet. Name a topic first."
NOBODY = "I am sorry, none of the three could take part. Please try again."

_ROLES = ("advocate", "critic", "analyst")
_THANKS = ("thank you", "thanks", "okay", "no", "nothing", "yes", "please")
_REPEAT = ("again", "repeat", "pardon")

# What comes before a topic, and where a topic begins all by itself.
_LEADS = re.compile(
    r".*?\b(?:debate|discuss|argue|talk|what|how|think)\b(?: about| on| over)?(?: whether| if)?\s+",
    re.IGNORECASE,
)
_TOPICAL = ("debate", "discuss", "argue", "about", "whether", "should", "better", "versus", "or")


def moderator_script(turn: Turn) -> Reply:
    """Answer as the moderator.

    Args:
        turn: The conversation so far.
    """
    if turn.tool_that_answered() == END_CONVERSATION:
        return Say(FAREWELL)
    rounds = turn.results(DEBATE)
    unsaid = [each for each in rounds if not _is_said(each, turn)]
    if unsaid and turn.last_role != "user":
        return Say(" ".join(map(_summary, unsaid)))
    if not turn.user_texts:
        return Say(GREETING)
    return _answer(turn, turn.user_texts[-1], rounds)


def _answer(turn: Turn, text: str, rounds: list[Any]) -> Reply:
    if mentions(text, BYE):
        return goodbye(turn, FAREWELL)
    roles = mentions(text, _ROLES)
    if roles:
        return Say(_quoted(rounds[-1], roles) if rounds else NOTHING_YET)
    if mentions(text, _REPEAT):
        return Say(_summary(rounds[-1]) if rounds else GREETING)
    topic = _topic_of(text)
    if topic and DEBATE in turn.tools:
        return (Call(DEBATE, {"topic": topic}),)
    if len(turn.tool_calls(DEBATE)) > len(rounds):
        return Say(STILL_DEBATED)
    if mentions(text, HELLO):
        return Say(GREETING)
    return Say(THANKS if mentions(text, _THANKS) else LOST)


def _topic_of(text: str) -> str:
    """Return the topic that a text names, or "" if it names none."""
    if not mentions(text, _TOPICAL):
        return ""
    return _LEADS.sub("", text, count=1).strip(" .?!")


def _summary(result: Mapping[str, Any]) -> str:
    said = result["arguments"]
    if not said:
        return f"{_heading(result)} {NOBODY}"
    absent = result["absent"]
    missing = f"The {' and the '.join(absent)} could not take part." if absent else ""
    parts = (_heading(result), _quoted(result, list(said)), missing, "The choice is yours.")
    return " ".join(part for part in parts if part)


def _quoted(result: Mapping[str, Any], roles: list[str]) -> str:
    said = result["arguments"]
    return " ".join(
        f"The {role} says: {said[role]}" if role in said else f"The {role} could not take part."
        for role in roles
    )


def _heading(result: Mapping[str, Any]) -> str:
    return f"Round {result['round']}, {result['topic']}."


def _is_said(result: Mapping[str, Any], turn: Turn) -> bool:
    return any(_heading(result) in text for text in turn.assistant_texts)


def advocate_script(turn: Turn) -> Reply:
    """Argue for every topic.

    Args:
        turn: The advocate's own conversation.
    """
    return _argue(turn, "I am for it, as somebody has to be")


def critic_script(turn: Turn) -> Reply:
    """Argue against every topic.

    Args:
        turn: The critic's own conversation.
    """
    return _argue(turn, "I am against it, as nobody has asked what it costs")


def analyst_script(turn: Turn) -> Reply:
    """Count something about every topic.

    Args:
        turn: The analyst's own conversation.
    """
    letters = sum(character.isalpha() for character in _topics(turn)[-1])
    return _argue(turn, f"it has {letters} letters, and that is all that is certain")


def _argue(turn: Turn, opinion: str) -> Reply:
    *earlier, topic = _topics(turn)
    before = f" I have not forgotten what I said on {' and '.join(earlier)}." if earlier else ""
    return Say(f"On {topic}: {opinion}.{before}")


def _topics(turn: Turn) -> list[str]:
    return [text.removeprefix("The topic: ") for text in turn.user_texts] or [""]
