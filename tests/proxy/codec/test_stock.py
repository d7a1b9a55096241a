"""The stock dialect: what Pipecat writes we read, what we write Pipecat reads, nothing else."""

import json
from typing import Any

import pytest
from pipecat.bus.messages import BusEndMessage, BusFrameMessage, BusJobRequestMessage, BusMessage
from pipecat.bus.serializers import JSONMessageSerializer
from pipecat.frames.frames import (
    AggregatedTextFrame,
    ErrorFrame,
    Frame,
    FunctionCallResultFrame,
    ImageRawFrame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMSetToolsFrame,
    LLMTextFrame,
    OutputTransportMessageFrame,
    PipelineFlushFrame,
    SpriteFrame,
    StartFrame,
    TextFrame,
    TTSTextFrame,
)
from pipecat.processors.aggregators.llm_context import NOT_GIVEN, LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.text.base_text_aggregator import TextType

from proxy.codec.catalog import Catalog
from proxy.codec.records import Record, foreign_id
from proxy.codec.stock import StockCodec
from proxy.errors import CodecError, UnknownTypeError
from tests.proxy.codec import samples
from tests.proxy.codec.samples import differences, sample_record

CATALOG = Catalog()
CODEC = StockCodec(CATALOG)
STOCK = JSONMessageSerializer()

FRAMES = [record for record in CATALOG.frames.values() if record.never is None]
MESSAGES = [record for record in CATALOG.messages.values() if record.never is None]


def name_of(record: Record) -> str:
    return record.name


def carried(frame: Frame) -> BusFrameMessage:
    return BusFrameMessage(source="main", frame=frame, direction=FrameDirection.UPSTREAM)


def through(frame: Frame) -> Frame:
    message = CODEC.decode(CODEC.encode(carried(frame)))
    assert isinstance(message, BusFrameMessage)
    return message.frame


def wire(frame_type: str, **fields: Any) -> bytes:
    """A frame message as a peer could forge it."""
    return json.dumps(
        {
            "__type__": "pipecat.bus.messages.BusFrameMessage",
            "__data__": {
                "source": "main",
                "frame": {"__type__": frame_type, "__data__": fields},
                "direction": {
                    "__type__": "pipecat.processors.frame_processor.FrameDirection",
                    "__data__": "DOWNSTREAM",
                },
            },
        }
    ).encode()


TEXT = "pipecat.frames.frames.TextFrame"


@pytest.mark.parametrize("record", FRAMES, ids=name_of)
def test_every_frame_comes_back_with_all_its_fields(record: Record) -> None:
    frame = sample_record(record, CATALOG)
    assert list(differences(frame, through(frame))) == []


@pytest.mark.parametrize("record", MESSAGES, ids=name_of)
def test_every_message_comes_back_with_all_its_fields(record: Record) -> None:
    message = sample_record(record, CATALOG)
    assert list(differences(message, CODEC.decode(CODEC.encode(message)))) == []


# The stock serialiser cannot write a tuple and drops the size of every image.
IMAGES = frozenset(
    record.name for record in FRAMES if issubclass(record.cls, ImageRawFrame | SpriteFrame)
)


@pytest.mark.parametrize("record", FRAMES, ids=name_of)
def test_what_the_stock_serialiser_writes_is_read(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "REFERENCE", 11)
    data = STOCK.serialize(carried(sample_record(record, CATALOG)))
    if record.name in IMAGES:
        with pytest.raises(CodecError, match="size: missing"):
            CODEC.decode(data)
        return
    message = CODEC.decode(data)
    assert isinstance(message, BusFrameMessage)
    assert type(message.frame) is record.cls


@pytest.mark.parametrize(
    "record", [record for record in FRAMES if record.name not in IMAGES], ids=name_of
)
def test_what_we_write_is_what_the_stock_serialiser_writes_without_ids(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "REFERENCE", 11)
    message = carried(sample_record(record, CATALOG))
    ours, theirs = json.loads(CODEC.encode(message)), json.loads(STOCK.serialize(message))
    assert without(ours, record) == without(theirs, record)
    assert STOCK.deserialize(CODEC.encode(message)) is not None


