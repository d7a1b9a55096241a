"""The sensor's scripts: a question changes nothing, and a command changes what it says."""

import json
from typing import Any

import pytest

from agents import Call, Say, Turn
from agents.sensor import script as lines
from agents.sensor.thermometer import Thermometer
from agents.sensor.wishes import in_digits


class Controlled:
    """A room whose controller's script really calls tools, without anything between them."""

    def __init__(self, trend_c_per_min: float = 0.0) -> None:
        self.room = Thermometer(noise_c=0.0)
        self.trend_c_per_min = trend_c_per_min

    def ask(self, question: str) -> str:
        messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
        for _ in range(4):
            reply = lines.controller_script(Turn(messages))
            if isinstance(reply, Say):
                return reply.text
            for call in reply:
                messages += self._called(call, f"call {len(messages)}")
        raise AssertionError(f"no answer to {question!r}, but {messages}")

    def _called(self, call: Call, call_id: str) -> list[dict[str, Any]]:
        now, room = self.room.temperature_c, self.room
        read: dict[str, float] = {}
        match call.tool:
            case "set_target":
                room.set_target(call.arguments["celsius"])
            case "set_response":
                room.set_response(call.arguments["per_s"])
            case "read_temperature":
                read = {"temperature_c": now}
            case "get_statistics":
                read = {"readings": 60, "latest_c": now, "min_c": 17.0, "max_c": 19.0}
                read |= {"mean_c": now, "trend_c_per_min": self.trend_c_per_min}
        read |= {"target_c": room.target_c, "response_per_s": room.response_per_s}
        function = {"name": call.tool, "arguments": json.dumps(call.arguments)}
        return [
            {"role": "assistant", "tool_calls": [{"id": call_id, "function": function}]},
            {"role": "tool", "tool_call_id": call_id, "content": json.dumps(read)},
        ]


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ("set it to twenty five degrees", 25),
        ("set it to 20", 20),
        ("Please set the target to 19.5 degrees.", 19.5),
        ("can you change it to twenty two", 22),
        ("could you make it 24 degrees please", 24),
        ("i want it to be twenty three degrees", 23),
        ("twenty two degrees please", 22),
        ("it is too cold, make it 23", 23),
        ("raise it to 24", 24),
        ("turn it down to eighteen", 18),
        ("set it to twenty-one and a half degrees", 21.5),
        ("set it to twenty one point five", 21.5),
        ("make it warmer", 23),
        ("make it a bit cooler please", 19),
        ("it is too cold in here", 23),
        ("it is too cold at 18 degrees", 23),
        ("turn the heat down", 19),
        ("make it colder by 3 degrees", 18),
        ("make it cooler by two degrees", 19),
        ("make it three degrees warmer", 24),
        ("lower the target by 2", 19),
        ("lower it 4 degrees", 17),
        ("two degrees more", 23),
        ("make it warmer by half a degree", 21.5),
        ("make it a degree colder", 20),
    ],
)
def test_a_command_sets_the_target(said: str, target: float) -> None:
    controlled = Controlled()
    assert controlled.ask(said) == f"The target is now {target:.1f} degrees."
    assert controlled.room.target_c == target


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ("set it to minus twenty", 5),
        ("set it to -20 degrees", 5),
        ("set it to ninety nine degrees", 35),
        ("make it colder by 30 degrees", 5),
    ],
)
def test_a_target_out_of_range_is_said_to_be_so(said: str, target: float) -> None:
    told = f"{lines.OUT_OF_RANGE} The target is now {target:.1f} degrees."
    assert Controlled().ask(said) == told


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("is it more than twenty degrees", "It is 18.0 degrees, and the target is 21.0."),
        ("what is the target, one more time", "It is 18.0 degrees, and the target is 21.0."),
        ("is it warmer than 20", "It is 18.0 degrees"),
        ("is it too cold", "It is 18.0 degrees"),
        ("can you tell me whether 25 degrees is too hot", "It is 18.0 degrees"),
        ("it is 18 degrees in here", "It is 18.0 degrees"),
        ("don't make it warmer", "It is 18.0 degrees"),
        ("why is it slow", "It covers 5 percent of the way every second."),
        ("what is the response rate", "It covers 5 percent of the way every second."),
        ("was the average above 20", "The mean of the last minute is 18.0 degrees."),
        ("the highest, the lowest and the target", "is 17.0 degrees. The target is 21.0."),
        ("set the temperature", lines.HOW_MANY),
    ],
)
def test_a_question_changes_nothing(said: str, answer: str) -> None:
    controlled = Controlled()
    assert answer in controlled.ask(said)
    assert controlled.room.target_c == 21
    assert controlled.room.response_per_s == 0.05


@pytest.mark.parametrize(
    ("said", "percent"),
    [
        ("make it slower", "2.5 percent of the way every second, half as much as before."),
        ("slow it down", "2.5 percent"),
        ("it is too fast", "2.5 percent"),
        ("make it faster", "10 percent of the way every second, twice as much as before."),
        ("speed up the response", "10 percent"),
        ("it is too slow", "10 percent"),
        ("set the response rate to 20 percent", "20 percent of the way every second."),
        ("set the response to 500 percent", "100 percent of the way every second, and it cannot"),
    ],
)
def test_a_command_sets_the_response(said: str, percent: str) -> None:
    controlled = Controlled()
    assert percent in controlled.ask(said)
    assert controlled.room.target_c == 21


@pytest.mark.parametrize(
    ("trend", "said", "answer"),
    [
        (1.23, "what is the trend", "It is rising by 1.2 degrees a minute."),
        (-2.0, "is it rising or falling", "It is falling by 2.0 degrees a minute."),
        (0.02, "what is the trend", "The trend is flat, at 18.0 degrees."),
        (3.0, "is it getting warmer", "It is rising by 3.0 degrees a minute."),
    ],
)
def test_the_trend_is_told(trend: float, said: str, answer: str) -> None:
    assert Controlled(trend).ask(said) == answer


TOOLS = frozenset({"ask_controller", "end_conversation"})


@pytest.mark.parametrize(
    ("said", "questions"),
    [
        ("what is the trend", ["what is the trend"]),
        ("the average and the trend", ["the average", "the trend"]),
        ("Make it warmer. What is the target?", ["Make it warmer", "What is the target"]),
        ("set it to 20.5 degrees", ["set it to 20.5 degrees"]),
        ("set it to twenty and a half", ["set it to twenty and a half"]),
        ("lower it by 2 then make it slower", ["lower it by 2", "make it slower"]),
    ],
)
def test_every_question_of_a_breath_is_passed_on(said: str, questions: list[str]) -> None:
    reply = lines.voice_script(Turn([{"role": "user", "content": said}], TOOLS))
    assert reply == [Call("ask_controller", {"question": each}) for each in questions]


def test_who_it_is_is_told() -> None:
    asked = Turn([{"role": "user", "content": "who are you"}], TOOLS)
    assert lines.voice_script(asked) == Say(lines.GREETING)


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("twenty five", "25"),
        ("minus twenty", "-20"),
        ("nineteen twenty one", "19 21"),
        ("someone", "someone"),
        ("twenty one point five", "21.5"),
    ],
)
def test_numbers_are_read_from_words(said: str, digits: str) -> None:
    assert in_digits(said) == digits
