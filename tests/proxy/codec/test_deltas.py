"""Conversations as differences: small, exact, and honest when they do not fit."""

import copy
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage

from proxy.codec.deltas import ContextMismatchError, ContextReader, ContextWriter
from proxy.errors import CodecError

LOOK = FunctionSchema("look", "Look something up.", {"what": {"type": "string"}}, ["what"])


def said(*texts: str) -> list[Any]:
    return [{"role": "user", "content": text} for text in texts]


class Ends:
    """Both ends of one direction."""

    def __init__(self) -> None:
        self.writer, self.reader = ContextWriter(), ContextReader()

    def over(self, context: LLMContext) -> LLMContext:
        return self.reader.read(wired(self.writer.write(context)))


def wired(delta: Any) -> Any:
    from proxy.codec.binary import from_ext

    return msgspec.msgpack.decode(msgspec.msgpack.encode(delta), ext_hook=from_ext)


def test_a_growing_conversation_crosses_as_what_was_added() -> None:
    ends, context = Ends(), LLMContext()
    for number in range(300):
        context.add_message({"role": "user", "content": f"sentence {number}"})
        keep, added, *_ = delta = ends.writer.write(context)
        assert keep == number
        assert msgspec.msgpack.decode(added) == said(f"sentence {number}")
        assert ends.reader.read(wired(delta)).messages == context.messages


def test_a_turn_is_as_large_after_200_messages_as_after_20() -> None:
    sizes = []
    for length in (20, 200):
        ends = Ends()
        context = LLMContext(messages=said(*("hello " * 10 for _ in range(length))))
        ends.over(context)
        context.add_message({"role": "user", "content": "and now?"})
        sizes.append(len(msgspec.msgpack.encode(ends.writer.write(context))))
    assert sizes[1] - sizes[0] <= 3  # the counts need a byte more each


@pytest.mark.parametrize("count", [15, 16, 65_535, 65_536])
def test_a_conversation_of_any_length_crosses(count: int) -> None:
    ends, context = Ends(), LLMContext(messages=[{} for _ in range(count)])  # type: ignore[misc]
    assert len(ends.over(context).messages) == count
    context.add_message({"role": "user", "content": "one more"})
    assert ends.over(context).messages[-1] == {"role": "user", "content": "one more"}


def test_the_same_conversation_again_is_next_to_nothing() -> None:
    ends, context = Ends(), LLMContext(messages=said("a", "b"))
    ends.over(context)
    assert ends.writer.write(context)[:2] == [2, b"\x90"]


def test_a_message_that_was_changed_in_place_arrives_changed() -> None:
    ends = Ends()
    pending: Any = {"role": "tool", "tool_call_id": "c", "content": "IN_PROGRESS"}
    context = LLMContext(messages=[*said("a"), pending, *said("b", "c")])
    ends.over(context)
    pending["content"] = '{"price": 299}'
    context.add_message({"role": "user", "content": "d"})
    keep, *_ = delta = ends.writer.write(context)
    assert keep == 1
    assert ends.reader.read(wired(delta)).messages == context.messages


def test_a_change_deep_inside_a_message_arrives() -> None:
    ends = Ends()
    parts: Any = [{"type": "text", "text": "look"}]
    looking: Any = {"role": "user", "content": parts}
    context = LLMContext(messages=[*said("a"), looking, *said("b")])
    ends.over(context)
    parts[0]["text"] = "look here"
    assert ends.over(context).messages == context.messages


def test_a_conversation_that_was_cut_or_replaced_arrives() -> None:
    ends = Ends()
    ends.over(LLMContext(messages=said("a", "b", "c", "d")))
    for texts in (("a", "b"), ("x", "y"), (), ("a", "b", "z"), ("a",)):
        assert ends.over(LLMContext(messages=said(*texts))).messages == said(*texts)


def test_whoever_receives_it_may_add_to_it() -> None:
    ends, context = Ends(), LLMContext(messages=said("a"))
    first = ends.over(context)
    first.add_message({"role": "user", "content": "mine"})
    assert ends.over(context).messages == context.messages
    context.set_messages([])
    assert ends.over(context).messages == []
    assert first.messages == said("a", "mine")


def test_messages_that_still_hold_are_those_of_the_last_conversation_as_in_one_process() -> None:
    ends = Ends()
    nested: Any = {"role": "user", "content": [{"type": "text", "text": "n"}]}
    context = LLMContext(messages=[*said("a"), nested, *said("b")])
    first = ends.over(context)
    context.messages[2]["content"] = "c"  # type: ignore[index]
    second = ends.over(context)
    assert [one is two for one, two in zip(first.messages, second.messages, strict=True)] == [
        True,
        True,
        False,
    ]
    assert second.messages == context.messages


def test_two_threads_write_at_once() -> None:
    def grow(word: str) -> bool:
        ends, context = Ends(), LLMContext()
        for number in range(200):
            context.add_message({"role": "user", "content": f"{word}{number}" * 20})
            if ends.over(context).messages != context.messages:
                return False
        return True

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(grow, "abcd")) == [True] * 4
    finally:
        sys.setswitchinterval(before)


def test_tools_cross_once_and_when_they_change() -> None:
    ends = Ends()
    context = LLMContext(messages=said("a"), tools=ToolsSchema([LOOK]), tool_choice="auto")
    assert ends.over(context).tools.standard_tools[0].name == "look"  # type: ignore[union-attr]
    context.add_message({"role": "user", "content": "b"})
    delta = ends.writer.write(context)
    assert delta[4] is None
    read = ends.reader.read(wired(delta))
    assert read.tools.standard_tools[0].name == "look"  # type: ignore[union-attr]
    assert read.tool_choice == "auto"
    context.set_tools()
    assert not getattr(ends.over(context).tools, "standard_tools", None)


