"""What a field may hold, in both layouts: taken apart, put together, and refused."""

import json
import types
from enum import Enum, StrEnum
from typing import Any

import msgspec
import pytest
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import TextFrame
from pipecat.metrics.metrics import (
    LLMTokenUsage,
    LLMUsageMetricsData,
    MetricsData,
    TTFBMetricsData,
)
from pipecat.processors.aggregators.llm_context import NOT_GIVEN, LLMContext, LLMSpecificMessage

from proxy.codec import kinds as k
from proxy.codec.binary import BINARY, from_ext, to_msgpack
from proxy.codec.catalog import Catalog
from proxy.codec.context import Context, Message, Tools, ToolsOrNotGiven
from proxy.codec.form import Form
from proxy.codec.kinds import Kind
from proxy.codec.models import OneModel
from proxy.codec.records import FrameId
from proxy.codec.stock import STOCK
from proxy.errors import CodecError


class Color(Enum):
    RED = 1
    BLUE = 2


class Mood(StrEnum):
    FINE = "fine"


class Loud(str):
    """Text that is more than text."""


CATALOG = Catalog()
TEXT_FRAME = CATALOG.frame_record(TextFrame)
assert TEXT_FRAME is not None
LLM_MODELS = OneModel(MetricsData, TTFBMetricsData, LLMUsageMetricsData)
USAGE = LLMUsageMetricsData(
    processor="llm", value=LLMTokenUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
)
SPECIAL = LLMSpecificMessage(llm="google", message={"parts": [1]})

_PLAIN = (str, int, float, bytes, list, tuple, dict, Enum)


def named(value: Any) -> str:
    """Name a parameter of a test, the same in every process."""
    if isinstance(value, Kind):
        return type(value).__name__
    return repr(value)[:40] if isinstance(value, _PLAIN) else type(value).__name__


def over_the_wire(data: Any, form: Form) -> Any:
    if form is STOCK:
        return json.loads(json.dumps(data))
    return msgspec.msgpack.decode(msgspec.msgpack.encode(data), ext_hook=from_ext)


both_forms = pytest.mark.parametrize("form", [BINARY, STOCK], ids=["binary", "stock"])


@both_forms
@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (k.Scalar(str), Loud("x"), "x"),
        (k.Scalar(float), 3, 3),
        (k.Scalar(float), 2.5, 2.5),
        (k.Bytes(), bytearray(b"\x00\xff"), b"\x00\xff"),
        (k.EnumMember(Color), Color.BLUE, Color.BLUE),
        (k.EnumMember(Mood), "fine", Mood.FINE),
        (k.EnumOrStr(Mood), "fine", Mood.FINE),
        (k.EnumOrStr(Mood), Loud("own"), "own"),
        (k.Json(), {"a": (1, Loud("x"), b"y", None)}, {"a": [1, "x", b"y", None]}),
        (k.Json(mapping=True), types.MappingProxyType({"a": 1}), {"a": 1}),
        (k.ListOf(k.Scalar(int)), (1, 2), [1, 2]),
        (k.FixedTuple(k.Scalar(int), k.Scalar(str)), [1, "x"], (1, "x")),
        (k.Optional(k.Scalar(int)), None, None),
        (LLM_MODELS, USAGE, USAGE),
        (Message(), SPECIAL, SPECIAL),
        (Message(in_context=False), SPECIAL, SPECIAL),
        (ToolsOrNotGiven(), NOT_GIVEN, NOT_GIVEN),
    ],
    ids=named,
)
def test_a_value_comes_back(form: Form, kind: Kind, value: Any, expected: Any) -> None:
    read = kind.read(over_the_wire(kind.write(value, "here", form), form), "here", form)
    assert read == expected
    assert type(read) is type(expected)


@both_forms
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (k.Scalar(str), 5),
        (k.Scalar(int), True),
        (k.Scalar(float), float("nan")),
        (k.Within(1, 8), 9),
        (k.Bytes(), "text"),
        (k.Choice("a"), "b"),
        (k.EnumMember(Color), "RED"),
        (k.EnumMember(Color), 1),
        (k.EnumOrStr(Mood), 5),
        (k.Json(), object()),
        (k.Json(), {1: 2}),
        (k.Json(mapping=True), [1]),
        (k.ListOf(k.Scalar(int)), "text"),
        (k.ListOf(k.Scalar(int)), {1}),
        (k.FixedTuple(k.Scalar(int)), (1, 2)),
        (k.FixedTuple(k.Scalar(int)), 1),
        (FrameId(), "1"),
        (LLM_MODELS, LLMTokenUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)),
        (Tools(), "text"),
        (Tools(), 5),
        (Context(), {"messages": []}),
        (Message(), "text"),
        (TEXT_FRAME, object()),
    ],
    ids=named,
)
def test_a_value_of_another_kind_is_not_written(form: Form, kind: Kind, value: Any) -> None:
    with pytest.raises(CodecError, match="here"):
        kind.write(value, "here", form)


