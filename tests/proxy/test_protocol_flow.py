"""One connection: order, windows, signs of life, and what a peer may not do."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusFrameMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobUpdateUrgentMessage,
)
from pipecat.frames.frames import (
    InterruptionFrame,
    LLMContextFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TextFrame,
)
from pipecat.pipeline.job_context import JobStatus
from pipecat.processors.aggregators.llm_context import LLMContext

from proxy.close_codes import CloseCode
from proxy.codec.numbers import FIELD_NUMBERS, FRAME_NUMBERS, MESSAGE_NUMBERS
from proxy.crossing import REFUSAL_BUDGET
from proxy.dialect import Direction, LineState, MustClose, Received
from proxy.filter import CALLER_SUFFIX, DropReason
from proxy.handshake import TrunkOptions
from proxy.jobs import MAX_JOBS
from proxy.outbox import OutboxLimits
from proxy.protocol import TrunkLine
from proxy.pulse import Patience
from proxy.sequence import ACK_BYTES, SYSTEM_OVERSHOOT_BYTES
from proxy.wire import Ack, FrameEnvelope, MessageEnvelope, Numbered, Resend, encode, make_decoder
from tests.proxy.memory_link import ASSISTANT, CALLER, End, MemoryLink

IN, OUT = Direction.IN, Direction.OUT
TEXT, CONTEXT = FIELD_NUMBERS["text"], FIELD_NUMBERS["context"]
SOUND = OutputAudioRawFrame(audio=bytes(4800), sample_rate=24000, num_channels=1)


def open_link(**options: Any) -> MemoryLink:
    link = MemoryLink(**options)
    link.connect()
    return link


def words(end: End) -> list[str]:
    return [frame.text for frame in end.frames if isinstance(frame, TextFrame | LLMTextFrame)]


def said(text: str = "x", *, seq: int = 1, **rest: Any) -> FrameEnvelope:
    return FrameEnvelope(seq, FRAME_NUMBERS["TextFrame"], {TEXT: text}, **rest)


def forged(line: TrunkLine, *envelopes: Numbered) -> Iterator[list[Any]]:
    """Let envelopes arrive in a row, whatever the other end says of it; give what follows."""
    for envelope in envelopes:
        seq = line._receiver.received + 1
        yield line.receive(encode(structs.replace(envelope, seq=seq)))


def test_a_missing_envelope_asks_for_a_new_connection_and_arrives_on_it() -> None:
    link = open_link()
    for text in ("a", "b", "c"):
        link.caller.send(TextFrame(text))
    link.pump(link.caller)
    del link.to_assistant[1]
    assert link.arrive(link.assistant, 10) == 2
    assert not link.up
    link.connect()
    assert words(link.assistant) == ["a", "b", "c"]


def test_a_hole_closes_with_4100_and_nothing_after_it_counts() -> None:
    line = open_link().assistant.line
    assert line.receive(encode(said(seq=2))) == [MustClose(CloseCode.RESYNC)]
    assert line.receive(encode(said(seq=1))) == []
    assert line.next_outgoing() is None


def test_what_comes_twice_is_taken_once() -> None:
    link = open_link()
    link.caller.send(TextFrame("once"))
    link.pump(link.caller)
    link.to_assistant.extend([link.to_assistant[0]] * 5)
    link.carry()
    assert words(link.assistant) == ["once"]


def test_more_than_the_window_allows_closes_with_4402() -> None:
    options = TrunkOptions(window_bytes=1024, max_message_bytes=1024)
    link = open_link(assistant=options)
    allowed = 1024 + 1024 + SYSTEM_OVERSHOOT_BYTES
    size = len(encode(said("x" * 900)))
    events = list(forged(link.assistant.line, *[said("x" * 900)] * (allowed // size + 1)))
    assert events[-1] == [MustClose(CloseCode.WINDOW_EXCEEDED)]
    assert all(isinstance(event, Received) for (event,) in events[:-1])


def test_what_needs_no_handling_costs_no_window() -> None:
    line = open_link(assistant=TrunkOptions(window_bytes=1024)).assistant.line
    events = list(forged(line, *[Resend(0)] * 50, *[said("x" * 900, target=7)] * 40))
    assert events == [[]] * 90


@pytest.mark.parametrize("ack", [Ack(1, 0), Ack(0, 1)])
def test_an_acknowledgement_of_what_was_never_sent_closes_with_1002(ack: Ack) -> None:
    line = open_link().assistant.line
    assert line.receive(encode(ack)) == [MustClose(CloseCode.PROTOCOL_ERROR)]


@pytest.mark.parametrize("ack", [None, Ack(0, 0), Ack(1, 0)])
def test_no_peer_is_sent_more_than_this_end_would_keep(ack: Ack | None) -> None:
    """However large it says that its window is: what is not acknowledged is kept."""
    link = open_link(
        caller=TrunkOptions(window_bytes=2**31),
        assistant=TrunkOptions(outbox=OutboxLimits(ample_bytes=1000, total_bytes=10**6)),
    )
    sent_bytes = 0
    for _ in range(100):
        link.assistant.send(LLMTextFrame("x" * 1000))
        while (data := link.assistant.line.next_outgoing()) is not None:
            sent_bytes += len(data)
        if ack is not None:
            link.assistant.line.receive(encode(ack))
    assert ACK_BYTES <= sent_bytes < ACK_BYTES + 2000


def test_a_window_that_the_sender_makes_smaller_still_opens_in_time() -> None:
    limits = OutboxLimits(ample_bytes=1000, total_bytes=10**6)
    link = open_link(caller=TrunkOptions(window_bytes=2**31), assistant=TrunkOptions(outbox=limits))
    for _ in range(10):
        link.assistant.send(LLMTextFrame("x" * 33_000))
    link.carry()
    assert len(words(link.caller)) == 10
    assert link.assistant.line.drained


def test_whoever_sends_waits_while_the_window_is_full() -> None:
    window = TrunkOptions(window_bytes=2048, outbox=OutboxLimits(ample_bytes=4000))
    link = open_link(caller=window, assistant=window)
    link.assistant.slow = True
    texts = [f"{number}" * 500 for number in range(9)]
    for text in texts:
        link.caller.send(TextFrame(text))
    assert link.caller.line.ample
    link.carry()
    assert words(link.assistant) == texts[:4]
    assert not link.caller.line.drained
    link.assistant.slow = False
    link.assistant.handle()
    link.carry()
    assert words(link.assistant) == texts
    assert (link.caller.line.drained, link.caller.line.ample) == (True, False)


def test_an_urgent_message_overtakes_and_passes_a_full_window() -> None:
    link = open_link(caller=TrunkOptions(window_bytes=1024))
    link.caller.slow = True
    for _ in range(4):
        link.assistant.send(LLMTextFrame("x" * 1100))
    link.assistant.send(
        BusJobUpdateUrgentMessage(source=ASSISTANT, target=CALLER + CALLER_SUFFIX, job_id="1")
    )
    link.carry()
    assert [type(message) for message in link.caller.messages] == [
        BusJobUpdateUrgentMessage,
        BusFrameMessage,
    ]


def test_a_quiet_line_lives() -> None:
    link = open_link()
    link.pass_time(300.0)
    assert link.up
    assert link.connections == 1


def test_silence_closes_with_4101_after_two_heartbeats() -> None:
    link = open_link(assistant=TrunkOptions(patience=Patience(heartbeat_s=2.0)))
    codes: list[list[Any]] = []
    for _ in range(12):
        link.now += 0.5
        codes.append(link.caller.line.tick())
    assert codes == [[]] * 8 + [[MustClose(CloseCode.PEER_SILENT)]] + [[]] * 3


def test_a_late_look_at_the_clock_is_no_silence() -> None:
    link = open_link()
    link.now += 3600.0
    assert link.caller.line.tick() == link.assistant.line.tick() == []
    link.carry()
    link.pass_time(60.0)
    assert link.up


def test_a_peer_that_answers_and_takes_nothing_is_closed_with_4003() -> None:
    link = open_link(caller=TrunkOptions(window_bytes=1024))
    link.caller.slow = True
    for _ in range(4):
        link.assistant.send(LLMTextFrame("x" * 1100))
    link.carry()
    link.pass_time(10.0)
    assert link.connections == 1
    link.pass_time(0.25)
    assert link.caller.line.state is link.assistant.line.state is LineState.CLOSED


def test_urgent_messages_do_not_hide_that_a_peer_takes_nothing() -> None:
    link = open_link(caller=TrunkOptions(window_bytes=1024))
    link.caller.slow = True
    for _ in range(4):
        link.assistant.send(LLMTextFrame("x" * 1100))
    for _ in range(13):
        link.assistant.send(
            BusJobUpdateUrgentMessage(source=ASSISTANT, target=CALLER + CALLER_SUFFIX, job_id="1")
        )
        link.pass_time(1.0)
    assert link.caller.line.state is LineState.CLOSED


def test_a_slow_write_is_told_from_a_peer_that_is_gone() -> None:
    link = open_link()
    assert link.assistant.line.busy() is CloseCode.PEER_TOO_SLOW
    link.now += 11.0
    assert link.assistant.line.busy() is CloseCode.PEER_SILENT


def test_an_interruption_takes_the_sound_that_waits_with_it() -> None:
    link = open_link(caller=TrunkOptions(window_bytes=1024))
    link.caller.slow = True
    for _ in range(3):
        link.assistant.send(SOUND)
    link.assistant.send(LLMTextFrame("and"))
    link.carry()  # the first sound fills the window
    link.assistant.send(SOUND)
    link.assistant.send(InterruptionFrame())
    link.assistant.send(LLMTextFrame("now"))
    link.caller.slow = False
    link.caller.handle()
    link.carry()
    assert [type(frame).__name__ for frame in link.caller.frames] == [
        "OutputAudioRawFrame",
        "LLMTextFrame",
        "InterruptionFrame",
        "LLMTextFrame",
    ]
    assert link.assistant.line.stats.drops == {(OUT, DropReason.STALE): 3}


def test_a_peer_that_reads_slowly_loses_the_oldest_sound_first_and_then_the_line() -> None:
    limits = OutboxLimits(media_bytes=20_000, total_bytes=40_000)
    link = open_link(assistant=TrunkOptions(outbox=limits))
    for _ in range(20):
        link.assistant.send(SOUND)
    assert link.assistant.line.stats.drops == {(OUT, DropReason.SLOW): 16}
    assert link.assistant.closing is None
    for _ in range(10):
        link.assistant.send(LLMTextFrame("x" * 4000))
    assert link.assistant.closing is CloseCode.PEER_TOO_SLOW


OUT_OF_PLACE: list[tuple[Numbered, DropReason]] = [
    (said(target=1), DropReason.TARGET),
    (said(source=1), DropReason.TARGET),
    (MessageEnvelope(0, MESSAGE_NUMBERS["BusJobRequestMessage"], {}, 0, 9), DropReason.TARGET),
    (FrameEnvelope(0, "os.system", {}), DropReason.TYPE),
    (FrameEnvelope(0, 9999, {}), DropReason.TYPE),
    (FrameEnvelope(0, FRAME_NUMBERS["EndFrame"], {}), DropReason.TYPE),
    (FrameEnvelope(0, FRAME_NUMBERS["InputAudioRawFrame"], {}), DropReason.HOME),
    (MessageEnvelope(0, "BusAddWorkerMessage", {}, 0, 0), DropReason.TYPE),
    (MessageEnvelope(0, "BusEndMessage", {}, 0, 0), DropReason.TYPE),
    (
        FrameEnvelope(0, FRAME_NUMBERS["LLMContextFrame"], {CONTEXT: [5, b"\x90", 0, 0, None]}),
        DropReason.CODEC,
    ),
]


@pytest.mark.parametrize(("envelope", "reason"), OUT_OF_PLACE)
def test_what_is_refused_is_counted_until_it_closes_with_1008(
    envelope: Numbered, reason: DropReason
) -> None:
    line = open_link().assistant.line
    events = list(forged(line, *[envelope] * (REFUSAL_BUDGET + 1)))
    assert events[:-1] == [[]] * REFUSAL_BUDGET
    assert events[-1] == [MustClose(CloseCode.POLICY_VIOLATION)]
    assert line.stats.drops == {(IN, reason): REFUSAL_BUDGET + 1}


@pytest.mark.parametrize(
    "envelope",
    [
        FrameEnvelope(0, FRAME_NUMBERS["TextFrame"], {TEXT: 5}),
        FrameEnvelope(0, FRAME_NUMBERS["TextFrame"], {}),
        FrameEnvelope(0, FRAME_NUMBERS["LLMContextFrame"], {}),
        MessageEnvelope(0, -1, {}, 0, 0),
        MessageEnvelope(0, MESSAGE_NUMBERS["BusJobRequestMessage"], {}, 0, 0),
    ],
)
def test_a_field_that_does_not_fit_closes_with_1007(envelope: Numbered) -> None:
    (events,) = forged(open_link().assistant.line, envelope)
    assert events == [MustClose(CloseCode.INVALID_PAYLOAD)]


def test_a_conversation_that_cannot_be_followed_comes_again_and_whole() -> None:
    link = open_link()
    context = LLMContext(messages=[{"role": "user", "content": "one"}])
    link.caller.send(LLMContextFrame(context))
    link.carry()
    link.assistant.line._carrier.codec._reader._forget()
    context.add_message({"role": "user", "content": "two"})
    link.caller.send(LLMContextFrame(context))
    link.carry()
    arrived = [f.context.messages for f in link.assistant.frames if isinstance(f, LLMContextFrame)]
    assert [len(messages) for messages in arrived] == [1, 2]
    assert arrived[-1] == context.messages


def test_whoever_asks_for_it_again_and_again_is_refused() -> None:
    link = open_link()
    link.caller.send(LLMContextFrame(LLMContext(messages=[{"role": "user", "content": "x"}])))
    link.carry()
    events = list(forged(link.caller.line, *[Resend(0)] * (REFUSAL_BUDGET + 1)))
    assert events[:-1] == [[]] * REFUSAL_BUDGET
    assert events[-1] == [MustClose(CloseCode.POLICY_VIOLATION)]


def test_there_may_be_nothing_to_send_again() -> None:
    link = open_link()
    assert list(forged(link.caller.line, Resend(0))) == [[]]
    assert link.caller.line.drained


def test_one_job_too_many_fails_at_once_and_a_flood_of_them_ends_the_line() -> None:
    link = open_link(assistant=TrunkOptions(outbox=OutboxLimits(total_bytes=2000)))
    ask = MessageEnvelope(0, MESSAGE_NUMBERS["BusJobRequestMessage"], {}, 0, 0)
    jobs = [
        structs.replace(ask, fields={FIELD_NUMBERS["job_id"]: str(n)}) for n in range(MAX_JOBS + 99)
    ]
    events = list(forged(link.assistant.line, *jobs))
    assert [type(event) for (event,) in events[:MAX_JOBS]] == [Received] * MAX_JOBS
    assert events[MAX_JOBS] == []
    assert [MustClose(CloseCode.PEER_TOO_SLOW)] in events
    assert len(link.assistant.line._sender.outbox) < 99
    link.pump(link.assistant)
    answer = make_decoder().decode(link.to_caller[1])
    assert isinstance(answer, MessageEnvelope)
    assert answer.message == MESSAGE_NUMBERS["BusJobResponseMessage"]
    assert answer.fields[FIELD_NUMBERS["job_id"]] == str(MAX_JOBS)


def test_a_job_that_cannot_be_written_fails_at_once() -> None:
    link = open_link()
    request = BusJobRequestMessage(
        source=CALLER, target=ASSISTANT, job_id="1", payload={"x": object()}
    )
    link.caller.send(request)
    (answer,) = link.caller.messages
    assert isinstance(answer, BusJobResponseMessage)
    assert answer.status is JobStatus.FAILED
    link.cut(CloseCode.ENDED)
    assert len(link.caller.messages) == 1


@pytest.mark.parametrize("response", [{"x": object()}, {"x": "y" * 70_000}])
def test_an_answer_that_cannot_be_written_arrives_as_a_failure(response: dict[str, Any]) -> None:
    link = open_link(caller=TrunkOptions(max_message_bytes=65_536))
    link.caller.send(BusJobRequestMessage(source=CALLER, target=ASSISTANT, job_id="1"))
    link.carry()
    done = JobStatus.COMPLETED
    link.assistant.send(
        BusJobResponseMessage(
            source=ASSISTANT,
            target=CALLER + CALLER_SUFFIX,
            job_id="1",
            status=done,
            response=response,
        )
    )
    link.carry()
    (answer,) = link.caller.messages
    assert isinstance(answer, BusJobResponseMessage)
    assert (answer.job_id, answer.status) == ("1", JobStatus.FAILED)
    assert link.up


def test_an_activation_reaches_the_task_that_it_is_for() -> None:
    link = open_link(exported=("greeter", "support"))
    link.caller.send(BusActivateWorkerMessage(source=CALLER, target="support"))
    link.carry()
    (message,) = link.assistant.messages
    assert (message.source, message.target) == (CALLER + CALLER_SUFFIX, "support")
