"""What the embedded model says for the moderator and for the three who argue."""

import re
from collections.abc import Mapping
from typing import Any

from agents.script import (
    BYE,
    END_CONVERSATION,
    HELLO,
    WHO,
    Call,
    Reply,
    Say,
    Turn,
    goodbye,
    mentions,
    words_of,
)

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
    "what did the analyst say in the first round",
    "summarize everything",
    "who won",
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
NO_WINNER = "Nobody wins here, as I do not judge. The choice is yours."

_ROLES = ("advocate", "critic", "analyst")
_THANKS = ("thank you", "thanks", "okay", "no", "nothing", "yes", "please")
_REPEAT = ("again", "repeat", "pardon", "everyone", "everybody", "all three", "they say")
_SUMMARY = ("summarize", "summarise", "summary", "sum up", "recap", "everything", "all rounds")
_TOPICS = ("what did we", "which topics", "what topics", "what was the topic", "the topics")
_WINNER = ("who won", "who wins", "winner", "who is right", "who was right", "do you agree")

# Rounds are named "the first round" or "round one"; the last is -1, the one before is -2.
_ORDINALS = (
    *(("first", 0), ("second", 1), ("third", 2), ("fourth", 3), ("fifth", 4)),
    *(("one", 0), ("two", 1), ("three", 2), ("four", 3), ("five", 4)),
    *(("previous", -2), ("before", -2), ("last", -1), ("latest", -1)),
)
_ROUND = re.compile(
    rf"\b(?:round (?P<number>\d+)|round (?P<after>{'|'.join(word for word, _ in _ORDINALS)})\b"
    rf"|(?P<ordinal>{'|'.join(word for word, _ in _ORDINALS)}) round"
    rf"|in the (?P<alone>{'|'.join(word for word, _ in _ORDINALS)})(?: one)?[?. ]*$)"
)

# What comes before a topic, and where a topic begins all by itself.
_LEADS = re.compile(
    r".*?\b(?:debate|discuss|argue|talk|what|how|think)\b(?: about| on| over)?(?: whether| if)?\s+",
    re.IGNORECASE,
)
_BEGINS = re.compile(
    r"(?:(?:please|now|let us|let's|can we|and)[ ,]+)*(?:debate|discuss|argue)\b", re.IGNORECASE
)
_TOPICAL = ("debate", "discuss", "argue", "about", "whether", "should", "better", "versus", "or")


# Words that are in every topic.
_SMALL = frozenset(
    [
        *("a", "about", "and", "are", "better", "did", "do", "does", "in", "is", "it", "of", "on"),
        *("or", "our", "say", "should", "than", "that", "the", "they", "to", "we", "what", "with"),
    ]
)


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
    pending = len(turn.tool_calls(DEBATE)) > len(rounds)
    told = None if _BEGINS.match(text) else _about_rounds(text, rounds)
    if told is not None:
        return Say(STILL_DEBATED if told == NOTHING_YET and pending else told)
    topic = _topic_of(text)
    if topic and DEBATE in turn.tools:
        return (Call(DEBATE, {"topic": topic}),)
    if pending:
        return Say(STILL_DEBATED)
    if mentions(text, (*HELLO, *WHO)):
        return Say(GREETING)
    return Say(THANKS if mentions(text, _THANKS) else LOST)


def _about_rounds(text: str, rounds: list[Any]) -> str | None:
    """Answer a question about what was said so far; None if it is none."""
    roles = mentions(text, _ROLES)
    everything = mentions(text, _SUMMARY)
    wanted = _ROUND.search(text.lower())
    if mentions(text, _TOPICS) and rounds:
        return " ".join(map(_heading, rounds))
    if not (roles or everything or wanted or mentions(text, (*_REPEAT, *_WINNER))):
        return None
    if not rounds:
        return GREETING if mentions(text, ("again", "repeat", "pardon")) else NOTHING_YET
    if mentions(text, _WINNER) and not roles:
        return NO_WINNER
    if everything and not (roles or wanted):
        return " ".join(map(_summary, rounds))
    chosen = _chosen(wanted, rounds) if wanted else _on_topic(text, rounds)
    if chosen is None:
        return f"There was no such round, only {len(rounds)} so far."
    return _quoted(chosen, roles) if roles else _summary(chosen)


def _chosen(wanted: re.Match[str], rounds: list[Any]) -> Any:
    """Return the round that was named, or None if it has not taken place."""
    word = wanted["after"] or wanted["ordinal"] or wanted["alone"]
    place = dict(_ORDINALS)[word] if word else int(wanted["number"]) - 1
    return rounds[place] if -len(rounds) <= place < len(rounds) else None


def _on_topic(text: str, rounds: list[Any]) -> Any:
    """Return the last round on a topic that a text names; the last of all if it names none."""
    said = set(words_of(text)) - _SMALL
    for each in reversed(rounds):
        if said & set(words_of(each["topic"])):
            return each
    return rounds[-1]


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