@both_forms
@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (k.Scalar(str), b"bytes"),
        (k.Scalar(int), 1.0),
        (k.Bytes(), "text"),
        (k.EnumMember(Mood), "bad"),
        (k.EnumOrStr(Mood), 5),
        (k.Json(), {1: 2}),
        (k.Json(mapping=True), []),
        (k.ListOf(k.Scalar(int)), (1,)),
        (k.FixedTuple(k.Scalar(int)), [1, 2]),
        (Message(), "text"),
        (FrameId(), "1"),
    ],
    ids=named,
)
def test_something_else_on_the_wire_is_not_read(form: Form, kind: Kind, wire: Any) -> None:
    with pytest.raises(CodecError):
        kind.read(wire, "here", form)


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (k.EnumMember(Color), 1),
        (k.EnumMember(Color), "GREEN"),
        (LLM_MODELS, "text"),
        (LLM_MODELS, ["MetricsData"]),
        (LLM_MODELS, ["MetricsData", []]),
        (LLM_MODELS, ["LLMTokenUsage", {}]),
        (LLM_MODELS, ["MetricsData", {"processor": 5}]),
        (LLM_MODELS, ["MetricsData", {"processor": "x", "invented": 5}]),
        (LLM_MODELS, [1.5, {}]),
        (LLM_MODELS, [-1, {}]),
        (TEXT_FRAME, []),
        (Message(), LLMSpecificMessage(llm=5, message={})),  # type: ignore[arg-type]
        (Context(), []),
        (Context(), {}),
        (Context(), {"messages": [], "more": 1}),
        (Context(), {"messages": 5}),
        (Tools(), {}),
        (Tools(), {"standard_tools": {}}),
        (Tools(), {"standard_tools": [5]}),
        (Tools(), {"standard_tools": [{}]}),
        (Tools(), {"standard_tools": [{"name": "x", "description": 5}]}),
        (Tools(), {"standard_tools": [{"name": "x", "parameters": []}]}),
        (Tools(), {"standard_tools": [{"name": "x", "parameters": {"required": 5}}]}),
        (Tools(), {"standard_tools": [{"name": "x", "parameters": {"properties": 5}}]}),
        (Tools(), {"standard_tools": [], "custom_tools": []}),
        (Tools(), {"standard_tools": [], "custom_tools": {"invented": []}}),
        (Tools(), {"standard_tools": [], "custom_tools": {"openai": [5]}}),
    ],
    ids=named,
)
def test_parts_that_do_not_fit_together_are_not_read(kind: Kind, wire: Any) -> None:
    with pytest.raises(CodecError):
        kind.read(wire, "here", BINARY)


def test_a_plain_list_of_tools_is_taken_for_a_schema() -> None:
    read = Tools().read(Tools().write([], "here", BINARY), "here", BINARY)
    assert isinstance(read, ToolsSchema)
    assert read.standard_tools == []


@pytest.mark.parametrize(
    "wire",
    [
        {"__specific__": True, "llm": "google"},
        {"__specific__": True, "llm": 5, "message": {}},
    ],
    ids=named,
)
def test_a_vendors_message_has_a_vendor_and_a_content(wire: Any) -> None:
    with pytest.raises(CodecError):
        Message().read(wire, "here", STOCK)


def test_a_whole_conversation_stands_inside_a_frame() -> None:
    context = LLMContext(messages=[{"role": "user", "content": "x"}], tool_choice="auto")
    read = Context().read(Context().write(context, "here", BINARY), "here", BINARY)
    assert (read.messages, read.tool_choice) == (context.messages, "auto")


def test_a_record_that_never_crosses_is_neither_written_nor_read() -> None:
    record = CATALOG.frames["pipecat.frames.frames.StartFrame"]
    with pytest.raises(CodecError):
        record.write(object.__new__(record.cls), "here", BINARY)
    with pytest.raises(CodecError):
        record.read({}, "here", BINARY)


def test_msgpack_is_given_what_it_can_write_in_place_of_what_it_cannot() -> None:
    assert to_msgpack(types.MappingProxyType({"a": 1})) == {"a": 1}
    assert type(to_msgpack(Loud("x"))) is str
    with pytest.raises(NotImplementedError):
        to_msgpack(object())


def test_a_value_that_is_not_given_is_left_out_of_the_stock_layout() -> None:
    record = CATALOG.frame_record(CATALOG.frame_class("LLMSetToolsFrame"))
    assert record is not None
    frame = record.cls(tools=NOT_GIVEN)
    assert "tools" not in record.write_fields(frame, "here", STOCK)
