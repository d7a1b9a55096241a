"""Hello and welcome, and what comes in their place."""

import dataclasses
from typing import Any

import msgspec
import pytest
from pipecat.bus.messages import BusActivateWorkerMessage, BusFrameMessage
from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    LLMTextFrame,
    TextFrame,
    VolumeGainFrame,
)

from proxy.close_codes import CloseCode
from proxy.dialect import (
    Direction,
    LineState,
    MustClose,
    Opened,
    PeerReady,
    Queued,
    Received,
    Role,
)
from proxy.errors import CodecError
from proxy.filter import FROM_ASSISTANT, FROM_CALLER, DropReason, Filter
from proxy.handshake import TrunkOptions
from proxy.protocol import TrunkLine
from proxy.wire import Ack, Hello, Ready, Resend, Waiting, Welcome, encode, read_hello
from tests.proxy.memory_link import ASSISTANT, CALLER, MemoryLink, carried

HELLO = Hello(1, (CALLER,), (), 65536, 65536, 5.0)
WELCOME = Welcome("a-session", "secret", False, 0, (ASSISTANT,), (6, 7), 65536, 65536, 5.0, 30.0)


def caller_line(*remote: str, **options: Any) -> TrunkLine:
    filter_ = Filter(exported=(CALLER,), remote=remote, inbound_frames=FROM_ASSISTANT, **options)
    line = TrunkLine(Role.CALLER, filter_)
    line.connected()
    return line


def greeted(line: TrunkLine, **changes: Any) -> list[Any]:
    return line.receive(encode(msgspec.structs.replace(WELCOME, **changes)))


def test_the_hello_is_the_first_thing_that_is_written_and_nothing_follows_it() -> None:
    line = caller_line(ASSISTANT)
    line.send(carried(TextFrame("too soon"), CALLER))
    line.announce((CALLER,))
    data = line.next_outgoing()
    assert data is not None
    hello = read_hello(data)
    assert (hello.version, hello.tasks) == (1, (CALLER,))
    assert (hello.session, hello.token, hello.received) == (None, None, 0)
    assert line.next_outgoing() is None
    assert not line.drained


def test_a_welcome_opens_the_line_and_is_answered_with_a_sign_of_life() -> None:
    link = MemoryLink()
    link.dial()
    link.answer()
    link.pump(link.assistant)
    link.arrive(link.caller)
    assert (link.caller.opened, link.assistant.opened) == ([False], [False])
    assert link.caller.line.session == "a-session"
    assert link.caller.line.next_outgoing() == encode(Ack(0, 0))


@pytest.mark.parametrize("first", [HELLO, Ack(0, 0), Ready(1, (0,)), Resend(1)])
def test_anything_else_in_place_of_a_welcome_closes_with_1002(first: Any) -> None:
    line = caller_line(ASSISTANT)
    assert line.receive(encode(first)) == [MustClose(CloseCode.PROTOCOL_ERROR)]
    assert greeted(line) == []  # too late


def test_a_caller_that_waits_is_told_where_it_stands_and_does_not_give_up() -> None:
    now = 0.0
    filter_ = Filter(exported=(CALLER,), remote=[ASSISTANT], inbound_frames=FROM_ASSISTANT)
    line = TrunkLine(Role.CALLER, filter_, clock=lambda: now)
    line.connected()
    line.next_outgoing()
    for position in (3, 2, 1):
        for _ in range(9):
            now += 1.0
            assert line.tick() == []
        assert line.receive(encode(Waiting(position))) == [Queued(position)]
        assert line.next_outgoing() is None
    assert greeted(line) == [Opened(resumed=False)]


def test_a_server_that_lets_a_caller_wait_and_falls_silent_is_given_up() -> None:
    now = 0.0
    filter_ = Filter(exported=(CALLER,), remote=[ASSISTANT], inbound_frames=FROM_ASSISTANT)
    line = TrunkLine(Role.CALLER, filter_, clock=lambda: now)
    line.connected()
    line.receive(encode(Waiting(1)))
    events: list[Any] = []
    for _ in range(11):
        now += 1.0
        events += line.tick()
    assert events == [MustClose(CloseCode.PEER_SILENT)]


def test_a_place_in_a_queue_begins_with_one() -> None:
    data = msgspec.msgpack.encode([10, 0])
    assert caller_line().receive(data) == [MustClose(CloseCode.INVALID_PAYLOAD)]


