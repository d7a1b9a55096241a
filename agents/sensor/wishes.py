"""What a caller wants of a thermostat: the command in a sentence, and the numbers in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agents.script import mentions

SET_TARGET = "set_target"
SET_RESPONSE = "set_response"

# Warmer and cooler without a number.
A_STEP_C = 2.0


@dataclass(frozen=True)
class Wish:
    """A command that changes something.

    Attributes:
        tool: The tool that changes it.
        to: The value that it is to have; None for one that depends on what it has.
        by: What is added to the value that it has.
        times: What that is multiplied by.
    """

    tool: str
    to: float | None = None
    by: float = 0.0
    times: float = 1.0

    @property
    def unclear(self) -> bool:
        """Whether it would change nothing, as the number was not said."""
        return self.to is None and not self.by and self.times == 1

    def value(self, now: float) -> float:
        """Return the value that is wanted in place of the one that there is."""
        return self.to if self.to is not None else now * self.times + self.by


_BELOW_TWENTY = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = {
    **{word: value for value, word in enumerate(_BELOW_TWENTY)},
    **{word: 20 + 10 * place for place, word in enumerate(_TENS)},
}
_IN_WORDS = re.compile(rf"\b(?:{'|'.join(_NUMBERS)})(?:[\s-]+(?:{'|'.join(_NUMBERS)}))*\b")

# What is said in another way, and how a number is found after that.
_OTHERWISE = (
    (re.compile(r"\bone (?:more time|moment)\b"), ""),
    (re.compile(r"\bhalf a degree\b"), "0.5 degrees"),
    (re.compile(r"\b(?:a|another) degree\b"), "1 degree"),
    (re.compile(r"(\d+) and a half\b"), r"\1.5"),
    (re.compile(r"(\d+) point (\d+)\b"), r"\1.\2"),
    (re.compile(r"\b(?:minus|negative) (?=\d)"), "-"),
)
_N = r"(?<![\d.])(-?\d+(?:\.\d+)?)"

_POLITE = re.compile(
    r"^(?:[\s,]|(?:please|hello|hi|hey|ok|okay|well|so|and|then|now|no|yes|(?:can|could|would|will)"
    r" you)\b)+"
)
_QUESTION = re.compile(
    r"\b(?:what|what's|how|how's|why|when|where|which|who|whether|know|tell|say)\b"
    r"|^(?:is|isn't|are|was|were|does|do|did|has|have|will)\b"
)
_NOT = re.compile(r"\b(?:not|never|don't|stop)\b")

_SET = re.compile(
    r"\b(?:set|make|change|put|turn|raise|lower|increase|decrease|reduce|heat|cool|bring|adjust"
    r"|want|would like|i'd like|need|go to)\b"
)
_SPEED = re.compile(r"\b(?:response|respond|rate|percent|speed)\b|%")
_SLOWER = re.compile(r"\b(?:slower|slow (?:\w+ ){0,2}down|slowly|too fast|halve|half as)\b")
_FASTER = re.compile(r"\b(?:faster|quicker|quickly|speed|slow|double|twice as)\b")

_UP = ("warmer", "hotter", "higher", "heat", "raise", "increase", "up", "more", "too cold")
_DOWN = (
    *("colder", "cooler", "lower", "cool", "reduce", "decrease", "down", "less"),
    *("too hot", "too warm"),
)
_DIRECTIONS = "|".join((*_UP, *_DOWN))
# "by 3 degrees"; "two degrees warmer"; "lower it 2".
_BY = (
    re.compile(rf"\bby {_N}"),
    re.compile(rf"{_N}(?: degrees?| celsius)* (?:{_DIRECTIONS})\b"),
    re.compile(rf"\b(?:{_DIRECTIONS})(?: it| the \w+)? {_N}"),
)


def in_digits(text: str) -> str:
    """Return a text in lower case, with digits for the numbers up to ninety-nine in words.

    Args:
        text: What was said.
    """
    text = _IN_WORDS.sub(lambda found: _digits(found.group()), text.lower().replace("\u2212", "-"))
    for said, otherwise in _OTHERWISE:
        text = said.sub(otherwise, text)
    return text


def wish_in(text: str) -> Wish | None:
    """Find what a text wants changed; None for a question, and for what is none of both.

    Args:
        text: What was said.
    """
    said = _POLITE.sub("", in_digits(text))
    if _QUESTION.search(said) or _NOT.search(said):
        return None
    return _response_wish(said) or _target_wish(said)


def _response_wish(said: str) -> Wish | None:
    number = _first([re.compile(_N)], said)
    if number is not None and _SET.search(said) and _SPEED.search(said):
        shares = number <= 1 and "percent" not in said and "%" not in said
        return Wish(SET_RESPONSE, to=number if shares else number / 100)
    if _SLOWER.search(said):
        return Wish(SET_RESPONSE, times=0.5)
    return Wish(SET_RESPONSE, times=2) if _FASTER.search(said) else None


def _target_wish(said: str) -> Wish | None:
    sign = -1 if mentions(said, _DOWN) else 1 if mentions(said, _UP) else 0
    by = _first(_BY, said)
    if by is not None:
        return Wish(SET_TARGET, by=by if not sign else sign * abs(by))
    to = _first([re.compile(_N)], said)
    bare = re.match(rf"{_N} (?:degrees|celsius)", said)
    if to is not None and (bare or _SET.search(said)):
        return Wish(SET_TARGET, to=to)
    if sign:
        return Wish(SET_TARGET, by=sign * A_STEP_C)
    return Wish(SET_TARGET) if _SET.search(said) else None


def _first(patterns: Sequence[re.Pattern[str]], said: str) -> float | None:
    """Return the number that the first pattern finds."""
    found = next(filter(None, (pattern.search(said) for pattern in patterns)), None)
    return float(found.group(1)) if found else None


def _digits(words: str) -> str:
    """Return number words in digits; what is no number in English stays several."""
    numbers: list[int] = []
    for word in re.split(r"[\s-]+", words):
        value = _NUMBERS[word]
        if numbers and numbers[-1] >= 20 and numbers[-1] % 10 == 0 and 0 < value < 10:
            numbers[-1] += value
        else:
            numbers.append(value)
    return " ".join(map(str, numbers))
