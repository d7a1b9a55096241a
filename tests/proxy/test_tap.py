"""What crosses a line is counted by kind, and can be looked at."""

from typing import Any

import pytest
from pipecat.bus.messages import BusFrameMessage
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TextFrame,
    TTSAudioRawFrame,
)

from proxy.codec.stock import StockCodec
from proxy.dialect import Direction, LineStats, Role, Tally
from proxy.filter import FROM_CALLER, DropReason, Filter
from proxy.handshake import TrunkOptions
from proxy.outbox import Kind
from proxy.stock_line import StockLine
from proxy.wire import encode, read_hello
from tests.proxy.memory_link import ASSISTANT, CALLER, MemoryLink, carried

IN, OUT = Direction.IN, Direction.OUT
SOUND: dict[str, Any] = {"audio": bytes(320), "sample_rate": 16000, "num_channels": 1}


class Notes:
    """A tap that writes down what it is shown."""

    def __init__(self, *heeds: type[Frame]) -> None:
        self.arriving = self.leaving = frozenset(heeds)
        self.seen: list[tuple[str, type[Frame]]] = []

    def arrived(self, message: BusFrameMessage) -> None:
        self.seen.append(("arrived", type(message.frame)))

    def left(self, message: BusFrameMessage) -> None:
        self.seen.append(("left", type(message.frame)))


def test_what_crosses_is_counted_by_kind_at_both_ends() -> None:
    link = MemoryLink()
    link.connect()
    for frame in (LLMTextFrame("hello"), TTSAudioRawFrame(**SOUND), OutputAudioRawFrame(**SOUND)):
        link.assistant.send(frame)
    link.carry()
    there, here = link.assistant.line.stats.tallies, link.caller.line.stats.tallies
    for kind in (Kind.FRAME, Kind.SPEECH, Kind.MEDIA):
        assert there[OUT, kind] == here[IN, kind]
        assert there[OUT, kind].messages == 1
        assert there[OUT, kind].size_bytes > 0
    assert link.assistant.line.stats.messages[OUT] == 3


def test_what_waits_is_counted() -> None:
    link = MemoryLink()
    link.connect()
    stats = link.assistant.line.stats
    assert stats.waiting_bytes == 0
    link.assistant.send(LLMTextFrame("hello"))
    assert stats.waiting_bytes > 5
    link.carry()
    assert stats.waiting_bytes == 0
    assert LineStats().waiting_bytes == 0


def test_what_does_not_cross_is_counted_by_kind() -> None:
    link = MemoryLink()
    link.connect()
    link.assistant.send(TTSAudioRawFrame(**SOUND))
    link.assistant.send(InterruptionFrame())
    assert link.assistant.line.stats.losses == {(OUT, Kind.SPEECH, DropReason.STALE): 1}


def test_counts_of_lines_that_are_over_add_up() -> None:
    total, line = LineStats(), LineStats()
    line.crossed(IN, 10, Kind.FRAME)
    line.dropped(IN, DropReason.TYPE)
    for _ in range(2):
        total.add(line)
    assert total.tallies == {(IN, Kind.FRAME): Tally(2, 20)}
    assert total.losses == {(IN, None, DropReason.TYPE): 2}


def test_a_tap_is_shown_what_it_heeds_both_ways() -> None:
    notes = Notes(LLMTextFrame, TextFrame)
    link = MemoryLink(assistant=TrunkOptions(tap=notes))
    link.connect()
    link.caller.send(TextFrame("hi"))
    link.caller.send(InterruptionFrame())
    link.carry()
    link.assistant.send(LLMTextFrame("hello"))
    link.assistant.send(OutputAudioRawFrame(**SOUND))
    link.carry()
    assert notes.seen == [("arrived", TextFrame), ("left", LLMTextFrame)]


def test_a_stock_line_has_a_tap_too() -> None:
    notes = Notes(LLMTextFrame, TextFrame)
    filter_ = Filter(exported=(ASSISTANT,), remote=[CALLER], inbound_frames=FROM_CALLER)
    line = StockLine(Role.ASSISTANT, filter_, tap=notes)
    line.receive(StockCodec().encode(carried(TextFrame("hi"), CALLER)))
    line.send(carried(LLMTextFrame("hello"), ASSISTANT))
    assert notes.seen == [("arrived", TextFrame), ("left", LLMTextFrame)]
    assert line.stats.waiting_bytes > 0


@pytest.mark.parametrize("trace", [None, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
def test_a_hello_names_the_trace_that_it_is_part_of(trace: str | None) -> None:
    link = MemoryLink(caller=TrunkOptions(traceparent=lambda: trace))
    link.caller.line.connected()
    data = link.caller.line.next_outgoing()
    assert data is not None
    assert read_hello(data).traceparent == trace


def test_a_hello_of_before_there_were_traces_is_read() -> None:
    line = MemoryLink().caller.line
    line.connected()
    data = line.next_outgoing()
    assert data is not None
    assert data[0] == 0x9B  # an array of eleven
    assert data[-1:] == b"\xc0"
    old = read_hello(b"\x9a" + data[1:-1])
    assert encode(old) == data
