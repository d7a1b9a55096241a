"""docs/wire.md says what the code does: its tables, its examples and its numbers."""

import re
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import structs

from proxy import arrival, backoff, crossing, jobs, line_task, parting, pulse, sequence
from proxy.codec.kinds import MAX_DEPTH
from proxy.codec.numbers import FIELD_NUMBERS, FRAME_NUMBERS
from proxy.codec.trunk import TrunkCodec, read_envelope, write_envelope
from proxy.dialect import LEGAL_MOVES
from proxy.errors import _FINAL_STATUSES
from proxy.outbox import OutboxLimits
from proxy.wire import SESSION_HEADER, SUBPROTOCOL, Fields, FrameEnvelope, Key, MessageEnvelope
from tests.proxy import wire_session
from tests.proxy.wire_tables import (
    DOCUMENT,
    HOW,
    SECTIONS,
    generated,
    rewrite,
    sections_in,
    what_changed,
)

TEXT = DOCUMENT.read_text()
PROSE = " ".join(TEXT.split())
GENERATED = sections_in(TEXT)
BLOCK = re.compile(r"^```wire\n((?:[0-9a-f ]+\n)+)(.*)\n```$", re.MULTILINE)


def blocks(text: str) -> Iterator[tuple[bytes, str]]:
    """Give each example: its bytes, and what it says they are."""
    for found in BLOCK.finditer(text):
        yield bytes.fromhex(found[1]), found[2]


EXAMPLES = list(blocks(TEXT))


def test_every_section_is_in_the_document_once() -> None:
    assert list(GENERATED) == [name for name in GENERATED if name in SECTIONS]
    assert GENERATED.keys() == SECTIONS.keys()
    assert TEXT.count("<!-- generated:") == TEXT.count("<!-- end -->") == len(SECTIONS)


@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_generated_is_what_the_code_says(name: str) -> None:
    assert GENERATED[name] == generated(name), HOW


@pytest.mark.parametrize("name", SECTIONS)
def test_no_number_that_was_given_means_something_else(name: str) -> None:
    assert what_changed(name, GENERATED[name], generated(name)) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("frames", "| 7 | LLMTextFrame |", "| 7 | WordFrame |"),
        ("messages", "| 4 | BusJobRequestMessage |", "| 14 | BusJobRequestMessage |"),
        ("fields", "| 17 | text |", "| 17 | words |"),
        ("close-codes", "| 4003 | PEER_TOO_SLOW |", "| 4003 | SLOW |"),
        ("envelopes", "**7 · Gap.**", "**7 · Hole.**"),
        ("envelopes", "| 2 | lost |", "| 2 | missing |"),
    ],
)
def test_a_number_that_would_mean_something_else_is_found_and_not_written(
    name: str, old: str, new: str
) -> None:
    body = GENERATED[name]
    assert old in body
    assert what_changed(name, body, body.replace(old, new, 1))
    with pytest.raises(ValueError, match="a number is given for good"):
        rewrite(TEXT.replace(body, body.replace(old, new, 1)))


def test_a_number_may_not_be_taken_away() -> None:
    for name, row in (("fields", "| 17 | text |\n"), ("envelopes", "**7 · Gap.**")):
        assert what_changed(name, GENERATED[name], GENERATED[name].replace(row, "", 1))


def test_numbers_may_be_added() -> None:
    for name in ("frames", "fields"):
        body = GENERATED[name]
        assert what_changed(name, body, f"{body}| 999 | NewFrame |\n") == []
    more = GENERATED["envelopes"] + "**10 · New.** x\n\n| 0 | kind |\n"
    assert what_changed("envelopes", GENERATED["envelopes"], more) == []


def test_writing_the_document_anew_changes_nothing() -> None:
    assert rewrite(TEXT) == TEXT, HOW


def test_there_are_examples_and_none_is_passed_over() -> None:
    assert len(EXAMPLES) == TEXT.count("```wire") > 30


@pytest.mark.parametrize("place", range(len(EXAMPLES)))
def test_an_example_is_what_it_says_and_what_the_codec_writes(place: int) -> None:
    data, said = EXAMPLES[place]
    assert wire_session.notation(msgspec.msgpack.decode(data)) == said
    assert through_the_codec(data) == data


