"""`trunkline bench context`: what the next turn of a conversation costs, by its length."""

import asyncio
import time
from collections.abc import Callable
from statistics import median

from pipecat.frames.frames import LLMContextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from rich.progress import Progress

from app.bench.codec import read, stock_read, stock_write, write
from app.bench.conversations import conversation, turn_message
from app.bench.options import Options
from app.bench.report import Aim, Measure, Peer, Samples
from proxy.codec.trunk import TrunkCodec

LENGTHS = (20, 50, 100, 200)

# How much more CPU an older message may cost each turn.
AIM_US_A_MESSAGE = 0.2

FULL_ROUNDS, QUICK_ROUNDS = 15, 2
FULL_TURNS, QUICK_TURNS = 40, 3

# One turn: writes and reads the conversation after it has grown, and gives the bytes on the wire.
Turn = Callable[[], int]


async def measure(options: Options, progress: Progress) -> list[Measure]:
    """Let a conversation of each length grow by a question and an answer, and cross.

    Args:
        options: How to run.
        progress: Where to show how far it is.
    """
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
    turns = QUICK_TURNS if options.quick else FULL_TURNS
    step = progress.add_task("context", total=rounds * len(LENGTHS))
    cpu = {length: Samples() for length in LENGTHS}
    size: dict[int, dict[Peer, float]] = {length: {} for length in LENGTHS}
    for _ in range(rounds):
        for length in LENGTHS:
            for peer in options.peers:
                cpu_us, size[length][peer] = _measure_turns(peer, length, turns)
                cpu[length].add(peer, cpu_us)
                await asyncio.sleep(0)  # for Ctrl-C
            progress.advance(step)
    return [
        *(_bytes_of(length, size[length]) for length in LENGTHS),
        _growth(size),
        *(Measure(f"turn at {n} messages", "us CPU", cpu[n].medians()) for n in LENGTHS),
        _slope(cpu),
    ]


def our_turn(length: int) -> Turn:
    """Prepare a turn over a line on which the conversation so far has crossed."""
    sender, receiver = TrunkCodec(), TrunkCodec()
    context = LLMContext(messages=conversation(length - 4))
    # What a message costs once, it costs in the turn after the one that brought it.
    for _ in range(2):
        read(receiver, write(sender, LLMContextFrame(context)))
        _grow(context)
    assert len(context.messages) == length

    def turn() -> int:
        data = write(sender, LLMContextFrame(context))
        read(receiver, data)
        return len(data)

    return turn


def stock_turn(length: int) -> Turn:
    """Prepare a turn as Pipecat's proxies send it: the whole conversation again."""
    context = LLMContext(messages=conversation(length - 2))
    _grow(context)

    def turn() -> int:
        data = stock_write(LLMContextFrame(context))
        stock_read(data)
        return len(data)

    return turn


_TURNS = {Peer.OURS: our_turn, Peer.STOCK: stock_turn}


def _grow(context: LLMContext) -> None:
    # The same two messages whatever the length, so that only the length differs.
    context.add_messages([turn_message(1001), turn_message(1002)])


def _measure_turns(peer: Peer, length: int, count: int) -> tuple[float, float]:
    """Take turns on as many lines; gives CPU microseconds and bytes for each."""
    turns = [_TURNS[peer](length) for _ in range(count)]
    began = time.thread_time()
    sizes = [turn() for turn in turns]
    return (time.thread_time() - began) * 1e6 / count, median(sizes)


def _bytes_of(length: int, values: dict[Peer, float]) -> Measure:
    return Measure(f"turn at {length} messages", "bytes", values)


def _growth(size: dict[int, dict[Peer, float]]) -> Measure:
    short, long = size[LENGTHS[0]], size[LENGTHS[-1]]
    values = {peer: long[peer] / short[peer] for peer in short}
    # The numbers in front may take a byte or two more, as a message count of three digits does.
    name = f"bytes at {LENGTHS[-1]} for each at {LENGTHS[0]}"
    return Measure(name, "times", values, aim=Aim(at_most=1.05))


def _slope(cpu: dict[int, Samples]) -> Measure:
    short, long = cpu[LENGTHS[0]].medians(), cpu[LENGTHS[-1]].medians()
    span = LENGTHS[-1] - LENGTHS[0]
    values = {peer: (long[peer] - short[peer]) / span for peer in short}
    return Measure("each older message", "us CPU", values, aim=Aim(at_most=AIM_US_A_MESSAGE))