def test_a_vendors_own_message_crosses() -> None:
    ends = Ends()
    special = LLMSpecificMessage(llm="google", message={"parts": [1, "x"]})
    context = LLMContext(messages=[*said("a"), special])
    assert ends.over(context).get_messages() == context.get_messages()
    context.add_message({"role": "user", "content": "b"})
    assert ends.over(context).get_messages() == context.get_messages()
    context.get_messages()[0]["content"] = "c"  # type: ignore[index]
    assert ends.over(context).get_messages() == context.get_messages()


def test_a_vendors_own_message_crosses_wherever_it_is_put() -> None:
    ends = Ends()
    special = LLMSpecificMessage(llm="google", message={"parts": [1, "x"]})
    context = LLMContext(messages=said("a", "b"))
    assert ends.over(context).get_messages() == context.get_messages()
    context.add_message(special)
    assert ends.over(context).get_messages() == context.get_messages()
    context.set_messages([special, *said("b")])
    assert ends.over(context).get_messages() == context.get_messages()
    context.set_messages(said("a", "b"))
    assert ends.over(context).get_messages() == context.get_messages()
    context.set_messages([*said("a"), special])
    assert ends.over(context).get_messages() == context.get_messages()


def test_after_a_conversation_that_has_no_form_nothing_is_taken_as_known() -> None:
    ends = Ends()
    ends.over(LLMContext(messages=said("a")))
    with pytest.raises(CodecError):
        dated: list[Any] = [*said("a", "b"), {"role": "user", "content": datetime.now(UTC)}]
        ends.writer.write(LLMContext(messages=dated))
    special = LLMSpecificMessage(llm="google", message="x")
    context = LLMContext(messages=[*said("a"), special])
    assert ends.over(context).get_messages() == context.get_messages()


def test_what_json_lacks_crosses_as_its_text() -> None:
    number = uuid.uuid4()
    context = LLMContext(messages=[{"role": "user", "content": number}])  # type: ignore[list-item]
    assert Ends().over(context).messages == said(str(number))


@pytest.mark.parametrize(
    "content", [object(), lambda: None, datetime.now(UTC), {1: 2, "b": datetime.now(UTC)}, 2**70]
)
def test_what_has_no_form_is_an_error_here_and_not_there(content: Any) -> None:
    writer = ContextWriter()
    writer.write(LLMContext(messages=said("a")))
    with pytest.raises(CodecError, match=r"LLMContextFrame\.context"):
        writer.write(LLMContext(messages=[*said("a"), {"role": "user", "content": content}]))
    assert writer.write(LLMContext(messages=said("a")))[0] == 1


def test_what_looks_like_a_date_and_is_none_crosses() -> None:
    context = LLMContext(messages=[{"role": "user", "content": -1}])  # type: ignore[list-item]
    assert b"\xff" in msgspec.msgpack.encode(-1)
    assert Ends().over(context).messages == context.messages


def test_something_else_than_a_conversation_is_an_error() -> None:
    with pytest.raises(CodecError, match="expected a conversation"):
        ContextWriter().write({"messages": []})


def test_a_difference_to_something_that_is_not_there_is_a_mismatch() -> None:
    writer, reader = ContextWriter(), ContextReader()
    context = LLMContext(messages=said("a"))
    writer.write(context)
    context.add_message({"role": "user", "content": "b"})
    with pytest.raises(ContextMismatchError):
        reader.read(wired(writer.write(context)))
    writer.forget()
    assert reader.read(wired(writer.write(context))).messages == context.messages


def test_a_difference_to_something_else_is_a_mismatch() -> None:
    ends = Ends()
    ends.over(LLMContext(messages=said("a", "b")))
    strayed = copy.deepcopy(ends.reader)
    strayed.read(wired(ContextWriter().write(LLMContext(messages=said("a", "x")))))
    delta = ends.writer.write(LLMContext(messages=said("a", "b", "c")))
    with pytest.raises(ContextMismatchError):
        strayed.read(wired(delta))
    with pytest.raises(ContextMismatchError):  # what it had is forgotten
        strayed.read(wired(delta))
    assert ends.reader.read(wired(delta)).messages == said("a", "b", "c")


GOOD = [0, msgspec.msgpack.encode(said("a")), 17, 0, {}]


@pytest.mark.parametrize(
    "wire",
    [
        None,
        {},
        [],
        GOOD[:4],
        [-1, *GOOD[1:]],
        ["0", *GOOD[1:]],
        [True, *GOOD[1:]],
        [0, "text", *GOOD[2:]],
        [0, b"", *GOOD[2:]],
        [0, b"\xc1", *GOOD[2:]],
        [0, b"\x92\x01", *GOOD[2:]],
        [0, b"\x91\x01", *GOOD[2:]],
        [0, b"\x91\x81\x01\x02", *GOOD[2:]],
        [0, b"\x91" * 5000, *GOOD[2:]],
        [0, msgspec.msgpack.encode([{"at": datetime.now(UTC)}]), *GOOD[2:]],
        [*GOOD[:4], None],
        [*GOOD[:4], []],
        [*GOOD[:4], {"tools": 5}],
    ],
)
def test_what_is_no_difference_is_refused(wire: Any) -> None:
    with pytest.raises(CodecError, match=r"LLMContextFrame\.context"):
        ContextReader().read(wire)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
MESSAGES = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), max_size=40)


@pytest.mark.uncounted
@given(st.lists(MESSAGES, max_size=6))
def test_any_run_of_conversations_arrives_as_it_was(conversations: list[list[Any]]) -> None:
    ends = Ends()
    for messages in conversations:
        expected = copy.deepcopy(messages)
        assert ends.over(LLMContext(messages=messages)).get_messages() == expected