def through_the_codec(data: bytes) -> bytes:
    """Read an envelope, with what it carries, and write it again."""
    envelope = read_envelope(data)
    whole = isinstance(envelope, FrameEnvelope) and FIELD_NUMBERS["context"] not in envelope.fields
    if isinstance(envelope, FrameEnvelope) and whole:
        codec = TrunkCodec()
        there = write_envelope(FrameEnvelope(1, *repacked(codec, envelope)))
        back = read_envelope(there)  # where a reference has its sign again
        assert isinstance(back, FrameEnvelope)
        key, fields = repacked(codec, back)
        envelope = structs.replace(envelope, frame=key, fields=fields)
    elif isinstance(envelope, MessageEnvelope):
        codec = TrunkCodec()
        message = codec.unpack_message(envelope.message, envelope.fields, "a", "b")
        key, fields = codec.pack_message(message)
        envelope = structs.replace(envelope, message=key, fields=fields)
    return write_envelope(envelope)


def repacked(codec: TrunkCodec, envelope: FrameEnvelope) -> tuple[Key, Fields]:
    return codec.pack_frame(codec.unpack_frame(envelope.frame, envelope.fields))


def test_the_examples_show_every_kind_of_envelope() -> None:
    kinds = {type(read_envelope(data)).__struct_config__.tag for data, _ in EXAMPLES}
    assert kinds == set(range(1, 10))


def test_the_printed_session_is_one_that_both_ends_hold() -> None:
    printed = [data for data, _ in blocks(GENERATED["session"])]
    assert printed == [step.data for step in wire_session.play()], HOW


def test_differences_are_made_as_the_document_says() -> None:
    """Followed by hand from the document's own bytes, with nothing of the codec."""
    kept: list[bytes] = []
    for data, _ in blocks(GENERATED["session"]):
        envelope = read_envelope(data)
        frame = envelope.frame if isinstance(envelope, FrameEnvelope) else None
        if not isinstance(envelope, FrameEnvelope) or frame != FRAME_NUMBERS["LLMContextFrame"]:
            continue
        keep, added, length, crc, _ = envelope.fields[FIELD_NUMBERS["context"]]
        raw = msgspec.msgpack.decode(added, type=list[msgspec.Raw])
        kept = [*kept[:keep], *map(bytes, raw)]
        whole = b"".join(kept)
        assert (len(whole), zlib.crc32(whole)) == (length, crc)
    decoded: list[Any] = [msgspec.msgpack.decode(message) for message in kept]
    assert [message["content"] for message in decoded] == ["Hi", "Hello.", "Bye"]


def test_the_states_are_those_of_the_code() -> None:
    moves = re.findall(r"^    ([A-Z]+) --> ([A-Z]+)", TEXT, re.MULTILINE)
    assert sorted(moves) == sorted(
        (before.name, after.name)
        for before, all_after in LEGAL_MOVES.items()
        for after in all_after
    )


@pytest.mark.parametrize(
    "sentence",
    [
        f"`{SUBPROTOCOL}`",
        f"header `{SESSION_HEADER}`",
        f"nested at most {MAX_DEPTH} deep",
        f"on every connection, within {arrival.HELLO_TIMEOUT_S:.0f} seconds",
        f"writes, within {pulse.Patience().greeting_s:.0f} seconds",
        f"written after every {sequence.ACK_EVERY} envelopes",
        f"a quarter of the window or {sequence.ACK_BYTES:,} bytes were handled",
        f"but none below {sequence.ACK_BYTES:,} bytes",
        f"`window_bytes` + {sequence.SYSTEM_OVERSHOOT_BYTES:,} is under way",
        f"`max_message_bytes` + {sequence.SYSTEM_OVERSHOOT_BYTES:,} unhandled",
        f"handled nothing for {pulse.Patience().stall_s:.0f} seconds",
        f"between 0 and {backoff.BASE_S:g} s, then between 0 and {backoff.BASE_S * 2:g} s",
        f"up to {backoff.CAP_S:g} s",
        f"above {crossing.REFUSAL_BUDGET} the connection closes with 1008",
        f"forgiven by {crossing.REFUSALS_FORGIVEN_PER_S:g} a second",
        f"beyond {jobs.MAX_JOBS} in flight",
        f"takes longer than {parting.END_GRACE_S:g} s",
        "gives up on " + ", ".join(map(str, sorted(_FINAL_STATUSES)[:-1])),
    ],
)
def test_a_number_in_the_text_is_the_one_in_the_code(sentence: str) -> None:
    assert sentence in PROSE


def test_what_the_text_gives_in_words_holds() -> None:
    assert pulse.MISSED_HEARTBEATS == 2
    assert sequence.ACK_WINDOW_SHARE == 4
    assert OutboxLimits().media_bytes == 2**20 // 4
    assert pulse.Patience().stall_s == line_task.SEND_TIMEOUT_S


def test_every_link_in_the_document_leads_somewhere() -> None:
    titles = re.findall(r"^##+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors
