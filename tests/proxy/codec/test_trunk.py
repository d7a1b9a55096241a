"""The binary dialect: everything that may cross comes back, small, checked, and nothing else."""

import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from pipecat.bus.messages import BusFrameMessage, BusJobRequestMessage, BusMessage
from pipecat.frames.frames import (
    AggregatedTextFrame,
    DataFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    StartFrame,
    TextFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage
from pipecat.utils.text.base_text_aggregator import TextType

from proxy.codec.binary import specific_ext
from proxy.codec.catalog import Catalog
from proxy.codec.numbers import FIELD_NUMBERS, FIELDS, FRAMES, MESSAGE_NUMBERS, MESSAGES
from proxy.codec.records import Record
from proxy.codec.trunk import TrunkCodec, read_envelope, write_envelope
from proxy.errors import CodecError, UnknownTypeError
from proxy.filter import CROSSING_MESSAGES
from proxy.wire import FrameEnvelope, MessageEnvelope, numbered
from tests.proxy.codec.samples import differences, sample_record

CATALOG = Catalog()

CROSSING = [record for record in CATALOG.frames.values() if record.never is None]
MESSAGE_RECORDS = [
    record for record in CATALOG.messages.values() if record.cls in CROSSING_MESSAGES
]


def name_of(record: Record) -> str:
    return record.name


def over(frame: Frame, sender: TrunkCodec, reader: TrunkCodec) -> Any:
    key, fields = sender.pack_frame(frame)
    envelope = read_envelope(write_envelope(FrameEnvelope(1, key, fields)))
    assert isinstance(envelope, FrameEnvelope)
    return reader.unpack_frame(envelope.frame, envelope.fields)


def through(frame: Frame) -> Any:
    return over(frame, TrunkCodec(CATALOG), TrunkCodec(CATALOG))


def there_and_back(frame: Frame) -> Any:
    """Cross twice, after which references to other frames are as they were."""
    return through(through(frame))


def message_through(message: BusMessage) -> BusMessage:
    key, fields = TrunkCodec(CATALOG).pack_message(message)
    envelope = read_envelope(write_envelope(MessageEnvelope(1, key, fields, 0, 0)))
    assert isinstance(envelope, MessageEnvelope)
    return TrunkCodec(CATALOG).unpack_message(
        envelope.message, envelope.fields, message.source, str(message.target)
    )


def forged(key: int | str, **fields: Any) -> Frame:
    """Read a frame with fields as a peer could forge them."""
    data = write_envelope(
        FrameEnvelope(1, key, {FIELD_NUMBERS.get(name, name): v for name, v in fields.items()})
    )
    envelope = read_envelope(data)
    assert isinstance(envelope, FrameEnvelope)
    return TrunkCodec(CATALOG).unpack_frame(envelope.frame, envelope.fields)


@pytest.mark.parametrize("record", CROSSING, ids=name_of)
def test_every_frame_comes_back_with_all_its_fields(record: Record) -> None:
    frame = sample_record(record, CATALOG)
    assert list(differences(frame, there_and_back(frame))) == []


@pytest.mark.parametrize("record", CROSSING, ids=name_of)
def test_every_frame_comes_back_as_its_class_builds_it(record: Record) -> None:
    """With as little said as the class allows, defaults on the other side are the class's own."""
    full = sample_record(record, CATALOG)
    needed = {field.name for field in record.fields if field.required} | {*record.filled}
    given = {name: getattr(full, name) for name in needed}
    if record.name in ("OutputDTMFFrame", "OutputDTMFUrgentFrame"):
        given["button"] = full.button
    frame = record.cls(**given)
    read = there_and_back(frame)
    assert list(differences(frame, read)) == []
    assert vars(read).keys() == vars(frame).keys()
    assert read.metadata is not through(frame).metadata


@pytest.mark.parametrize("record", MESSAGE_RECORDS, ids=name_of)
def test_every_message_comes_back_with_all_its_fields(record: Record) -> None:
    message = sample_record(record, CATALOG)
    assert list(differences(message, message_through(message))) == []


def test_every_name_that_crosses_has_a_number() -> None:
    assert {record.name for record in CROSSING} <= set(FRAMES)
    assert {record.name for record in MESSAGE_RECORDS} == set(MESSAGES)
    names = {field.name for record in (*CROSSING, *MESSAGE_RECORDS) for field in record.fields}
    assert names - {"source", "target"} <= set(FIELDS)


@pytest.mark.parametrize("names", [FRAMES, MESSAGES, FIELDS], ids=["frames", "messages", "fields"])
def test_a_number_stands_for_one_name(names: tuple[str, ...]) -> None:
    assert len(set(names)) == len(names) < 128  # one byte each


def test_a_text_frame_is_small() -> None:
    key, fields = TrunkCodec(CATALOG).pack_frame(LLMTextFrame("hello "))
    assert len(numbered(write_envelope(FrameEnvelope(0, key, fields)), 1_000_000)) <= 24


def test_sound_crosses_as_it_is() -> None:
    frame = OutputAudioRawFrame(bytes(range(256)) * 2 + b"x" * 128, 16000, 1)
    key, fields = TrunkCodec(CATALOG).pack_frame(frame)
    data = numbered(write_envelope(FrameEnvelope(0, key, fields)), 1_000_000)
    assert frame.audio in data
    assert len(data) <= 1.05 * len(frame.audio)
    read = through(frame)
    assert read.audio == frame.audio
    assert read.num_frames == frame.num_frames == 320


def test_frames_have_ids_and_names_of_their_own() -> None:
    one, other = through(LLMTextFrame("a")), through(LLMTextFrame("a"))
    assert one.id != other.id
    assert one.id < 0 > other.id
    assert one.name != other.name
    assert str(one).startswith("LLMTextFrame#~")


def test_a_spoken_word_still_names_its_sentence() -> None:
    sentence = AggregatedTextFrame("Hello there.", TextType.SENTENCE)
    word = TTSTextFrame("Hello", TextType.WORD)
    word.segment_id = sentence.id
    arrived = through(sentence)
    assert through(word).segment_id == arrived.id
    assert through(arrived).id == sentence.id  # and home again


def test_a_frame_that_never_crosses_cannot_be_written() -> None:
    with pytest.raises(UnknownTypeError, match="StartFrame does not cross a line"):
        TrunkCodec(CATALOG).pack_frame(StartFrame())


def test_a_frame_message_is_not_a_message() -> None:
    codec = TrunkCodec(CATALOG)
    carried = BusFrameMessage(source="a", frame=TextFrame("x"), direction=None)  # type: ignore[arg-type]
    with pytest.raises(UnknownTypeError):
        codec.pack_message(carried)
    with pytest.raises(UnknownTypeError):
        codec.unpack_message("BusFrameMessage", {}, "a", "b")


@pytest.mark.parametrize("key", ["StartFrame", "os.system", "BusEndMessage", 999, -1])
def test_a_frame_that_is_not_in_the_table_is_refused(key: int | str) -> None:
    with pytest.raises(CodecError):
        TrunkCodec(CATALOG).unpack_frame(key, {})


@pytest.mark.parametrize("key", ["TextFrame", "BusLocalMessage", 999, -1, ""])
def test_a_message_that_is_not_in_the_table_is_refused(key: int | str) -> None:
    with pytest.raises(CodecError):
        TrunkCodec(CATALOG).unpack_message(key, {}, "a", "b")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": None},
        {"text": 5},
        {"text": b"x"},
        {"text": ["a"]},
        {"text": "x", "pts": "soon"},
        {"text": "x", "pts": True},
        {"text": "x", "metadata": [1]},
        {"text": "x", "metadata": {"a": {1: 2}}},
        {"text": "x", "metadata": {"a": specific_ext("google", {})}},
        {"text": "x", "interruptible": 1},
        {"text": "x", "broadcast_sibling_id": "4"},
        {"text": "x", "transport_destination": b"AAAA"},
    ],
)
def test_a_field_that_does_not_fit_its_type_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(CodecError, match="TextFrame"):
        forged("TextFrame", **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"sample_rate": 1, "num_channels": 1},
        {"sample_rate": 10**9, "num_channels": 1},
        {"sample_rate": 16000, "num_channels": 0},
        {"sample_rate": 16000, "num_channels": True},
        {"sample_rate": 16000, "num_channels": 9},
        {"sample_rate": 16000.0, "num_channels": 1},
    ],
)
def test_sound_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(CodecError, match="expected int from"):
        forged("InputAudioRawFrame", audio=b"\0" * 640, **fields)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(CodecError, match="gain: expected float"):
        forged("VolumeGainFrame", gain=value)