def without(wire: Any, record: Record) -> Any:
    """Leave out what stays on our side, wherever it stands."""
    stays = {"id", "name", "num_frames", "on_context_updated", *record.stays}
    if isinstance(wire, list):
        return [without(item, record) for item in wire]
    if not isinstance(wire, dict):
        return wire
    return {key: without(value, record) for key, value in wire.items() if key not in stays}


def test_a_frame_gets_an_id_of_this_process() -> None:
    first, second = TextFrame("one"), TextFrame("two")
    assert through(first).id not in (first.id, second.id)
    assert through(first).name != first.name


def test_a_spoken_word_still_names_its_sentence() -> None:
    sentence = AggregatedTextFrame("Hello there.", TextType.SENTENCE)
    word = TTSTextFrame("Hello", TextType.WORD, segment_id=sentence.id)
    sentence_there, word_there = through(sentence), through(word)
    assert isinstance(word_there, TTSTextFrame)
    assert word_there.segment_id == sentence_there.id == foreign_id(sentence.id)


def test_a_member_of_an_enum_stays_one() -> None:
    frame = through(AggregatedTextFrame("Hello.", TextType.SENTENCE))
    assert isinstance(frame, AggregatedTextFrame)
    assert frame.text_type is TextType.SENTENCE


def test_tools_cross_as_their_description() -> None:
    async def look(params: Any, what: str) -> None:
        """Look something up.

        Args:
            what: What to look up.
        """

    frame = through(LLMSetToolsFrame(tools=[look]))
    assert isinstance(frame, LLMSetToolsFrame)
    assert frame.tools.standard_tools[0].to_default_dict()["name"] == "look"  # type: ignore[union-attr]


def test_a_context_without_tools_has_none_on_the_other_side() -> None:
    frame = through(LLMContextFrame(context=LLMContext(messages=[])))
    assert isinstance(frame, LLMContextFrame)
    assert frame.context.tools is NOT_GIVEN
    assert frame.context.tool_choice is NOT_GIVEN


