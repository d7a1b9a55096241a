"""What the embedded model says for the voice and for the controller."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from agents.script import (
    BYE,
    END_CONVERSATION,
    HELLO,
    Call,
    Reply,
    Say,
    Turn,
    goodbye,
    mentions,
    words_of,
)

ASK_CONTROLLER = "ask_controller"

PHRASES = (
    "hello",
    "what is the temperature",
    "make it warmer",
    "make it cooler",
    "set it to twenty five degrees",
    "is it stable yet",
    "why is it slow",
    "speed up the response",
    "what was the highest reading",
    "what was the lowest reading",
    "what is the average",
    "what is the target",
    "thank you",
    "thank you goodbye",
    "goodbye",
)

GREETING = (
    "Hello, this is the voice of the thermostat. I am a script that stands in for a language "
    "model. Ask me how warm it is, or make it warmer."
)
FAREWELL = "Keep warm. Goodbye!"
THANKS = "You are welcome. Anything else?"
ASKED = "I have asked the controller and am waiting for its answer."
LOST = "I am only a script. Ask for the temperature, or tell me to make it warmer or cooler."
PROBLEM = "I am sorry, the controller could not answer. Please try again."
LOST_CONTROLLER = "I do not understand that; I only know about the temperature."

_BELOW_TWENTY = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_NUMBERS = {**{word: value for value, word in enumerate(_BELOW_TWENTY)}, "twenty": 20, "thirty": 30}

_WARMER = ("warmer", "hotter", "heat", "turn it up", "too cold")
_COOLER = ("cooler", "colder", "cool", "turn it down", "too hot", "too warm")
_FASTER = ("slow", "slower", "speed", "faster", "quicker", "response")
_STABLE = ("stable", "settled", "steady", "reached", "ready")
_HIGHEST = ("highest", "maximum", "hottest", "peak", "warmest")
_LOWEST = ("lowest", "minimum", "coldest", "coolest")
_AVERAGE = ("average", "mean")
_READ = ("temperature", "warm", "hot", "cold", "degrees", "target", "reading", "how is it")
_SET = ("set", "make it", "degrees", "target")
_ABOUT_IT = (
    *(*_WARMER, *_COOLER, *_FASTER, *_STABLE, *_HIGHEST, *_LOWEST, *_AVERAGE, *_READ, "set"),
)


def voice_script(turn: Turn) -> Reply:
    """Answer as the voice.

    Args:
        turn: The conversation so far.
    """
    if turn.tool_that_answered() == END_CONVERSATION:
        return Say(FAREWELL)
    answers = _unsaid(turn)
    if answers and turn.last_role != "user":
        return Say(" ".join(answers))
    if not turn.user_texts:
        return Say(GREETING)
    text = turn.user_texts[-1]
    if mentions(text, BYE):
        return goodbye(turn, FAREWELL)
    questions = [part for part in re.split(r"\band\b", text) if mentions(part, _ABOUT_IT)]
    if questions and ASK_CONTROLLER in turn.tools:
        return [Call(ASK_CONTROLLER, {"question": part.strip()}) for part in questions]
    if mentions(text, HELLO):
        return Say(GREETING)
    if len(turn.tool_calls(ASK_CONTROLLER)) > len(turn.results(ASK_CONTROLLER)):
        return Say(ASKED)
    return Say(THANKS if mentions(text, ("thank you", "thanks", "okay", "no")) else LOST)


def _unsaid(turn: Turn) -> list[str]:
    """Return the controller's answers that the caller has not heard yet."""
    said = " ".join(turn.assistant_texts)
    heard: Counter[str] = Counter()
    unsaid = []
    for result in turn.results(ASK_CONTROLLER):
        answer = str(result.get("answer", PROBLEM))
        heard[answer] += 1
        if heard[answer] > said.count(answer):
            unsaid.append(answer)
    return unsaid


def controller_script(turn: Turn) -> Reply:
    """Answer as the controller: read first, then change, then say.

    Args:
        turn: The controller's own conversation.
    """
    text = turn.user_texts[-1] if turn.user_texts else ""
    now = turn.since_user
    done = [*now.results("set_target"), *now.results("set_response")]
    if done:
        return Say(_set(done[-1], text))
    read = [*now.results("read_temperature"), *now.results("get_statistics")]
    if read:
        return _act(read[-1], text)
    wanted = _number_in(text)
    if wanted is not None and mentions(text, _SET):
        return (Call("set_target", {"celsius": wanted}),)
    if mentions(text, (*_STABLE, *_HIGHEST, *_LOWEST, *_AVERAGE)):
        return (Call("get_statistics"),)
    if mentions(text, _ABOUT_IT):
        return (Call("read_temperature"),)
    return Say(LOST_CONTROLLER)


def _act(read: Mapping[str, Any], text: str) -> Reply:
    """Say what was read, or change what was asked to be changed."""
    target = float(read["target_c"])
    if mentions(text, _WARMER):
        return (Call("set_target", {"celsius": target + 2}),)
    if mentions(text, _COOLER):
        return (Call("set_target", {"celsius": target - 2}),)
    if mentions(text, _FASTER):
        return (Call("set_response", {"per_s": float(read["response_per_s"]) * 2}),)
    if "readings" in read:
        return Say(_inspected(read, text))
    return Say(f"It is {read['temperature_c']:.1f} degrees, and the target is {target:.1f}.")


def _inspected(read: Mapping[str, Any], text: str) -> str:
    if mentions(text, _HIGHEST):
        return f"The highest reading of the last minute is {read['max_c']:.1f} degrees."
    if mentions(text, _LOWEST):
        return f"The lowest reading of the last minute is {read['min_c']:.1f} degrees."
    if mentions(text, _AVERAGE):
        return f"The mean of the last minute is {read['mean_c']:.1f} degrees."
    near = abs(read["mean_c"] - read["target_c"]) < 0.5
    if near and abs(read["trend_c_per_min"]) < 0.5:
        return f"Yes, it is stable at {read['mean_c']:.1f} degrees."
    return f"Not yet, it is {read['latest_c']:.1f} degrees on the way to {read['target_c']:.1f}."


def _set(done: Mapping[str, Any], text: str) -> str:
    if mentions(text, _FASTER):
        share = round(100 * done["response_per_s"])
        return f"It now covers {share} percent of the way every second, twice as much as before."
    return f"The target is now {done['target_c']:.1f} degrees."


def _number_in(text: str) -> float | None:
    """Return the number in a text, in digits or in words up to thirty-nine."""
    digits = re.search(r"\d+(?:\.\d+)?", text)
    if digits:
        return float(digits.group())
    found = [_NUMBERS[word] for word in words_of(text) if word in _NUMBERS]
    return float(sum(found)) if found else None
