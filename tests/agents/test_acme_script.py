"""Acme's script answers in any order of questions."""

import itertools
from typing import Any

import pytest

from agents import Call, Say, Turn
from agents.acme.script import FAREWELL, GREETING, PHRASES, assistant_script

TOOLS = frozenset({"end_conversation"})
WELCOME = {"role": "developer", "content": "Welcome the user."}


def answer(*said: str, tools: frozenset[str] = TOOLS) -> Any:
    """Hold a conversation and return the last reply."""
    messages: list[dict[str, Any]] = [WELCOME, {"role": "assistant", "content": GREETING}]
    reply: Any = None
    for text in said:
        messages.append({"role": "user", "content": text})
        reply = assistant_script(Turn(messages, tools))
        if isinstance(reply, Say):
            messages.append({"role": "assistant", "content": reply.text})
    return reply


def test_it_greets_and_says_that_it_is_a_script() -> None:
    reply = assistant_script(Turn([WELCOME], TOOLS))
    assert isinstance(reply, Say)
    assert "Acme" in reply.text
    assert "script" in reply.text


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How much are the rocket boots?", "$299"),
        ("what do the boots cost", "$299"),
        ("how fast can the boots go", "60 miles per hour"),
        ("How much does the invisible paint cost?", "$49 per can"),
        ("how long does the paint last", "24 hours"),
        ("What is the price of the tornado kit?", "$199"),
        ("does the tornado kit need batteries", "batteries are included"),
        ("Tell me about the tornado kit.", "portable tornado generator"),
        ("tell me about the rocket boots", "jet-powered"),
        ("what products do you have", "Rocket Boots for $299"),
        ("what is the cheapest product", "$49"),
        ("which one is the most expensive", "$299"),
        ("hello", "welcome to Acme"),
        ("thank you", "anything else"),
        ("i want to buy the rocket boots", "cannot take orders"),
        ("what is the meaning of life", "only a script"),
    ],
)
def test_it_answers_what_callers_ask(question: str, expected: str) -> None:
    assert expected in answer(question).text


def test_it_follows_up() -> None:
    assert "$49" in answer("how much are the rocket boots", "and the paint?").text
    assert "60 miles" in answer("tell me about the rocket boots", "how fast are they?").text
    assert "$199" in answer("tell me about the tornado kit", "how much is it").text


def test_it_repeats_itself_when_asked() -> None:
    first = answer("how much is the tornado kit")
    assert answer("how much is the tornado kit", "can you say that again").text == first.text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["thanks", "what about the boots again"], "$299"),
        (["hello", "how much are the boots", "how fast were they again"], "60 miles"),
        (["say that again"], GREETING),
        (["how much is the paint", "pardon", "please repeat that"], "$49"),
    ],
)
def test_again_repeats_only_what_nothing_else_was_asked_with(
    said: list[str], expected: str
) -> None:
    assert expected in answer(*said).text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["how much are the boots and the paint"], ["$299", "$49"]),
        (["how much are all three together"], ["$299", "$49", "$199", "Together that is $547."]),
        (["what do the paint and the kit cost in total"], ["$49", "$199", "$248."]),
        (["tell me about the boots and the kit", "how much are they together"], ["$498."]),
        (["tell me about everything"], ["jet-powered", "invisible for 24", "tornado generator"]),
    ],
)
def test_every_product_that_was_named_is_answered(said: list[str], expected: list[str]) -> None:
    text = answer(*said).text
    assert [words for words in expected if words not in text] == []


@pytest.mark.parametrize("said", ["who are you", "what are you?", "what can you do"])
def test_it_says_who_it_is(said: str) -> None:
    assert answer("how much are the boots", said).text == GREETING


@pytest.mark.parametrize("said", ["warranty?", "any warranty", "how long is the boots' warranty"])
def test_it_knows_the_warranty(said: str) -> None:
    assert "two years" in answer("how much are the boots", said).text


@pytest.mark.parametrize("bye", ["goodbye", "Thank you, goodbye.", "bye bye", "thanks bye"])
def test_goodbye_calls_the_tool_and_then_says_farewell(bye: str) -> None:
    (call,) = answer("how much are the boots", bye)
    assert isinstance(call, Call)
    assert call.tool == "end_conversation"
    made = {"id": "c", "function": {"name": call.tool, "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": bye},
        {"role": "assistant", "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "c", "content": "{}"},
    ]
    assert assistant_script(Turn(messages, TOOLS)) == Say(FAREWELL)


def test_without_the_tool_it_still_says_farewell() -> None:
    assert answer("goodbye", tools=frozenset()) == Say(FAREWELL)


def test_questions_are_answered_in_any_order() -> None:
    questions = {
        "how much are the rocket boots": "$299",
        "how long does the paint last": "24 hours",
        "does the kit need batteries": "batteries",
    }
    for order in itertools.permutations(questions):
        for upto in range(1, len(order) + 1):
            assert questions[order[upto - 1]] in answer(*order[:upto]).text


def test_everything_that_a_recogniser_is_taught_is_understood() -> None:
    lost = [phrase for phrase in PHRASES if "did not understand" in str(answer(phrase))]
    assert lost == []
