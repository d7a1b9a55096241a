"""A whole short session between two real ends, as docs/wire.md prints it."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import msgspec
from pipecat.bus.messages import (
    BusActivateWorkerMessage,
    BusFrameMessage,
    BusJobRequestMessage,
    BusJobResponseMessage,
)
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    MetricsFrame,
    OutputAudioRawFrame,
    PipelineFlushFrame,
    TextFrame,
    TTSTextFrame,
)
from pipecat.metrics.metrics import TTFBMetricsData
from pipecat.pipeline.job_context import JobStatus
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.text.base_text_aggregator import TextType

from proxy import resume
from proxy.close_codes import CloseCode
from proxy.codec.catalog import Catalog
from proxy.codec.records import foreign_id
from proxy.codec.trunk import TrunkCodec, write_envelope
from proxy.dialect import Event, MustClose, Queued, Received, Role
from proxy.filter import CALLER_SUFFIX, Filter, FrameTypes
from proxy.handshake import TrunkOptions
from proxy.protocol import TrunkLine
from proxy.wire import FrameEnvelope, Gap, Hello, Resend, Waiting, encode, read_hello

WAITS = (
    (2, "No session is to spare, and the caller asked to wait: it is the second in the queue."),
    (1, "It is the next."),
)

CALLER, ASSISTANT = "acme", "assistant"
# W3C's own example.
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UP, DOWN = "caller to assistant", "assistant to caller"

_FROM_CALLER = (TextFrame, LLMContextFrame, InterruptionFrame, PipelineFlushFrame)
_FROM_ASSISTANT = (
    OutputAudioRawFrame,
    LLMTextFrame,
    LLMFullResponseStartFrame,
    LLMFullResponseEndFrame,
    PipelineFlushFrame,
)


def only(*types: type[Frame]) -> FrameTypes:
    """Take these frames and no others, so that the greetings stay short."""
    crossing = {record.cls for record in Catalog().frames.values() if record.never is None}
    return FrameTypes(frozenset(crossing.difference(types)), frozenset())


@dataclass
class Step:
    """One envelope.

    Attributes:
        way: Who sends it.
        data: The envelope.
        said: What it is for.
        lost: Whether it never arrives.
    """

    way: str
    data: bytes
    said: str
    lost: bool = False


@dataclass
class Session:
    """Both ends, and every envelope between them."""

    caller: TrunkLine
    assistant: TrunkLine
    steps: list[Step] = field(default_factory=list)

    def write(self, way: str, *said: str, lost: bool = False) -> None:
        """Let one end write as many envelopes as there is something said of."""
        line, peer = (self.caller, self.assistant) if way == UP else (self.assistant, self.caller)
        for text in said:
            data = line.next_outgoing()
            assert data is not None, text
            self.steps.append(Step(way, data, text, lost))
            if not lost:
                self.take(peer, data)
        assert line.next_outgoing() is None, said

    def take(self, line: TrunkLine, data: bytes) -> None:
        if line is self.assistant and data[1] == Hello.__struct_config__.tag:
            self.act(line, line.welcome(read_hello(data)))
        else:
            self.act(line, line.receive(data))

    def act(self, line: TrunkLine, events: list[Event]) -> None:
        for event in events:
            assert not isinstance(event, MustClose), event
            if isinstance(event, Received):
                line.handled(event.size_bytes)

    def heartbeat(self, way: str, said: str) -> None:
        line = self.caller if way == UP else self.assistant
        line._control.append(line._acknowledgement())
        self.write(way, said)

    def frames(self, way: str, frames: Sequence[tuple[Frame, str]], *, lost: bool = False) -> None:
        line, name = (self.caller, CALLER) if way == UP else (self.assistant, ASSISTANT)
        for frame, _ in frames:
            message = BusFrameMessage(source=name, frame=frame, direction=FrameDirection.DOWNSTREAM)
            self.act(line, line.send(message))
        self.write(way, *(said for _, said in frames), lost=lost)


def begin() -> Session:
    """Build two ends whose secrets and limits can be printed."""
    options = TrunkOptions(
        window_bytes=65_536, max_message_bytes=1_048_576, traceparent=lambda: TRACEPARENT
    )
    caller = Filter(exported=(CALLER,), remote=[ASSISTANT], inbound_frames=only(*_FROM_ASSISTANT))
    assistant = Filter(
        exported=(ASSISTANT,), remote=[], inbound_frames=only(*_FROM_CALLER), may_switch=True
    )
    clock = lambda: 0.0  # noqa: E731
    return Session(
        TrunkLine(Role.CALLER, caller, options=options, clock=clock),
        TrunkLine(Role.ASSISTANT, assistant, session="s-1", options=options, clock=clock),
    )


def play() -> list[Step]:
    """Hold the session that the document prints."""
    tokens = (f"token-{number}" for number in itertools.count(2))
    with mock.patch.object(resume, "_new_token", side_effect=tokens):
        session = begin()
        session.assistant._handshake._key.token = "token-1"
        greet(session)
        talk(session)
        work(session)
        break_and_resume(session)
        part(session)
    return session.steps


def greet(session: Session) -> None:
    session.caller.connected()
    hello = session.caller.next_outgoing()
    assert hello is not None
    session.steps.append(Step(UP, hello, "A hello: a new session, please."))
    for position, said in WAITS:
        data = encode(Waiting(position))
        session.steps.append(Step(DOWN, data, said))
        assert session.caller.receive(data) == [Queued(position)]
    session.take(session.assistant, hello)
    session.write(DOWN, "The welcome.")
    session.write(UP, "The caller has the token.")
    session.assistant.announce((ASSISTANT,))
    session.write(DOWN, "The assistant's task is ready.")
    session.caller.send(BusActivateWorkerMessage(source=CALLER, target=ASSISTANT))
    session.write(UP, "The caller activates it.")


def talk(session: Session) -> None:
    context = LLMContext(messages=[{"role": "user", "content": "Hi"}])
    session.frames(UP, [(LLMContextFrame(context), "A conversation, the first: whole.")])
    answer = [
        (LLMFullResponseStartFrame(), "The answer begins."),
        (LLMTextFrame("Hello."), "A word of it."),
        (OutputAudioRawFrame(bytes(range(8)), 16000, 1), "Four samples of sound."),
        (LLMFullResponseEndFrame(), "The answer is over."),
    ]
    session.frames(DOWN, answer)
    context.add_message({"role": "assistant", "content": "Hello."})
    context.add_message({"role": "user", "content": "Bye"})
    session.frames(UP, [(LLMContextFrame(context), "The conversation again: what was added.")])
    session.heartbeat(UP, "A heartbeat of the caller, which has handled five envelopes.")
    session.heartbeat(DOWN, "A heartbeat of the assistant.")


def work(session: Session) -> None:
    job = {"job_id": "j", "source": CALLER, "target": ASSISTANT}
    session.caller.send(BusJobRequestMessage(**job, payload={"n": 1}))
    session.write(UP, "A job for the assistant.")
    session.assistant.send(
        BusJobResponseMessage(
            source=ASSISTANT,
            target=CALLER + CALLER_SUFFIX,
            job_id="j",
            status=JobStatus.COMPLETED,
            response={"n": 2},
        )
    )
    session.write(DOWN, "Its answer.")
    probe = PipelineFlushFrame(origin=ASSISTANT, flush_id=7)
    session.frames(DOWN, [(probe, "A flush probe of the assistant, on its way down.")])
    back = BusFrameMessage(source=CALLER, frame=probe, direction=FrameDirection.UPSTREAM)
    session.caller.send(back)
    session.write(UP, "All that came before was played: the probe goes back up.")


def break_and_resume(session: Session) -> None:
    session.frames(
        DOWN, [(LLMTextFrame("Bye"), "A word that is lost with the connection.")], lost=True
    )
    for line in (session.caller, session.assistant):
        session.act(line, line.disconnected(CloseCode.ABNORMAL))
    session.caller.connected()
    session.write(UP, "A new connection: the caller comes back.")
    session.write(
        DOWN,
        "The welcome back, with a new token.",
        "How far the assistant has come.",
        "The lost word once more, byte for byte.",
    )
    session.write(UP, "How far the caller had come when it was welcomed; the old token is void.")


def part(session: Session) -> None:
    session.assistant.end("goodbye")
    session.write(DOWN, "The assistant ends the conversation. The caller closes with 1000.")


def notation(value: Any) -> str:
    """Write a msgpack value so that people can read it."""
    match value:
        case None | True | False:
            return {None: "nil", True: "true", False: "false"}[value]
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return f"h'{value.hex()}'"
        case msgspec.msgpack.Ext():
            return f"ext({value.code}, {notation(bytes(value.data))})"
        case dict():
            inner = (f"{notation(key)}: {notation(item)}" for key, item in value.items())
            return "{" + ", ".join(inner) + "}"
        case list():
            return "[" + ", ".join(map(notation, value)) + "]"
    return str(value)


def dump(data: bytes) -> Iterator[str]:
    """Give an envelope as the document prints it: its bytes, and what they mean."""
    yield "```wire"
    yield from (data[at : at + 24].hex(" ") for at in range(0, len(data), 24))
    yield notation(msgspec.msgpack.decode(data))
    yield "```"
    yield ""


def transcript() -> Iterator[str]:
    """Give the lines of the session as the document prints it."""
    for place, step in enumerate(play(), 1):
        yield f"**{place} · {step.way}.** {step.said}"
        yield ""
        yield from dump(step.data)


def examples() -> Iterator[str]:
    """Give envelopes that show one rule each."""
    codec = TrunkCodec()
    for said, frame in example_frames():
        key, fields = codec.pack_frame(frame)
        yield said
        yield ""
        yield from dump(write_envelope(FrameEnvelope(1, key, fields)))
    yield "Twelve frames were given up in this place."
    yield ""
    yield from dump(write_envelope(Gap(1, 12)))
    yield "The last conversation could not be followed: again, and whole."
    yield ""
    yield from dump(write_envelope(Resend(1)))


def example_frames() -> Iterator[tuple[str, Frame]]:
    text = TextFrame("Hi")
    text.metadata["mood"] = "fine"
    text.transport_destination = "room"
    yield "Fields that every frame has, where they are not at their defaults.", text
    sentence = AggregatedTextFrame("Hello there.", TextType.SENTENCE)
    sentence.id = 40
    yield "A sentence with the sender's id, 40.", sentence
    word = TTSTextFrame("Hello", TextType.WORD)
    word.id = 41
    word.segment_id = 40
    yield "A word of that sentence, from the end that sent the sentence.", word
    word = TTSTextFrame("Hello", TextType.WORD)
    word.id = 7
    word.segment_id = foreign_id(40)
    yield "A word of that sentence, from the end that received it: -40 - 1.", word
    special: Any = LLMSpecificMessage(llm="google", message={"parts": [1]})
    yield "A message in a vendor's own form.", LLMMessagesAppendFrame(messages=[special])
    result = FunctionCallResultFrame("look", "c1", {"what": "it"}, "found")
    result.properties = FunctionCallResultProperties(is_final=False)
    yield "A record inside a frame.", result
    yield (
        "A model inside a frame.",
        MetricsFrame(data=[TTFBMetricsData(processor="llm", value=0.5)]),
    )