@pytest.mark.parametrize("again", [HELLO, WELCOME, Waiting(1)])
def test_a_second_greeting_closes_with_1002(again: Any) -> None:
    link = MemoryLink()
    link.connect()
    for end in (link.caller, link.assistant):
        events = end.line.receive(encode(again))
        assert events == [MustClose(CloseCode.PROTOCOL_ERROR)]


def test_a_text_message_closes_with_1003() -> None:
    assert caller_line().receive("hello") == [MustClose(CloseCode.UNSUPPORTED_DATA)]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"hello", encode(WELCOME)[:-1], b"\x92\x00\x00"])
def test_rubbish_closes_with_1007(data: bytes) -> None:
    assert caller_line().receive(data) == [MustClose(CloseCode.INVALID_PAYLOAD)]


def test_an_envelope_over_the_limit_closes_with_1009() -> None:
    link = MemoryLink(assistant=TrunkOptions(max_message_bytes=2000))
    link.connect()
    line = link.assistant.line
    assert line.receive(bytes(2001)) == [MustClose(CloseCode.MESSAGE_TOO_BIG)]


def test_each_end_learns_what_the_other_takes() -> None:
    link = MemoryLink(caller=TrunkOptions(max_message_bytes=2000))
    link.connect()
    link.assistant.send(LLMTextFrame("x" * 3000))
    link.assistant.send(LLMTextFrame("short"))
    link.carry()
    assert [frame.text for frame in link.caller.frames if isinstance(frame, LLMTextFrame)] == [
        "short"
    ]
    assert link.assistant.line.stats.drops[Direction.OUT, DropReason.TOO_BIG] == 1


def test_a_frame_that_the_other_end_does_not_want_stays_at_home() -> None:
    line = caller_line(ASSISTANT)
    greeted(line)  # wants TextFrame and LLMTextFrame
    line.send(carried(BotStoppedSpeakingFrame(), CALLER))
    line.send(carried(TextFrame("wanted"), CALLER))
    assert line.stats.drops == {(Direction.OUT, DropReason.HOME): 1}


def test_wants_of_another_version_are_passed_over() -> None:
    line = caller_line(ASSISTANT)
    greeted(line, wants=(6, 9999, "FrameOfTheFuture"))
    line.send(carried(TextFrame("wanted"), CALLER))
    assert line.stats.drops == {}


@pytest.mark.parametrize("allowed", [False, True])
def test_microphone_audio_crosses_only_to_a_recipe_that_allows_it(allowed: bool) -> None:
    link = MemoryLink()
    if allowed:
        types = FROM_CALLER.allowing(InputAudioRawFrame)
        link.assistant.line.filter.inbound_frames = types
    link.connect()
    link.caller.send(InputAudioRawFrame(bytes(640), 16000, 1))
    link.carry()
    assert len(link.assistant.frames) == allowed
    home = link.caller.line.stats.drops[Direction.OUT, DropReason.HOME]
    assert home == (not allowed)


def test_what_a_recipe_does_not_allow_does_not_leave_the_caller() -> None:
    class Own(Frame):
        """Not in the table."""

    link = MemoryLink()
    link.connect()
    link.caller.send(Own())
    link.caller.send(VolumeGainFrame(gain=0.5))
    link.carry()
    assert [type(frame) for frame in link.assistant.frames] == [VolumeGainFrame]
    assert link.caller.line.stats.drops == {(Direction.OUT, DropReason.CODEC): 1}


def test_a_caller_without_a_name_for_it_takes_the_names_that_the_assistant_gives() -> None:
    line = caller_line(reserved=frozenset({"line"}))
    assert greeted(line, tasks=("greeter", CALLER, "line", "support"))
    assert line.filter.remote == ["greeter", "support"]
    assert line.receive(encode(Ready(1, (0, 3)))) == [PeerReady(("greeter", "support"))]
    from_the_second = bytes([0x98, 3, 2, 7, 0x81, 17, 0xA1, 0x61, 0, 1, 0xC0, 0xC0])
    (event,) = line.receive(from_the_second)
    assert isinstance(event, Received)
    assert event.message.source == "greeter"  # for want of a name that can be used


def test_nobody_is_ready_because_somebody_without_a_name_is() -> None:
    line = caller_line(reserved=frozenset({"line"}))
    greeted(line, tasks=("greeter", CALLER, "line", "support"))
    assert line.receive(encode(Ready(1, (1, 2, 4, 99)))) == []
    line = caller_line("support")
    greeted(line, tasks=("greeter", "support"))
    assert line.receive(encode(Ready(1, (0,)))) == []
    assert line.receive(encode(Ready(2, (1,)))) == [PeerReady(("support",))]


