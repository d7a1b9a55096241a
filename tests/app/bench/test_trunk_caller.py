"""The generator of load says what our client half would say, and keeps count as it does."""

import pytest
from pipecat.bus.messages import BusActivateWorkerMessage, BusFrameMessage, BusMessage
from pipecat.frames.frames import LLMContextFrame, LLMTextFrame
from pipecat.processors.frame_processor import FrameDirection

from app.bench.dialects import CONVERSATION_MESSAGES
from app.bench.names import ASSISTANT, CALLER
from app.bench.stamps import stamp_in, stamped
from app.bench.trunk_caller import TrunkCaller
from proxy.dialect import Received, Role
from proxy.filter import FROM_CALLER, Filter
from proxy.handshake import TrunkOptions
from proxy.protocol import TrunkLine
from proxy.pulse import Patience
from proxy.sequence import ACK_EVERY, SequenceError
from proxy.wire import SUBPROTOCOL, read_hello


class Conversation:
    """A caller of the generator and the assistant's end of its line."""

    def __init__(self) -> None:
        filter_ = Filter(
            exported=(ASSISTANT,), remote=[], inbound_frames=FROM_CALLER, may_switch=True
        )
        self.caller = TrunkCaller()
        self.line = TrunkLine(Role.ASSISTANT, filter_, session="one", options=TrunkOptions())
        [hello] = self.caller.opening()
        self.line.welcome(read_hello(hello))
        self.ready = False
        self.stamps: list[float] = []
        self.arrived: list[BusMessage] = []

    def say(self, data: bytes) -> None:
        """Let the assistant's end take in what the caller says."""
        for event in self.line.receive(data):
            assert isinstance(event, Received), event
            self.arrived.append(event.message)
            self.line.handled(event.size_bytes)

    def hear(self) -> int:
        """Let the caller hear what waits for it; gives how often it answered."""
        answers = 0
        while (data := self.line.next_outgoing()) is not None:
            heard = self.caller.hear(data)
            self.ready |= heard.ready
            self.stamps += [] if heard.stamp is None else [heard.stamp]
            for reply in heard.replies:
                self.say(reply)
                answers += 1
        return answers

    def last_frame(self) -> object:
        message = self.arrived[-1]
        assert isinstance(message, BusFrameMessage)
        return message.frame


@pytest.fixture
def talk() -> Conversation:
    talk = Conversation()
    talk.hear()
    return talk


def test_it_speaks_our_dialect_and_keeps_the_microphone_at_home() -> None:
    caller = TrunkCaller()
    assert caller.subprotocol == SUBPROTOCOL
    assert caller.audio() is None
    assert not caller.extensions
    assert caller.heartbeat_s is not None
    assert caller.heartbeat_s < Patience().heartbeat_s


def test_a_task_that_is_ready_is_activated(talk: Conversation) -> None:
    talk.line.announce((ASSISTANT,))
    talk.hear()
    assert talk.ready
    [activation] = talk.arrived
    assert isinstance(activation, BusActivateWorkerMessage)
    assert activation.target == ASSISTANT


def test_a_turn_is_the_conversation_so_far_and_crosses_as_what_it_adds(talk: Conversation) -> None:
    for turn, length in enumerate((CONVERSATION_MESSAGES, CONVERSATION_MESSAGES + 2)):
        data = talk.caller.turn(7.5 + turn)
        talk.say(data)
        frame = talk.last_frame()
        assert isinstance(frame, LLMContextFrame)
        assert len(frame.context.messages) == length
        last = frame.context.messages[-1]
        assert isinstance(last, dict)
        assert stamp_in(str(last["content"]).encode()) == 7.5 + turn
        assert (len(data) > 1000) == (turn == 0)


def test_a_text_holds_its_time_both_ways(talk: Conversation) -> None:
    talk.say(talk.caller.text(8.5))
    frame = talk.last_frame()
    assert isinstance(frame, LLMTextFrame)
    assert stamp_in(frame.text.encode()) == 8.5
    speak(talk, 9.5)
    talk.hear()
    assert talk.stamps == [9.5]


def test_what_it_heard_is_acknowledged_now_and_then(talk: Conversation) -> None:
    for _ in range(ACK_EVERY - 1):
        speak(talk, 1.0)
    assert talk.hear() == 0
    speak(talk, 1.0)
    assert talk.hear() == 1
    talk.say(talk.caller.heartbeat())


def test_a_message_that_is_missing_is_noticed(talk: Conversation) -> None:
    speak(talk, 1.0)
    speak(talk, 2.0)
    assert talk.line.next_outgoing() is not None
    with pytest.raises(SequenceError):
        talk.hear()


def speak(talk: Conversation, at_s: float) -> None:
    frame, down = LLMTextFrame(stamped(at_s)), FrameDirection.DOWNSTREAM
    talk.line.send(BusFrameMessage(frame, down, source=ASSISTANT, target=f"{CALLER}@caller"))
