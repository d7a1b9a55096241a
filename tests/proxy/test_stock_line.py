"""One end of a line in the stock dialect: bytes and messages in, bytes and events out."""

import asyncio
import math
from collections.abc import Iterator, Sequence

import pytest
from loguru import logger
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusEndMessage,
    BusFrameMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobUpdateUrgentMessage,
    BusMessage,
    BusWorkerRegistryMessage,
)
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    PipelineFlushFrame,
    TextFrame,
)
from pipecat.pipeline.job_context import JobStatus
from pipecat.processors.frame_processor import FrameDirection
from pipecat.registry.types import WorkerRegistryEntry
from pipecat.utils.errors import ErrorCategory

from proxy.close_codes import CloseCode
from proxy.codec.stock import StockCodec
from proxy.crossing import REFUSAL_BUDGET
from proxy.dialect import (
    Direction,
    LineState,
    MustClose,
    PeerEnded,
    PeerReady,
    Received,
    Role,
    check_move,
)
from proxy.filter import FROM_ASSISTANT, FROM_CALLER, DropReason, Filter
from proxy.outbox import OutboxLimits
from proxy.stock_line import StockLine

CODEC = StockCodec()
IN, OUT = Direction.IN, Direction.OUT


def assistant_end(*, remote: str | None = "acme", **options: object) -> StockLine:
    filter_ = Filter(
        exported=("assistant",),
        remote=[remote] if remote else [],
        inbound_frames=FROM_CALLER,
        may_switch=True,
        reserved=frozenset({"hidden"}),
    )
    return StockLine(Role.ASSISTANT, filter_, **options)  # type: ignore[arg-type]


def caller_end(remote: Sequence[str] = ("assistant",)) -> StockLine:
    filter_ = Filter(exported=("acme",), remote=remote, inbound_frames=FROM_ASSISTANT)
    return StockLine(Role.CALLER, filter_)


def carried(
    frame: Frame, source: str, direction: FrameDirection = FrameDirection.DOWNSTREAM
) -> BusFrameMessage:
    return BusFrameMessage(source=source, frame=frame, direction=direction)


def outgoing(line: StockLine) -> Iterator[BusMessage]:
    while (data := line.next_outgoing()) is not None:
        yield CODEC.decode(data)


def received(line: StockLine, message: BusMessage) -> list[BusMessage]:
    return [
        event.message
        for event in line.receive(CODEC.encode(message))
        if isinstance(event, Received)
    ]


def test_two_ends_carry_a_frame() -> None:
    caller, assistant = caller_end(), assistant_end()
    assert caller.send(carried(TextFrame("hello"), "acme")) == []
    data = caller.next_outgoing()
    assert data is not None
    met, event = assistant.receive(data)
    assert met == PeerReady(("acme",))
    assert isinstance(event, Received)
    assert isinstance(event.message, BusFrameMessage)
    assert isinstance(event.message.frame, TextFrame)
    assert event.message.frame.text == "hello"
    assert caller.stats.messages == {OUT: 1}
    assert assistant.stats.messages == {IN: 1}
    assert assistant.stats.crossings == caller.stats.crossings == 1
    assert assistant.stats.size_bytes[IN] == caller.stats.size_bytes[OUT] == len(data)


def test_a_text_frame_closes_the_line_with_1003() -> None:
    assert assistant_end().receive("hello") == [MustClose(CloseCode.UNSUPPORTED_DATA)]


@pytest.mark.parametrize("data", [b"", b"{}", b"\x00\x01", b"[" * 5000])
def test_rubbish_closes_the_line_with_1007(data: bytes) -> None:
    assert assistant_end().receive(data) == [MustClose(CloseCode.INVALID_PAYLOAD)]


def test_a_message_over_the_limit_closes_the_line_with_1009() -> None:
    line = assistant_end(max_message_bytes=100)
    assert line.receive(b"x" * 101) == [MustClose(CloseCode.MESSAGE_TOO_BIG)]


def test_a_flood_of_refused_messages_closes_the_line_with_1008_and_logs_one_line() -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level="DEBUG", format="{message}")
    line = assistant_end()
    forbidden = CODEC.encode(BusJobRequestMessage(source="acme", target="hidden", job_id="1"))
    for _ in range(REFUSAL_BUDGET):
        assert line.receive(forbidden) == []
    assert line.receive(forbidden) == [MustClose(CloseCode.POLICY_VIOLATION)]
    logger.remove(sink)
    assert len(lines) == 1
    assert line.stats.drops == {(IN, DropReason.TARGET): REFUSAL_BUDGET + 1}


def test_a_type_that_is_not_in_the_table_is_refused_not_fatal() -> None:
    line = assistant_end()
    assert line.receive(b'{"__type__": "os.system", "__data__": {}}') == []
    assert line.stats.drops == {(IN, DropReason.TYPE): 1}


