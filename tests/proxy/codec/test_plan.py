"""Records prepared for the hot path read and write what their classes would."""

import time
from typing import Any

import pytest
from pipecat.frames.frames import (
    Frame,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    PipelineFlushFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from proxy.codec.numbers import FIELD_NUMBERS
from proxy.codec.trunk import TrunkCodec
from proxy.errors import CodecError


@pytest.mark.parametrize("cls", [VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame])
def test_a_time_that_nobody_tells_is_the_time_of_reading(cls: type[Frame]) -> None:
    codec = TrunkCodec()
    codec.unpack_frame(cls.__name__, {})  # the class is prepared now
    before = time.time()
    frame: Any = codec.unpack_frame(cls.__name__, {})
    assert before <= frame.timestamp <= time.time()
    _, fields = codec.pack_frame(frame)
    assert fields == {FIELD_NUMBERS["timestamp"]: frame.timestamp}


def test_a_number_that_its_class_counts_is_always_told() -> None:
    probe = PipelineFlushFrame(origin="a")
    _, fields = TrunkCodec().pack_frame(probe)
    told = {FIELD_NUMBERS["origin"]: "a", FIELD_NUMBERS["flush_id"]: probe.flush_id}
    assert fields == told


def test_a_record_inside_a_record_is_made_of_numbers_too() -> None:
    codec = TrunkCodec()
    frame = FunctionCallResultFrame("f", "1", {}, "done")
    frame.properties = FunctionCallResultProperties(is_final=False)
    key, fields = codec.pack_frame(frame)
    assert fields[FIELD_NUMBERS["properties"]] == {FIELD_NUMBERS["is_final"]: False}
    read = codec.unpack_frame(key, fields)
    assert read.properties == frame.properties  # type: ignore[attr-defined]


def test_what_only_the_constructor_can_judge_it_judges() -> None:
    with pytest.raises(CodecError, match="the values do not fit together"):
        TrunkCodec().unpack_frame("OutputDTMFFrame", {9999: "ignored"})


def test_a_field_that_is_needed_and_not_there_is_missing() -> None:
    with pytest.raises(CodecError, match=r"STTMetadataFrame\.service_name: missing"):
        TrunkCodec().unpack_frame("STTMetadataFrame", {})
