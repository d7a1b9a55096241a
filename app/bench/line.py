"""`trunkline bench line`: what a message costs the server of one session."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress
from websockets.asyncio.client import connect

from app.bench.calls import TIMEOUT_S, WINDOW, Counter, call
from app.bench.child import Child, servers
from app.bench.names import ASSISTANT, Scene
from app.bench.options import Options
from app.bench.report import Aim, Measure, Peer, Samples

# A few words, as a language model streams them.
TEXT = "Acme Rocket Boots cost "

# What the bare server echoes: about what a text takes as msgpack.
_BARE_BYTES = 64

Exchange = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class _Size:
    rounds: int
    messages: int


FULL = _Size(rounds=5, messages=4_000)
QUICK = _Size(rounds=2, messages=200)


@dataclass
class _End:
    """A server and a caller that exchanges messages with it."""

    server: Child
    exchange: Exchange


async def measure(
    options: Options, progress: Progress, *, profile: Path | None = None
) -> list[Measure]:
    """Let one session of each peer echo texts, in turn.

    Args:
        options: How to run.
        progress: Where to show how far it is.
        profile: Where to write a profile of our server, or None.
    """
    size = QUICK if options.quick else FULL
    rounds = options.rounds or size.rounds
    peers = [*options.peers, Peer.BARE]
    samples = Samples()
    step = progress.add_task("line", total=rounds * len(peers))
    async with servers(peers, Scene.ECHO) as children, contextlib.AsyncExitStack() as stack:
        ends = {
            peer: await stack.enter_async_context(_end(peer, server))
            for peer, server in children.items()
        }
        for end in ends.values():
            await end.exchange(size.messages // 10)
        if profile is not None:
            await ends[Peer.OURS].server.ask("start_profile")
        for _ in range(rounds):
            for peer, end in ends.items():
                samples.add(peer, await _cpu_ms_per_1000(end, size.messages))
                progress.advance(step)
        if profile is not None:
            await ends[Peer.OURS].server.ask("write_profile", path=str(profile))
    note = "server CPU for 1,000 texts in and 1,000 out, one session, no model; 3x is hoped for"
    return [Measure("1,000 texts echoed", "ms CPU", samples.medians(), aim=Aim(times=2), note=note)]


async def _cpu_ms_per_1000(end: _End, messages: int) -> float:
    before = await end.server.ask("usage")
    await end.exchange(messages)
    after = await end.server.ask("usage")
    return float(after["cpu_s"] - before["cpu_s"]) * 1e6 / messages


@contextlib.asynccontextmanager
async def _end(peer: Peer, server: Child) -> AsyncIterator[_End]:
    url = server.hello["url"]
    if peer is Peer.BARE:
        async with _bare_exchange(url) as exchange:
            yield _End(server, exchange)
        return
    counter = Counter()
    async with call(peer, url, ASSISTANT).open(counter, ASSISTANT):

        async def exchange_texts(count: int) -> None:
            await counter.exchange(TEXT, count)

        yield _End(server, exchange_texts)


@contextlib.asynccontextmanager
async def _bare_exchange(url: str) -> AsyncIterator[Exchange]:
    async with connect(url, compression=None, close_timeout=TIMEOUT_S) as socket:
        data = bytes(_BARE_BYTES)

        async def exchange(count: int) -> None:
            for sent in range(count):
                await socket.send(data)
                if sent >= WINDOW:
                    await socket.recv()
            for _ in range(min(count, WINDOW)):
                await socket.recv()

        yield exchange