def test_a_sound_that_cannot_be_is_not_sent() -> None:
    with pytest.raises(CodecError, match="sample_rate"):
        TrunkCodec(CATALOG).pack_frame(InputAudioRawFrame(b"", 1, 1))


def test_fields_that_are_not_known_are_ignored() -> None:
    frame = forged("TextFrame", text="x", invented="y")
    assert isinstance(frame, TextFrame)
    assert not hasattr(frame, "invented")


def test_a_value_that_cannot_cross_is_an_error_and_not_dropped() -> None:
    with pytest.raises(CodecError, match=r"OutputTransportMessageFrame\.message"):
        TrunkCodec(CATALOG).pack_frame(OutputTransportMessageFrame(message={"a": object()}))
    with pytest.raises(CodecError, match="expected string keys"):
        TrunkCodec(CATALOG).pack_frame(OutputTransportMessageFrame(message={1: "a"}))


def test_what_is_as_before_is_not_sent() -> None:
    _, fields = TrunkCodec(CATALOG).pack_frame(UserStartedSpeakingFrame())
    assert fields == {}


def test_none_crosses_where_it_is_not_the_default() -> None:
    frame = FunctionCallResultFrame("f", "c", {}, None)
    frame.run_llm = True
    assert through(frame).result is None
    assert through(frame).run_llm is True