def test_an_assistant_none_of_whose_names_can_be_used_is_no_peer() -> None:
    line = caller_line(reserved=frozenset({"line"}))
    assert greeted(line, tasks=(CALLER, "line")) == [MustClose(CloseCode.PROTOCOL_ERROR)]


def test_a_task_that_the_assistant_does_not_have_is_an_error_in_the_log() -> None:
    from loguru import logger

    lines: list[str] = []
    sink = logger.add(lines.append, level="ERROR", format="{message}")
    line = caller_line("helper")
    greeted(line)
    logger.remove(sink)
    assert lines == ["The other end has no task 'helper'; it has 'assistant'\n"]
    line.send(BusActivateWorkerMessage(source=CALLER, target="helper"))
    assert line.stats.drops[Direction.OUT, DropReason.CODEC] == 1


def test_the_callers_tasks_get_a_name_that_no_task_of_a_session_has() -> None:
    filter_ = Filter(exported=(ASSISTANT,), remote=[], inbound_frames=FROM_CALLER)
    line = TrunkLine(Role.ASSISTANT, filter_, session="s")
    line.welcome(msgspec.structs.replace(HELLO, tasks=("voice", "screen")))
    assert filter_.remote == ["voice@caller", "screen@caller"]


def test_a_name_that_the_assistant_gave_the_caller_stays() -> None:
    filter_ = Filter(exported=(ASSISTANT,), remote=["acme"], inbound_frames=FROM_CALLER)
    line = TrunkLine(Role.ASSISTANT, filter_, session="s")
    line.welcome(msgspec.structs.replace(HELLO, tasks=("voice", "screen")))
    assert filter_.remote == ["acme", "screen@caller"]


def test_the_first_greeting_decides_the_names() -> None:
    link = MemoryLink()
    link.connect()
    link.cut()
    hello = msgspec.structs.replace(link.dial(), tasks=("somebody else",))
    link.hello = hello
    assert link.answer()
    link.carry()
    link.caller.send(TextFrame("still me"))
    link.carry()
    assert isinstance(link.assistant.messages[-1], BusFrameMessage)
    assert link.assistant.messages[-1].source == "acme@caller"


@pytest.mark.parametrize(
    "changes",
    [
        {"tasks": ()},
        {"tasks": ("",)},
        {"tasks": ("a\nb",)},
        {"tasks": ("a\x1b[1mb",)},
        {"tasks": ("x" * 129,)},
        {"tasks": ("x",) * 65},
        {"wants": (1,) * 1025},
        {"window_bytes": 1023},
        {"window_bytes": 2**31 + 1},
        {"max_message_bytes": 0},
        {"heartbeat_s": 0.0},
        {"heartbeat_s": 0.0001},
        {"heartbeat_s": 601.0},
        {"received": -1},
        {"received": 2**53 + 1},
        {"token": "x" * 257},
    ],
    ids=lambda changes: "-".join(f"{k}={str(v)[:12]!r}" for k, v in changes.items()),
)
def test_a_hello_that_asks_for_the_impossible_is_none(changes: dict[str, Any]) -> None:
    assert read_hello(encode(HELLO)) == HELLO
    with pytest.raises(CodecError, match="the first message is not a hello"):
        read_hello(encode(msgspec.structs.replace(HELLO, **changes)))


@pytest.mark.parametrize("data", ["text", b"", b"\xc1", encode(WELCOME), encode(Ack(0, 0))])
def test_what_is_no_hello_is_an_error(data: bytes | str) -> None:
    with pytest.raises(CodecError, match="the first message is not a hello"):
        read_hello(data)


def test_a_line_without_a_peer_says_and_takes_nothing() -> None:
    filter_ = Filter(exported=(CALLER,), remote=[ASSISTANT], inbound_frames=FROM_ASSISTANT)
    line = TrunkLine(Role.CALLER, filter_)
    assert line.session == ""
    assert line.receive(encode(WELCOME)) == []
    assert line.send(carried(TextFrame("x"), CALLER)) == []
    assert line.next_outgoing() is None
    assert line.tick() == []


def test_a_connection_that_is_lost_before_the_welcome_leaves_nothing_to_come_back_to() -> None:
    line = caller_line(ASSISTANT)
    assert line.disconnected(CloseCode.ABNORMAL) == []
    assert line.state is LineState.CLOSED
    assert line.disconnected(CloseCode.ABNORMAL) == []


def test_options_travel_as_one() -> None:
    options = dataclasses.replace(TrunkOptions(), window_bytes=5000)
    link = MemoryLink(caller=options)
    assert link.dial().window_bytes == 5000