def test_microphone_audio_is_dropped_without_being_read() -> None:
    line = assistant_end()
    audio = InputAudioRawFrame(audio=bytes(640), sample_rate=16000, num_channels=1)
    data = CODEC.encode(carried(audio, "acme"))
    assert line.receive(data[:-200]) == []  # cut short: nobody looked
    for _ in range(1000):
        assert line.receive(data) == []
    assert line.stats.drops == {(IN, DropReason.HOME): 1001}


def test_audio_that_hides_its_type_is_dropped_too() -> None:
    line = assistant_end()
    audio = InputAudioRawFrame(audio=bytes(640), sample_rate=16000, num_channels=1)
    data = b" " + CODEC.encode(carried(audio, "acme"))
    assert line.receive(data) == []
    assert line.stats.drops == {(IN, DropReason.HOME): 1}


def test_lifecycle_frames_do_not_leave() -> None:
    line = assistant_end()
    line.send(carried(EndFrame(), "assistant"))
    assert list(outgoing(line)) == []


def test_the_first_valid_source_becomes_the_callers_name() -> None:
    line = assistant_end(remote=None)
    activate = BusActivateWorkerMessage(source="voice-bot", target="assistant")
    (message,) = received(line, activate)
    assert message.source == "voice-bot@caller"
    (later,) = received(line, BusActivateWorkerMessage(source="other", target="assistant"))
    assert later.source == "voice-bot@caller"
    line.end("goodbye")
    (end,) = outgoing(line)
    assert end.target == "voice-bot"


@pytest.mark.parametrize("name", ["", "x" * 500, "a\x1bb"])
def test_a_caller_needs_a_name_that_can_be_used(name: str) -> None:
    line = assistant_end(remote=None)
    assert received(line, BusActivateWorkerMessage(source=name, target="assistant")) == []
    assert line.stats.drops == {(IN, DropReason.SOURCE): 1}


@pytest.mark.parametrize("name", ["assistant", "hidden", "started-later"])
def test_a_caller_with_the_name_of_a_task_gets_none_of_its_messages(name: str) -> None:
    line = assistant_end(remote=None)
    (message,) = received(line, BusActivateWorkerMessage(source=name, target="assistant"))
    assert message.source == f"{name}@caller"
    line.send(BusJobRequestMessage(source="assistant", target=name, job_id="1"))
    assert list(outgoing(line)) == []
    line.send(BusJobRequestMessage(source="assistant", target=message.source, job_id="2"))
    (sent,) = outgoing(line)
    assert sent.target == name


def test_an_end_crosses_after_everything_before_it_and_nothing_after_it() -> None:
    line = assistant_end()
    line.send(carried(LLMTextFrame("good"), "assistant"))
    line.send(carried(LLMTextFrame("bye"), "assistant"))
    line.end("goodbye")
    line.send(carried(LLMTextFrame("too late"), "assistant"))
    line.end("again")
    sent = list(outgoing(line))
    assert [type(message) for message in sent] == [BusFrameMessage, BusFrameMessage, BusEndMessage]
    assert line.ended
    caller = caller_end()
    assert caller.receive(CODEC.encode(sent[-1])) == [PeerEnded("goodbye")]


def test_a_caller_may_not_end_the_assistant_so() -> None:
    line = assistant_end()
    assert line.receive(CODEC.encode(BusEndMessage(source="acme", target="assistant"))) == []
    assert line.stats.drops == {(IN, DropReason.TYPE): 1}


def test_only_exported_tasks_are_announced() -> None:
    line = assistant_end()
    line.announce(("assistant", "hidden"))
    line.announce(("hidden",))
    (registry,) = outgoing(line)
    assert isinstance(registry, BusWorkerRegistryMessage)
    assert [entry.name for entry in registry.workers] == ["assistant"]
    assert caller_end().receive(CODEC.encode(registry)) == [PeerReady(("assistant",))]


def test_an_announced_task_may_speak_and_one_with_our_name_is_not_believed() -> None:
    caller = caller_end(remote=())
    registry = BusWorkerRegistryMessage(
        source="x",
        runner="r",
        workers=[WorkerRegistryEntry(name="support"), WorkerRegistryEntry(name="acme")],
    )
    assert caller.receive(CODEC.encode(registry)) == [PeerReady(("support",))]
    (message,) = received(caller, carried(LLMTextFrame("hi"), "support"))
    assert message.source == "support"
    assert list(caller.filter.remote) == ["support"]


