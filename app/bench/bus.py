"""`trunkline bench bus`: one message there and back over Redis and over Postgres."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rich.progress import Progress

from app.addresses import shown_url
from app.bench.bus_near import Pinger, near_end
from app.bench.child import running
from app.bench.local_postgres import LocalPostgres, local_postgres
from app.bench.local_redis import LocalRedis, local_redis
from app.bench.options import Options
from app.bench.pool_near import silence_s
from app.bench.report import Aim, Better, Measure, Peer, Samples
from app.caller.pooled import TOLD_WITHIN_S
from app.errors import AppError
from app.logs import configure_logs

LocalBroker = LocalRedis | LocalPostgres

# Stock's bus on Postgres looks for messages every 100 ms, on either side.
SLOW = "Postgres"


@dataclass(frozen=True)
class _Size:
    rounds: int
    pings: int
    slow_pings: int
    texts: int
    slow_texts: int
    said: int
    every_s: float = 0.01
    # Nothing has come back for so long: what is missing is lost. After a fault our line waits up to
    # five seconds before it dials, and a machine that is busy takes its time with the rest.
    silence_s: float = 15.0


FULL = _Size(rounds=3, pings=500, slow_pings=60, texts=2_000, slow_texts=200, said=600)
QUICK = _Size(rounds=1, pings=20, slow_pings=5, texts=100, slow_texts=20, said=100)

# A broker is killed after a third of what is said, and comes back after a second third.
# Stock over ours: on Redis ours may take one and a half times as long, as it loses nothing.
_AIMS = {
    "Redis": Aim(times=0.67),
    "Postgres": Aim(times=5, at_most=20.0),
}


@dataclass
class _Broker:
    """A broker to measure over.

    Attributes:
        name: Redis or Postgres.
        url: Its URL.
        local: What can be killed; None for one that we did not start.
    """

    name: str
    url: str
    local: LocalBroker | None = None
    there_and_back_ms: Samples = field(default_factory=Samples)
    a_second: Samples = field(default_factory=Samples)
    lost: Samples = field(default_factory=Samples)
    silence_s: Samples = field(default_factory=Samples)


async def measure(options: Options, progress: Progress, *, urls: Sequence[str]) -> list[Measure]:
    """Exchange texts over each broker with each peer's bus, in turn.

    Args:
        options: How to run.
        progress: Where to show how far it is.
        urls: The brokers; none to start some here.

    Raises:
        AppError: If there is none.
    """
    # Stock's buses write a traceback for everything that a broker that was killed does to them.
    configure_logs("CRITICAL")
    size = QUICK if options.quick else FULL
    rounds = options.rounds or size.rounds
    measures: list[Measure] = []
    with _brokers(urls, progress) as brokers:
        step = progress.add_task("bus", total=len(brokers) * (len(options.peers) + 1) * rounds)
        for broker in brokers:
            for left in reversed(range(rounds)):
                for peer in options.peers:
                    async with _ends(broker, peer) as pinger:
                        await _exchange(broker, peer, size, pinger)
                        if left == 0 and broker.local is not None:
                            await _kill(broker, broker.local, peer, size, pinger)
                    progress.advance(step)
                # Pipecat has no pools: nobody takes over.
                broker.silence_s.add(Peer.OURS, await silence_s(broker.url))
                progress.advance(step)
            measures += _measures(broker, size)
    return measures


async def _exchange(broker: _Broker, peer: Peer, size: _Size, pinger: Pinger) -> None:
    slow = peer is Peer.STOCK and broker.name == SLOW
    for number in range(size.slow_pings if slow else size.pings):
        took_s = await pinger.there_and_back(f"ping {number}")
        broker.there_and_back_ms.add(peer, took_s * 1000)
    count = size.slow_texts if slow else size.texts
    broker.a_second.add(peer, await pinger.exchange(count))


async def _kill(
    broker: _Broker, local: LocalBroker, peer: Peer, size: _Size, pinger: Pinger
) -> None:
    saying = asyncio.create_task(pinger.say(size.said, every_s=size.every_s))
    third_s = size.said * size.every_s / 3
    try:
        await asyncio.sleep(third_s)
        await asyncio.to_thread(local.kill)
        await asyncio.sleep(third_s)
    finally:
        await asyncio.to_thread(local.start)
    await saying
    broker.lost.add(peer, await pinger.lost(size.said, silence_s=size.silence_s))


@contextlib.asynccontextmanager
async def _ends(broker: _Broker, peer: Peer) -> AsyncIterator[Pinger]:
    """Have a bus with two ends, in two processes, while the block runs."""
    channel = f"bench_{secrets.token_hex(4)}"
    async with running("app.bench.bus_far", peer) as far:
        await far.ask("join", url=broker.url, channel=channel)
        async with near_end(peer, broker.url, channel) as pinger:
            yield pinger


def _measures(broker: _Broker, size: _Size) -> list[Measure]:
    name, trip = broker.name, broker.there_and_back_ms
    measures = [
        Measure(f"{name}: there and back, median", "ms", trip.medians(), aim=_AIMS[name]),
        Measure(f"{name}: there and back, 99 %", "ms", trip.percentiles(99)),
        Measure(f"{name}: texts back", "a second", broker.a_second.medians(), Better.MORE),
    ]
    if broker.local is not None:
        what = f"{name}: lost of {size.said} over a kill"
        note = "killed with SIGKILL after a third of them, back after another third"
        lost = broker.lost.medians()
        measures.append(Measure(what, "texts", lost, aim=Aim(at_most=0), note=note))
    what = f"{name}: a pool is killed, to the next word"
    note = "killed with SIGKILL; another pool of the same tasks goes on with the conversation"
    silence = broker.silence_s.medians()
    measures.append(Measure(what, "s", silence, aim=Aim(at_most=TOLD_WITHIN_S), note=note))
    return measures


@contextlib.contextmanager
def _brokers(urls: Sequence[str], progress: Progress) -> Iterator[list[_Broker]]:
    """Have the brokers that are named, or else those whose programs are here."""
    if urls:
        yield [_named(url) for url in urls]
        return
    starting: dict[str, Callable[[], contextlib.AbstractContextManager[LocalBroker]]]
    starting = {"Redis": local_redis, "Postgres": local_postgres}
    brokers, missing = [], []
    with contextlib.ExitStack() as stack:
        for name, start in starting.items():
            try:
                local = stack.enter_context(start())
                brokers.append(_Broker(name, local.url(), local))
            except AppError as error:
                missing.append(str(error))
        if not brokers:
            raise AppError("\n".join(missing))
        for problem in missing:
            progress.console.print(f"[yellow]Left out: {problem}[/]", soft_wrap=True)
        yield brokers


def _named(url: str) -> _Broker:
    scheme = urlsplit(url).scheme
    if scheme in ("redis", "rediss"):
        return _Broker("Redis", url)
    if scheme in ("postgres", "postgresql"):
        return _Broker("Postgres", url)
    raise AppError(f"{shown_url(url)} is neither a Redis nor a Postgres")
