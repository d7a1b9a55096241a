"""`trunkline bench codec`: what writing and reading one message costs, and how long it is."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from pipecat.bus.messages import BusFrameMessage
from pipecat.bus.serializers import JSONMessageSerializer
from pipecat.frames.frames import Frame, LLMContextFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from rich.progress import Progress

from app.bench.audio import FRAME_BYTES, microphone
from app.bench.conversations import conversation
from app.bench.options import Options
from app.bench.report import Aim, Measure, Peer, Samples
from proxy.codec.trunk import TrunkCodec, read_envelope, write_envelope
from proxy.wire import FrameEnvelope, numbered

CONTEXT_MESSAGES = 200

# A sequence number in the middle of a call.
_SEQ = 10_000


@dataclass(frozen=True)
class Case:
    """One kind of message.

    Attributes:
        name: What it is called.
        frame: The frame.
        times: How many times faster ours should be.
        length: What is aimed at for its bytes on the wire.
        repeats: How often it is written and read in one round.
    """

    name: str
    frame: Frame
    times: float
    length: Aim | None
    repeats: int


CASES = (
    Case("text", LLMTextFrame("Acme Rocket Boots cost "), 6, Aim(times=10), 2_000),
    Case(
        "20 ms of audio",
        microphone(),
        8,
        Aim(at_most=FRAME_BYTES * 1.05),
        2_000,
    ),
    Case(
        f"conversation of {CONTEXT_MESSAGES}",
        LLMContextFrame(LLMContext(messages=conversation(CONTEXT_MESSAGES))),
        6,
        None,
        40,
    ),
)

FULL_ROUNDS = 15
QUICK_ROUNDS = 2
QUICK_SHARE = 20

_STOCK = JSONMessageSerializer()

Write = Callable[[Frame], bytes]


async def measure(options: Options, progress: Progress) -> list[Measure]:
    """Write and read messages of each kind with both codecs, in turn.

    Args:
        options: How to run.
        progress: Where to show how far it is.
    """
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
    step = progress.add_task("codec", total=rounds * len(CASES))
    measures = []
    for case in CASES:
        repeats = max(1, case.repeats // QUICK_SHARE) if options.quick else case.repeats
        samples = Samples()
        for peer in options.peers:
            _cpu_us(peer, case.frame, max(1, repeats // 10))
        for _ in range(rounds):
            for peer in options.peers:
                samples.add(peer, _cpu_us(peer, case.frame, repeats))
                await asyncio.sleep(0)  # for Ctrl-C
            progress.advance(step)
        lengths = {peer: float(_length(peer, case.frame)) for peer in options.peers}
        cpu_us, aim = samples.medians(), Aim(times=case.times)
        measures += [
            Measure(f"{case.name}, there and back", "us CPU", cpu_us, aim=aim),
            Measure(f"{case.name}, on the wire", "bytes", lengths, aim=case.length),
        ]
    return measures


def write(codec: TrunkCodec, frame: Frame) -> bytes:
    """Write a frame as a line does."""
    key, fields = codec.pack_frame(frame)
    return numbered(write_envelope(FrameEnvelope(0, key, fields, target=0)), _SEQ)


def read(codec: TrunkCodec, data: bytes) -> Frame:
    """Read a frame as a line does."""
    envelope = read_envelope(data)
    assert isinstance(envelope, FrameEnvelope)
    return codec.unpack_frame(envelope.frame, envelope.fields)


def stock_write(frame: Frame) -> bytes:
    """Write a frame as Pipecat's proxies do."""
    message = BusFrameMessage(frame, FrameDirection.DOWNSTREAM, source="assistant")
    return _STOCK.serialize(message)


def stock_read(data: bytes) -> Frame:
    """Read a frame as Pipecat's proxies do."""
    message = _STOCK.deserialize(data)
    assert isinstance(message, BusFrameMessage)
    return message.frame


def _cpu_us(peer: Peer, frame: Frame, repeats: int) -> float:
    sender, receiver = TrunkCodec(), TrunkCodec()
    began = time.thread_time()
    if peer is Peer.OURS:
        for _ in range(repeats):
            sender.forget_context()  # so that a conversation crosses whole
            read(receiver, write(sender, frame))
    else:
        for _ in range(repeats):
            stock_read(stock_write(frame))
    return (time.thread_time() - began) * 1e6 / repeats


def _length(peer: Peer, frame: Frame) -> int:
    return len(write(TrunkCodec(), frame) if peer is Peer.OURS else stock_write(frame))
