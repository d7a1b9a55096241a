"""What the embedded model says for the voice and for the controller."""

import math
import re
from collections import Counter
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
)
from agents.sensor.thermometer import MAX_TARGET_C, MIN_TARGET_C
from agents.sensor.wishes import SET_RESPONSE, SET_TARGET, Wish, wish_in

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
    "what is the trend",
    "make it slower",
    "make it colder by three degrees",
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
OUT_OF_RANGE = f"That is out of range, which is {MIN_TARGET_C:g} to {MAX_TARGET_C:g} degrees."
HOW_MANY = "To how many degrees? Say it in one sentence, as in: set it to twenty degrees."
SPEED_IT_UP = "Tell me to speed it up or to slow it down."
LOST_CONTROLLER = "I do not understand that; I only know about the temperature."

_RATE = ("slow", "slower", "fast", "faster", "quick", "speed", "response", "rate", "percent")
_STABLE = ("stable", "settled", "steady", "reached", "ready")
_HIGHEST = ("highest", "maximum", "hottest", "peak", "warmest")
_LOWEST = ("lowest", "minimum", "coldest", "coolest")
_AVERAGE = ("average", "mean")
_TREND = (
    *("trend", "rising", "falling", "climbing", "dropping", "increasing", "decreasing"),
    *("going up", "going down", "getting"),
)
_READ = ("temperature", "warm", "hot", "cold", "warmer", "cooler", "colder", "degrees", "target")
_STATISTICS = (*_STABLE, *_HIGHEST, *_LOWEST, *_AVERAGE, *_TREND)
_ABOUT_IT = (*_RATE, *_STATISTICS, *_READ, "reading", "how is it", "thermostat")

# Where another question or command begins; "twenty and a half" is one number.
_BREAK = re.compile(r"\band\b(?! a half)|\bthen\b|[?!;]|\.(?!\d)")


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
    questions = [part for part in _BREAK.split(text) if mentions(part, _ABOUT_IT) or wish_in(part)]
    if questions and ASK_CONTROLLER in turn.tools:
        return [Call(ASK_CONTROLLER, {"question": part.strip()}) for part in questions]
    if mentions(text, (*HELLO, *WHO)):
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


# The tools round what they say.
_ROUNDING = 0.001


def controller_script(turn: Turn) -> Reply:
    """Answer as the controller: read first, then change, then say.

    Args:
        turn: The controller's own conversation.
    """
    text = turn.user_texts[-1] if turn.user_texts else ""
    wish = wish_in(text)
    now = turn.since_user
    if wish is not None and now.results(wish.tool):
        return Say(_set(wish, now.results(wish.tool)[-1], now.tool_calls(wish.tool)[-1]))
    read = [*now.results("read_temperature"), *now.results("get_statistics")]
    if read:
        return _act(wish, read[-1]) if wish is not None else Say(_told(read[-1], text))
    if wish is not None and wish.unclear:
        return Say(HOW_MANY)
    if wish is not None and wish.to is not None:
        return _act(wish, {})
    if wish is None and mentions(text, _STATISTICS):
        return (Call("get_statistics"),)
    if wish is not None or mentions(text, _ABOUT_IT):
        return (Call("read_temperature"),)
    return Say(LOST_CONTROLLER)


def _act(wish: Wish, read: Mapping[str, Any]) -> Reply:
    """Change what was asked to be changed."""
    argument, kept = _KEPT[wish.tool]
    return (Call(wish.tool, {argument: round(wish.value(float(read.get(kept, 0))), 4)}),)


# What each tool sets, and under which name it is read.
_KEPT = {SET_TARGET: ("celsius", "target_c"), SET_RESPONSE: ("per_s", "response_per_s")}


def _set(wish: Wish, done: Mapping[str, Any], asked: Call) -> str:
    """Say what is set now, and that it is not what was asked for where it is not."""
    argument, kept = _KEPT[wish.tool]
    wanted = float(asked.arguments[argument])
    at_limit = not math.isclose(wanted, float(done[kept]), rel_tol=_ROUNDING)
    if wish.tool == SET_TARGET:
        target = f"The target is now {done['target_c']:.1f} degrees."
        return f"{OUT_OF_RANGE} {target}" if at_limit else target
    now = f"It now covers {_percent(done)} of the way every second"
    if at_limit:
        return f"{now}, and it cannot go further."
    change = {2: ", twice as much as before", 0.5: ", half as much as before"}
    return f"{now}{change.get(wish.times, '')}."


def _told(read: Mapping[str, Any], text: str) -> str:
    """Say everything that was asked for, of what was read."""
    target = f"the target is {read['target_c']:.1f}"
    if "readings" not in read:
        if mentions(text, _RATE):
            return f"It covers {_percent(read)} of the way every second. {SPEED_IT_UP}"
        return f"It is {read['temperature_c']:.1f} degrees, and {target}."
    answers = [
        said(read)
        for words, said in (
            (_HIGHEST, _highest),
            (_LOWEST, _lowest),
            (_AVERAGE, _average),
            (_TREND, _trend),
            (_STABLE, _stability),
        )
        if mentions(text, words)
    ]
    also = [f"T{target[1:]}."] if mentions(text, ("target",)) else []
    return " ".join([*answers, *also])


def _highest(read: Mapping[str, Any]) -> str:
    return f"The highest reading of the last minute is {read['max_c']:.1f} degrees."


def _lowest(read: Mapping[str, Any]) -> str:
    return f"The lowest reading of the last minute is {read['min_c']:.1f} degrees."


def _average(read: Mapping[str, Any]) -> str:
    return f"The mean of the last minute is {read['mean_c']:.1f} degrees."


def _trend(read: Mapping[str, Any]) -> str:
    trend = float(read["trend_c_per_min"])
    if abs(trend) < 0.1:
        return f"The trend is flat, at {read['latest_c']:.1f} degrees."
    way = "rising" if trend > 0 else "falling"
    return f"It is {way} by {abs(trend):.1f} degrees a minute."


def _stability(read: Mapping[str, Any]) -> str:
    near = abs(read["mean_c"] - read["target_c"]) < 0.5
    if near and abs(read["trend_c_per_min"]) < 0.5:
        return f"Yes, it is stable at {read['mean_c']:.1f} degrees."
    return f"Not yet, it is {read['latest_c']:.1f} degrees on the way to {read['target_c']:.1f}."


def _percent(settings: Mapping[str, Any]) -> str:
    return f"{100 * float(settings['response_per_s']):.3g} percent"