@dataclass
class MoodFrame(DataFrame):
    mood: str
    since: float = field(default_factory=time.time)
    causes: list[str] = field(default_factory=list)
    shades: list[str] = field(default_factory=lambda: ["light"])


def test_an_applications_own_frame_crosses_by_name() -> None:
    catalog = Catalog()
    catalog.register(MoodFrame)
    codec = TrunkCodec(catalog)
    assert codec.frame_key(MoodFrame) == "MoodFrame"
    key, fields = codec.pack_frame(MoodFrame("fine", since=2.0))
    assert key == "MoodFrame"
    envelope = read_envelope(write_envelope(FrameEnvelope(1, key, fields)))
    assert isinstance(envelope, FrameEnvelope)
    read: Any = codec.unpack_frame(envelope.frame, envelope.fields)
    assert (read.mood, read.since, read.causes, read.shades) == ("fine", 2.0, [], ["light"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"hello",
        msgspec.msgpack.encode([3, 1]),
        msgspec.msgpack.encode([77, 1, 2]),
        msgspec.msgpack.encode({"a": 1}),
        msgspec.msgpack.encode([3, -1, 1, {}]),
        msgspec.msgpack.encode([3, 1, 1, []]),
        msgspec.msgpack.encode([3, 1, 1, {}, 2]),
        msgspec.msgpack.encode([3, 1, 1, {}, 0, 0, 0, "x" * 129]),
        msgspec.msgpack.encode([3, 1, 1, {17: msgspec.msgpack.Ext(9, b"")}]),
        msgspec.msgpack.encode([3, 1, 1, {17: msgspec.msgpack.Ext(1, b"rubbish")}]),
        b"\x91" * 100_000,
    ],
)
def test_an_envelope_that_cannot_be_read_is_an_error(data: bytes) -> None:
    with pytest.raises(CodecError, match="the envelope could not be read"):
        read_envelope(data)


def test_messages_in_a_vendors_own_form_come_back() -> None:
    special = LLMSpecificMessage(llm="google", message={"parts": [1, b"\0", None]})
    frame = LLMMessagesAppendFrame(messages=[special, {"role": "user", "content": "x"}])
    assert through(frame).messages == frame.messages


def test_a_conversation_crosses_whole_and_then_as_the_difference() -> None:
    sender, reader = TrunkCodec(CATALOG), TrunkCodec(CATALOG)
    context = LLMContext(messages=[{"role": "user", "content": "one"}])
    assert over(LLMContextFrame(context), sender, reader).context.messages == context.messages
    context.add_message({"role": "assistant", "content": "two"})
    _, fields = TrunkCodec(CATALOG).pack_frame(LLMContextFrame(context))
    read = over(LLMContextFrame(context), sender, reader).context
    assert read.messages == context.messages
    assert sender.pack_frame(LLMContextFrame(context))[1] != fields


def test_a_job_request_keeps_its_payload() -> None:
    request = BusJobRequestMessage(
        source="a", target="b", job_id="1", job_name="look", payload={"x": b"\0\1", "y": [1, None]}
    )
    read: Any = message_through(request)
    assert read.payload == request.payload
    assert MESSAGE_NUMBERS["BusJobRequestMessage"] < 128
