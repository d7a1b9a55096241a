"""One session over several connections: what is kept, what is told, and who is let in again."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec import structs
from pipecat.bus.messages import (
    BusJobCancelMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
    BusJobUpdateMessage,
)
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMTextFrame,
    PipelineFlushFrame,
    TextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from proxy.close_codes import CloseCode
from proxy.dialect import Direction, LineState, MustClose, ResumeGap
from proxy.filter import CALLER_SUFFIX, DropReason
from proxy.handshake import TrunkOptions
from proxy.outbox import OutboxLimits
from proxy.wire import End, Welcome, encode, make_decoder, read_hello
from tests.proxy.memory_link import ASSISTANT, CALLER, MemoryLink

SMALL = TrunkOptions(window_bytes=2048)


def texts(frames: Sequence[Frame]) -> list[str]:
    return [frame.text for frame in frames if isinstance(frame, TextFrame | LLMTextFrame)]


def test_a_window_that_was_full_is_open_again_right_after_the_line_is_back() -> None:
    """What told so may have been lost with the connection, and nobody says it twice."""
    link = MemoryLink(caller=SMALL, assistant=SMALL)
    link.connect()
    for number in range(8):
        link.caller.send(TextFrame(f"{number}" * 400))
    link.pump(link.caller)
    assert len(link.to_assistant) < 8
    link.arrive(link.assistant, 100)
    link.pump(link.assistant)  # the acknowledgement goes out, and is lost
    link.cut()
    link.connect()
    assert len(texts(link.assistant.frames)) == 8


def test_each_message_arrives_once_however_often_the_line_breaks() -> None:
    link = MemoryLink()
    link.connect()
    for number in range(20):
        link.caller.send(TextFrame(str(number)))
        link.assistant.send(LLMTextFrame(str(number)))
        link.pump(link.caller)
        link.pump(link.assistant)
        link.arrive(link.assistant, number % 3)
        link.arrive(link.caller, number % 2)
        link.cut()
        link.connect()
    assert texts(link.assistant.frames) == texts(link.caller.frames) == list(map(str, range(20)))
    assert link.caller.opened == link.assistant.opened == [False] + [True] * 20
    assert link.caller.gaps == link.assistant.gaps == []


def test_what_is_sent_while_the_line_is_down_waits_for_it() -> None:
    link = MemoryLink(exported=("greeter", "support"))
    link.connect()
    link.cut()
    link.assistant.send(LLMTextFrame("good"))
    link.assistant.act(link.assistant.line.announce(("support", "hidden")))
    link.assistant.act(link.assistant.line.announce(("hidden",)))
    link.assistant.send(LLMTextFrame("bye"))
    link.assistant.act(link.assistant.line.end("x" * 5000))
    link.assistant.act(link.assistant.line.end("again"))
    link.assistant.send(LLMTextFrame("too late"))
    link.assistant.act(link.assistant.line.announce(("greeter",)))
    assert link.assistant.line.next_outgoing() is None
    link.connect()
    assert texts(link.caller.frames) == ["good", "bye"]
    assert link.caller.ready == ["support"]
    assert link.caller.ended == ["x" * 1024]
    assert link.assistant.line.ended


def test_an_end_needs_no_reason() -> None:
    link = MemoryLink()
    link.connect()
    link.assistant.act(link.assistant.line.end(None))
    link.carry()
    assert link.caller.ended == [None]


def test_frames_that_cannot_be_kept_are_a_gap_at_both_ends() -> None:
    options = TrunkOptions(outbox=OutboxLimits(total_bytes=3000))
    link = MemoryLink(caller=options, assistant=options)
    link.connect()
    link.cut()
    for number in range(10):
        link.assistant.send(LLMTextFrame(f"{number}" * 700))
    assert link.assistant.lost(Direction.OUT) == 6
    assert link.assistant.line.stats.drops[Direction.OUT, DropReason.LOST] == 6
    link.connect()
    assert link.caller.gaps == [ResumeGap(6, Direction.IN)]
    assert [text[0] for text in texts(link.caller.frames)] == ["6", "7", "8", "9"]


def test_what_gathered_during_an_outage_does_not_end_the_line_when_it_is_back() -> None:
    options = TrunkOptions(outbox=OutboxLimits(total_bytes=3000))
    link = MemoryLink(caller=options, assistant=options)
    link.connect()
    link.cut()
    for number in range(4):
        link.assistant.send(LLMTextFrame(f"{number}" * 700))
    link.dial()
    assert link.answer()
    link.assistant.send(LLMTextFrame("4" * 700))
    assert link.assistant.closing is None
    link.carry()
    assert [text[0] for text in texts(link.caller.frames)] == ["0", "1", "2", "3", "4"]


def test_more_than_can_be_kept_and_not_given_up_ends_the_session() -> None:
    options = TrunkOptions(outbox=OutboxLimits(total_bytes=3000))
    link = MemoryLink(assistant=options)
    link.connect()
    link.cut()
    update = {"n": "x" * 2000}
    for _ in range(3):
        link.assistant.send(
            BusJobUpdateMessage(
                source=ASSISTANT, target=CALLER + CALLER_SUFFIX, job_id="1", update=update
            )
        )
    assert link.assistant.closing is CloseCode.PEER_TOO_SLOW


def test_a_conversation_that_was_given_up_is_followed_by_a_whole_one() -> None:
    options = TrunkOptions(outbox=OutboxLimits(total_bytes=2000))
    link = MemoryLink(caller=options)
    link.connect()
    context = LLMContext()
    for number in range(8):
        if number == 2:
            link.cut()
        said = {"role": "user", "content": f"{number}" * 600}
        context.add_message(said)  # type: ignore[arg-type]
        link.caller.send(LLMContextFrame(context))
        link.carry()
    link.connect()
    arrived = [frame.context for frame in link.assistant.frames if hasattr(frame, "context")]
    assert link.assistant.lost(Direction.IN) > 0
    assert arrived[-1].messages == context.messages
    assert link.assistant.line.stats.drops == {}  # nothing had to be asked for again


def test_a_session_waits_for_its_caller_as_long_as_it_said() -> None:
    link = MemoryLink(assistant=TrunkOptions(resume_window_s=30.0))
    link.connect()
    link.cut()
    for end in (link.caller, link.assistant):
        assert end.line.state is LineState.DETACHED
    link.now += 29.9
    assert link.caller.line.tick() == link.assistant.line.tick() == []
    link.now += 0.2
    assert link.caller.line.tick() == [MustClose(CloseCode.ABNORMAL)]
    assert link.assistant.line.tick() == [MustClose(CloseCode.ABNORMAL)]


def test_dialling_without_an_answer_does_not_begin_the_wait_anew() -> None:
    link = MemoryLink(assistant=TrunkOptions(resume_window_s=30.0))
    link.connect()
    link.cut()
    for _ in range(4):
        link.now += 7.0
        link.dial()
        link.cut()
    link.now += 2.1
    assert link.caller.line.tick() == [MustClose(CloseCode.ABNORMAL)]


def test_a_connection_is_lost_once() -> None:
    link = MemoryLink(assistant=TrunkOptions(resume_window_s=30.0))
    link.connect()
    link.cut()
    link.now += 20.0
    for end in (link.caller, link.assistant):
        assert end.line.disconnected(CloseCode.PEER_SILENT) == []
        assert end.line.state is LineState.DETACHED
    link.now += 10.1
    assert link.assistant.line.tick() == [MustClose(CloseCode.ABNORMAL)]


def test_a_session_that_waits_for_nobody_is_over_with_its_connection() -> None:
    link = MemoryLink(assistant=TrunkOptions(resume_window_s=0.0))
    link.connect()
    link.cut()
    assert link.caller.line.state is link.assistant.line.state is LineState.CLOSED


def test_nobody_comes_back_to_a_session_that_waits_for_nobody() -> None:
    """Not even while the end of the last connection has not been noticed."""
    link = MemoryLink(assistant=TrunkOptions(resume_window_s=0.0))
    hello = link.dial()
    link.answer()
    link.pump(link.assistant)
    welcome = make_decoder().decode(link.to_caller[0])
    assert isinstance(welcome, Welcome)
    back = structs.replace(hello, session=welcome.session, token=welcome.token)
    assert not link.assistant.line.knows(back)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1007, 1011, 1012, 4000, 4003, 4005, 4402, 4500])
def test_a_code_that_ends_the_session_ends_it(code: int) -> None:
    link = MemoryLink()
    link.connect()
    link.cut(code)
    assert link.caller.line.state is link.assistant.line.state is LineState.CLOSED
    assert not link.assistant.line.knows(link.hello)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [1006, 4100, 4101, 4199])
def test_a_code_that_ends_the_connection_alone_does_not(code: int) -> None:
    link = MemoryLink()
    link.connect()
    link.cut(code)
    link.connect()
    assert link.caller.opened == [False, True]


def test_a_connection_that_is_taken_over_is_not_missed() -> None:
    """The server may hear of the new connection before it hears of the end of the last."""
    link = MemoryLink()
    link.connect()
    link.caller.send(TextFrame("hello"))
    link.pump(link.caller)
    link.cut(noticed=False)
    assert link.assistant.line.state is LineState.OPEN
    link.connect()
    assert texts(link.assistant.frames) == ["hello"]
    assert link.assistant.opened == [False, True]


def test_a_token_is_good_once_and_a_lost_answer_does_not_matter() -> None:
    link = MemoryLink()
    link.connect()
    tokens = []
    for lost in (True, True, True, False, False):
        link.cut()
        tokens.append(link.dial().token)
        assert link.answer()
        if not lost:
            link.carry()
    assert len(set(tokens[:4])) == 1  # nothing new was heard of
    assert tokens[4] != tokens[0]
    link.cut()
    hello = link.dial()
    for used in tokens:
        assert not link.assistant.line.knows(structs.replace(hello, token=used))
    assert link.answer()


def test_a_welcome_to_another_session_means_that_this_one_is_gone() -> None:
    for changes in ({"resumed": False}, {"session": "another"}):
        link = MemoryLink()
        link.connect()
        link.cut()
        link.dial()
        welcome = Welcome("a-session", "t", True, 0, (ASSISTANT,), (), 65536, 65536, 5.0, 30.0)
        data = encode(structs.replace(welcome, **changes))
        assert link.caller.line.receive(data) == [MustClose(CloseCode.SESSION_GONE)]
        link.cut(CloseCode.SESSION_GONE)
        assert link.caller.line.state is LineState.CLOSED


@pytest.mark.parametrize("received", [0, 6])
def test_numbers_that_do_not_fit_end_the_session(received: int) -> None:
    for which in ("hello", "welcome"):
        link = MemoryLink()
        link.connect()
        for number in range(5):
            link.caller.send(TextFrame(str(number)))
            link.assistant.send(LLMTextFrame(str(number)))
        link.carry()
        link.pass_time(4.0)  # both have heard how far the other is
        link.cut()
        hello = link.dial()
        if which == "hello":
            hello = structs.replace(hello, received=received)
            events = link.assistant.line.welcome(hello)
        else:
            welcome = Welcome("a-session", "t", True, received, ("a",), (), 65536, 65536, 5.0, 30.0)
            events = link.caller.line.receive(encode(welcome))
        assert events == [MustClose(CloseCode.PROTOCOL_ERROR)]


def test_whoever_waits_for_an_answer_gets_one_when_the_session_is_lost() -> None:
    link = MemoryLink()
    link.connect()
    link.caller.send(BusJobRequestMessage(source=CALLER, target=ASSISTANT, job_id="1"))
    link.carry()
    link.cut()
    link.now += 31.0
    for end, kind in ((link.caller, BusJobResponseMessage), (link.assistant, BusJobCancelMessage)):
        end.messages.clear()
        end.act(end.line.tick())
        assert end.closing is CloseCode.ABNORMAL
        end.act(end.line.close())
        assert [type(message) for message in end.messages] == [kind]
        assert end.line.close() == []


def test_a_flush_is_released_when_the_session_is_lost() -> None:
    link = MemoryLink()
    link.connect()
    probe = PipelineFlushFrame(event=asyncio.Event(), origin=ASSISTANT)
    link.assistant.send(probe)
    assert probe.event is not None
    link.cut(CloseCode.ENDED)
    assert probe.event.is_set()


def test_a_closed_line_takes_nothing() -> None:
    link = MemoryLink()
    link.connect()
    link.cut(CloseCode.ENDED)
    for end in (link.caller, link.assistant):
        line = end.line
        end.send(TextFrame("x"))
        line.announce((CALLER, ASSISTANT))
        line.end("x")
        assert line.receive(encode(End(1))) == line.tick() == []
        assert line.next_outgoing() is None
        assert line.drained
        assert not line.ended


@pytest.mark.parametrize(
    ("asked", "state"),
    [(0, LineState.CLOSED), (1, LineState.CLOSED), (2, LineState.DETACHED)],
)
def test_a_caller_that_is_lost_before_it_was_welcomed_is_not_waited_for(
    asked: int, state: LineState
) -> None:
    """Nobody but the writer knows whether the welcome was written: it asks for what is next."""
    link = MemoryLink()
    link.caller.line.connected()
    hello = link.caller.line.next_outgoing()
    assert hello is not None
    link.assistant.line.welcome(read_hello(hello))
    for _ in range(asked):
        link.assistant.line.next_outgoing()
    link.assistant.line.disconnected(CloseCode.ABNORMAL)
    assert link.assistant.line.state is state