def test_an_event_stays_at_home() -> None:
    import asyncio

    probe = through(PipelineFlushFrame(event=asyncio.Event(), origin="greeter", flush_id=5))
    assert isinstance(probe, PipelineFlushFrame)
    assert (probe.event, probe.origin, probe.flush_id) == (None, "greeter", 5)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"{}",
        b'{"__type__": 3, "__data__": {}}',
        b'{"__type__": "bytes", "__data__": "AAAA"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 10_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_rubbish_is_a_codec_error(data: bytes) -> None:
    with pytest.raises(CodecError):
        CODEC.decode(data)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "antigravity.x",
        "this.d",
        "subprocess.Popen",
        "pipecat.frames.frames.obj_id",
        "pipecat.frames.frames.StartFrame",
        "pipecat.frames.frames.Frame",
        "pipecat.workers.runner.WorkerRunner",
        "",
        "x" * 10_000,
    ],
    ids=lambda name: name[:30],
)
def test_a_name_that_is_not_in_the_table_imports_nothing(name: str) -> None:
    import sys

    before = set(sys.modules)
    with pytest.raises(CodecError):
        CODEC.decode(wire(name))
    with pytest.raises(UnknownTypeError):
        CODEC.decode(json.dumps({"__type__": name, "__data__": {}}).encode())
    with pytest.raises(CodecError):
        CODEC.decode(
            wire(TEXT, text="x", metadata={"a": [{"__type__": name, "__data__": {"x": 1}}]})
        )
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": None},
        {"text": 5},
        {"text": ["a"]},
        {"text": "x", "pts": "soon"},
        {"text": "x", "pts": True},
        {"text": "x", "metadata": [1]},
        {"text": "x", "interruptible": 1},
        {"text": "x", "broadcast_sibling_id": -4},
        {"text": "x", "transport_destination": {"__type__": "bytes", "__data__": "AAAA"}},
        {"text": "x", "metadata": {"a": {"__type__": "bytes", "__data__": "?"}}},
    ],
    ids=str,
)
def test_a_field_that_does_not_fit_its_type_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(CodecError) as refused:
        CODEC.decode(wire(TEXT, **fields))
    assert "TextFrame" in str(refused.value) or "expected" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("InputAudioRawFrame", {"audio": "AAAA", "sample_rate": 16000, "num_channels": 1}),
        (
            "InputAudioRawFrame",
            {
                "audio": {"__type__": "bytes", "__data__": "AAAA"},
                "sample_rate": 16000,
                "num_channels": 0,
            },
        ),
        ("OutputDTMFFrame", {}),
        ("MetricsFrame", {"data": [{"__type__": "os.system", "__data__": {}}]}),
        (
            "MetricsFrame",
            {
                "data": [
                    {
                        "__type__": "pipecat.metrics.metrics.TTFBMetricsData",
                        "__data__": {"processor": 1, "value": "x"},
                    }
                ]
            },
        ),
        ("LLMMessagesAppendFrame", {"messages": "hello"}),
        ("LLMMessagesAppendFrame", {"messages": [{"__type__": "os.system", "__data__": {}}]}),
        ("LLMSetToolsFrame", {"tools": {"__type__": "os.system", "__data__": {}}}),
        (
            "LLMContextFrame",
            {
                "context": {
                    "__type__": "pipecat.processors.aggregators.llm_context.LLMContext",
                    "__data__": {"messages": [], "run": True},
                }
            },
        ),
        (
            "SpriteFrame",
            {"images": [{"__type__": TEXT, "__data__": {"text": "not an image"}}]},
        ),
        ("InputFileRawFrame", {"file": "x", "type": "path", "format": "y"}),
        ("InputDTMFFrame", {"button": "A"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parts_that_do_not_fit_are_refused(name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(CodecError):
        CODEC.decode(wire(f"pipecat.frames.frames.{name}", **fields))


def test_an_error_never_repeats_what_was_said() -> None:
    with pytest.raises(CodecError) as refused:
        CODEC.decode(wire(TEXT, text=["my secret is 1234"]))
    assert "1234" not in str(refused.value)
    with pytest.raises(CodecError) as refused:
        CODEC.encode(carried(FunctionCallResultFrame("f", "c", {}, result=object())))
    assert "object at" not in str(refused.value)


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, {"a": {3, 4}}, float, lambda: None], ids=lambda v: type(v).__name__
)
def test_a_value_that_cannot_be_written_is_an_error_not_a_lost_field(value: Any) -> None:
    with pytest.raises(CodecError):
        CODEC.encode(carried(OutputTransportMessageFrame(message=value)))


def test_endless_nesting_is_refused_in_both_directions() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    with pytest.raises(CodecError, match="nested deeper"):
        CODEC.encode(carried(OutputTransportMessageFrame(message=deep)))
    with pytest.raises(CodecError, match="nested deeper"):
        CODEC.decode(wire("pipecat.frames.frames.OutputTransportMessageFrame", message=deep))


def test_a_subclass_of_a_known_frame_does_not_pass_for_it() -> None:
    class Disguised(TextFrame):
        pass

    with pytest.raises(CodecError):
        CODEC.encode(carried(Disguised("hello")))


def test_a_message_that_never_crosses_cannot_be_written() -> None:
    class OwnMessage(BusMessage):
        pass

    with pytest.raises(UnknownTypeError):
        CODEC.encode(OwnMessage(source="a"))
    with pytest.raises(CodecError):
        CODEC.encode(carried(StartFrame()))


def test_the_type_of_a_frame_is_known_without_reading_it() -> None:
    audio = InputAudioRawFrame(audio=bytes(640), sample_rate=16000, num_channels=1)
    assert CODEC.peek_frame(STOCK.serialize(carried(audio))) is InputAudioRawFrame
    assert CODEC.peek_frame(CODEC.encode(carried(LLMTextFrame("hi")))) is LLMTextFrame


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        CODEC.encode(BusEndMessage(source="a", reason="bye")),
        CODEC.encode(BusJobRequestMessage(source="a", target="b", job_id="1")),
        json.dumps({"__data__": {}, "__type__": "pipecat.bus.messages.BusFrameMessage"}).encode(),
        wire("no.such.Frame"),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_cannot_be_peeked_at_is_left_to_the_decoder(data: bytes) -> None:
    assert CODEC.peek_frame(data) is None


def test_an_error_of_one_side_is_not_fatal_on_the_other() -> None:
    frame = ErrorFrame("it broke")
    frame.fatal = True
    there = through(frame)
    assert isinstance(there, ErrorFrame)
    assert there.fatal is False
