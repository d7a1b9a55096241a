from typing import Any

import pytest
from pipecat.processors.aggregators import async_tool_messages

from agents import Turn
from agents.script import MAX_LENGTH, MAX_WORDS, mentions, text_of, words_of


def test_a_turn_knows_who_spoke_last() -> None:
    turn = Turn(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "hi"},
            {"role": "user", "content": [{"type": "text", "text": "how are"}, {"text": "you"}]},
        ]
    )
    assert turn.last_role == "user"
    assert turn.last_text == "how are you"
    assert turn.user_texts == ["hello", "how are you"]
    assert turn.tool_that_answered() is None


def test_an_empty_conversation_is_no_error() -> None:
    assert (Turn([]).last_role, Turn([]).last_text, Turn([]).user_texts) == ("", "", [])


def test_a_turn_knows_which_tool_answered() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
    ]
    assert Turn(messages).tool_that_answered() == "look"
    assert Turn(messages[1:]).tool_that_answered() is None


def call(call_id: str, tool: str, arguments: str = "{}") -> dict[str, Any]:
    function = {"name": tool, "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": call_id, "function": function}]}


def test_a_turn_knows_what_tools_were_called_with_and_what_they_answered() -> None:
    later = async_tool_messages.build_started_message("c2")
    finished = async_tool_messages.build_final_result_message("c2", '{"found": 2}')
    cancelled = async_tool_messages.build_cancelled_message("c3")
    messages: list[Any] = [
        call("c1", "look", '{"at": "this"}'),
        {"role": "tool", "tool_call_id": "c1", "content": '{"found": 1}'},
        {"role": "assistant", "content": "I found it."},
        call("c2", "look", "not JSON"),
        later,
        call("c3", "look"),
        async_tool_messages.build_started_message("c3"),
        call("c4", "listen"),
        {"role": "tool", "tool_call_id": "c4", "content": "IN_PROGRESS"},
        {"role": "developer", "content": "Be brief."},
        finished,
        cancelled,
    ]
    turn = Turn(messages)
    assert turn.results("look") == [{"found": 1}, {"found": 2}]
    assert turn.results("listen") == []
    assert [made.arguments for made in turn.tool_calls("look")] == [{"at": "this"}, {}, {}]
    assert turn.assistant_texts == ["I found it."]


def test_text_is_found_in_every_form_of_content() -> None:
    assert text_of({"content": "plain"}) == "plain"
    assert text_of({"content": [{"text": "a"}, {"image_url": "x"}, {"text": "b"}]}) == "a b"
    assert text_of({"content": None}) == ""
    assert text_of({}) == ""


def test_words_are_lower_case_without_punctuation() -> None:
    assert words_of("That's $299, isn't it?") == ["that's", "299", "isn't", "it"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tell me about the tornado", ["tornado"]),
        ("two tornados please", ["tornado"]),
        ("how much is it", ["how much"]),
        ("how very much", []),
        ("kitten", []),
        ("the kit", ["kit"]),
        ("", []),
    ],
)
def test_near_misses_of_long_words_count(text: str, found: list[str]) -> None:
    assert mentions(text, ("tornado", "how much", "kit")) == found


def test_of_a_book_only_the_first_words_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def counting(word: str, possibilities: list[str], *_: float) -> list[str]:
        compared.append(sum(map(len, possibilities)))
        return []

    monkeypatch.setattr("agents.script.get_close_matches", counting)
    assert mentions("tornado " + "poducts " * 100_000, ("tornado", "gooodbye")) == ["tornado"]
    assert mentions("x" * 1_000_000, ("tornado",)) == []
    assert 0 < max(compared) <= MAX_LENGTH
    assert mentions("and " * MAX_WORDS + "tornado", ("tornado",)) == []