@pytest.mark.parametrize("remote", ["acme", None])
def test_the_callers_task_is_ready_with_its_first_message_and_once(remote: str | None) -> None:
    line = assistant_end(remote=remote)
    name = remote or "acme@caller"
    said = CODEC.encode(carried(TextFrame("hello"), "acme"))
    refused = CODEC.encode(BusEndMessage(source="acme", target="assistant"))
    assert line.receive(refused) == []
    assert line.receive(said)[0] == PeerReady((name,))
    assert [type(event) for event in line.receive(said)] == [Received]


def test_urgent_messages_overtake() -> None:
    line = assistant_end()
    done = JobStatus.COMPLETED
    line.send(BusJobResponseMessage(source="assistant", target="acme", job_id="1", status=done))
    line.send(BusJobUpdateUrgentMessage(source="assistant", target="acme", job_id="1"))
    assert [type(message) for message in outgoing(line)] == [
        BusJobUpdateUrgentMessage,
        BusJobResponseMessage,
    ]


def test_a_service_error_crosses_without_its_text() -> None:
    line = assistant_end()
    error = ErrorFrame("401: key sk-1234 is wrong", category=ErrorCategory.AUTHENTICATION)
    line.send(carried(error, "assistant", FrameDirection.UPSTREAM))
    (message,) = outgoing(line)
    assert isinstance(message, BusFrameMessage)
    assert isinstance(message.frame, ErrorFrame)
    assert message.frame.error == "a service failed (authentication)"
    assert message.frame.category is ErrorCategory.AUTHENTICATION
    assert message.direction is FrameDirection.UPSTREAM


def test_a_message_that_cannot_be_written_is_counted_and_the_line_lives() -> None:
    line = assistant_end()
    line.send(carried(FunctionCallResultFrame("f", "1", {}, result=object()), "assistant"))
    line.send(carried(LLMTextFrame("hi"), "assistant"))
    assert len(list(outgoing(line))) == 1
    assert line.stats.drops == {(OUT, DropReason.CODEC): 1}


def test_a_message_that_is_too_large_to_send_is_counted_and_the_line_lives() -> None:
    line = assistant_end(max_message_bytes=1000)
    line.send(carried(LLMTextFrame("x" * 2000), "assistant"))
    line.send(carried(LLMTextFrame("hi"), "assistant"))
    assert len(list(outgoing(line))) == 1
    assert line.stats.drops == {(OUT, DropReason.TOO_BIG): 1}


def test_a_caller_that_reads_nothing_loses_sound_first_and_then_the_line() -> None:
    line = assistant_end(limits=OutboxLimits(media_bytes=20_000, total_bytes=40_000))
    audio = OutputAudioRawFrame(audio=bytes(4800), sample_rate=24000, num_channels=1)
    for _ in range(20):
        assert line.send(carried(audio, "assistant")) == []
    assert line.stats.drops[OUT, DropReason.SLOW] > 10
    events = []
    for _ in range(20):
        events += line.send(carried(LLMTextFrame("x" * 4000), "assistant"))
    assert events[0] == MustClose(CloseCode.PEER_TOO_SLOW)


def test_a_closed_line_is_silent_and_releases_whoever_waits() -> None:
    line = assistant_end()
    probe = PipelineFlushFrame(event=asyncio.Event(), origin="assistant")
    line.send(carried(probe, "assistant"))
    line.close()
    line.close()
    assert probe.event is not None
    assert probe.event.is_set()
    assert line.next_outgoing() is None
    assert line.receive(b"rubbish") == []
    assert line.send(carried(LLMTextFrame("hi"), "assistant")) == []
    assert line.announce(("assistant",)) == []
    assert line.end("x") == []


def test_a_stock_peer_gives_no_signs_of_life_and_is_asked_for_none() -> None:
    line = assistant_end()
    assert (line.tick(), line.tick_s, line.busy()) == ([], math.inf, CloseCode.PEER_TOO_SLOW)


def test_a_line_moves_only_forward() -> None:
    with pytest.raises(RuntimeError, match="from CLOSED to OPEN"):
        check_move(LineState.CLOSED, LineState.OPEN)


def test_only_what_was_written_counts_as_crossed() -> None:
    line = assistant_end(limits=OutboxLimits(media_bytes=20_000))
    audio = OutputAudioRawFrame(audio=bytes(4800), sample_rate=24000, num_channels=1)
    for _ in range(20):
        line.send(carried(audio, "assistant"))
    assert line.stats.messages[OUT] == 0
    sent = len(list(outgoing(line)))
    assert line.stats.messages[OUT] == sent
    assert line.stats.drops[OUT, DropReason.SLOW] == 20 - sent


def test_refusals_are_forgiven_with_time() -> None:
    now = [0.0]
    line = assistant_end(clock=lambda: now[0])
    forbidden = CODEC.encode(BusEndMessage(source="acme", target="assistant"))
    for _ in range(3 * REFUSAL_BUDGET):
        assert line.receive(forbidden) == []
        now[0] += 1.0
