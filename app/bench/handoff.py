"""`trunkline bench handoff`: how long a caller waits for another task, and after a goodbye."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pipecat.frames.frames import LLMTextFrame
from pipecat.pipeline.worker import PipelineWorker
from rich.progress import Progress

from app.bench.calls import TIMEOUT_S, Call, Listener, bridged_caller, call
from app.bench.child import Child, servers
from app.bench.names import GOODBYE, GREETER, HAND_OVER, HELLO, LAST_WORDS, Scene
from app.bench.options import Options
from app.bench.report import Aim, Measure, Peer, Samples

AIM = Aim(at_most=50.0)

ASKED = (HAND_OVER, GOODBYE)


@dataclass(frozen=True)
class _Size:
    """How often, and how many sessions at a time."""

    rounds: int
    at_a_time: int


# Each of the stock ones waits for ten seconds or more, so they wait together.
FULL = {Peer.OURS: _Size(60, 1), Peer.STOCK: _Size(1, 3)}
QUICK = {Peer.OURS: _Size(2, 1), Peer.STOCK: _Size(1, 1)}


async def measure(options: Options, progress: Progress) -> list[Measure]:
    """Let remote tasks hand over and say goodbye, each in a session of its own.

    Args:
        options: How to run; `rounds` is how often ours are measured.
        progress: Where to show how far it is.
    """
    left = {asked: Samples() for asked in ASKED}
    over = Samples()
    async with servers(options.peers, Scene.DESKS) as running:
        for peer, server in running.items():
            size = (QUICK if options.quick else FULL)[peer]
            rounds = options.rounds or size.rounds if peer is Peer.OURS else size.rounds
            step = progress.add_task(f"handoff, {peer}", total=rounds)
            for _ in range(rounds):
                await _leave_both_ways(peer, server, size.at_a_time, left)
                if peer is Peer.OURS:  # a stock call is never over
                    over.add(peer, await _call_over(peer, server))
                progress.advance(step)
    return [
        *_measures("handover", left[HAND_OVER], "from asking for it to the other's activation"),
        *_measures("goodbye", left[GOODBYE], "from asking for it until all was heard"),
        *_measures("call over", over, "from the last word heard to the closed socket"),
    ]


async def _leave_both_ways(
    peer: Peer, server: Child, count: int, left: Mapping[str, Samples]
) -> None:
    """Hand over and say goodbye; those that take ten seconds wait together."""

    async def leave(asked: str) -> None:
        left[asked].add_all(peer, await _leave(peer, server, asked, count))

    if peer is Peer.STOCK:
        await asyncio.gather(*map(leave, ASKED))
        return
    for asked in ASKED:
        await leave(asked)


async def _leave(peer: Peer, server: Child, asked: str, count: int) -> list[float]:
    """Let the greeter leave in new sessions; the server's clock says how many ms that took."""
    left = asyncio.Event()

    async def one() -> None:
        async with _at_the_greeter(peer, server.hello["url"]) as (_, caller, _):
            await caller.queue_frame(LLMTextFrame(asked))
            await left.wait()

    calls = [asyncio.create_task(one()) for _ in range(count)]
    try:
        answer = await server.ask("next_leaves", asked=asked, count=count)
        return [took_s * 1000 for took_s in answer["took_s"]]
    finally:
        left.set()
        await asyncio.gather(*calls)


async def _call_over(peer: Peer, server: Child) -> float:
    """Say goodbye in a new session; the caller's clock says how many ms the end took."""
    async with _at_the_greeter(peer, server.hello["url"]) as (prepared, caller, listener):
        await caller.queue_frame(LLMTextFrame(GOODBYE))
        await listener.hear(LAST_WORDS[-1])
        began = time.monotonic()
        async with asyncio.timeout(TIMEOUT_S):
            await prepared.gone.wait()
        return (time.monotonic() - began) * 1000


@asynccontextmanager
async def _at_the_greeter(
    peer: Peer, url: str
) -> AsyncIterator[tuple[Call, PipelineWorker, Listener]]:
    """Call, and wait for the greeter's hello."""
    prepared, listener = call(peer, url, GREETER), Listener()
    caller = bridged_caller(prepared.runner.bus, listener)
    async with prepared.open(caller, GREETER):
        await caller.activate_worker(GREETER)
        await listener.hear(HELLO)
        yield prepared, caller, listener


def _measures(name: str, samples: Samples, note: str) -> list[Measure]:
    """Give the median and the tail; nothing where nothing was measured."""
    if not samples.taken:
        return []
    return [
        Measure(f"{name}, median", "ms", samples.medians(), note=note),
        Measure(f"{name}, 99th percentile", "ms", samples.percentiles(99), aim=AIM),
    ]
