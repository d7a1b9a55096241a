"""`trunkline bench sessions --voice`: how many voice conversations one core holds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rich.progress import Progress, TaskID

from app.bench.child import server_and_load
from app.bench.names import Scene
from app.bench.options import Options
from app.bench.report import Aim, Better, Measure, Peer, Samples

# How long conversations go on before anything is measured.
SETTLE_S = 1.0

# A listener notices a pause between words from about this on.
LIMIT_MS = 50.0

# Fewer words than this in time means that the server does not keep up.
ENOUGH = 0.98

# A miss by less than this factor is tried once more, and so is one while others had the cores for
# so long each second: the machine was busy otherwise.
NEAR_MISS = 4.0
OTHERS_MS = 20.0

OTHERS_NOTE = "because of other work on the machine; the less, the more the numbers above mean"

# How closely the number is found.
RESOLUTION = 0.1


@dataclass(frozen=True)
class _Size:
    """How much is tried.

    Attributes:
        start: Where the search begins.
        most: Where it gives up.
        for_s: How long each step listens.
        tries: How often a step that is missed by little is taken.
    """

    start: Mapping[Peer, int]
    most: int
    for_s: float
    tries: int


FULL = _Size({Peer.OURS: 100, Peer.STOCK: 20}, 3_000, 5.0, 3)
QUICK = _Size({Peer.OURS: 2, Peer.STOCK: 2}, 2, 1.0, 1)


@dataclass(frozen=True)
class Reading:
    """What so many conversations were like.

    Attributes:
        sessions: How many there were.
        p99_ms: How late the words were.
        delivered: The share of the words that came at all.
        cpu_ms: Server CPU for each conversation, in milliseconds a second.
        waited_ms: How long the server waited for a core, in milliseconds a second.
        generator_ms: How late the generator itself was; part of every latency.
    """

    sessions: int
    p99_ms: float
    delivered: float
    cpu_ms: float
    waited_ms: float
    generator_ms: float

    @property
    def holds(self) -> bool:
        """Whether callers would call it a conversation."""
        return self.p99_ms < LIMIT_MS and self.delivered >= ENOUGH

    @property
    def settled(self) -> bool:
        """Whether another try would say the same."""
        near = self.p99_ms <= LIMIT_MS * NEAR_MISS
        return self.holds or not (near or self.waited_ms > OTHERS_MS)


async def measure(options: Options, progress: Progress) -> list[Measure]:
    """Search the number of conversations that each peer holds.

    Args:
        options: How to run; `rounds` is the number of searches.
        progress: Where to show how far it is.
    """
    size = QUICK if options.quick else FULL
    held, late, cpu, waited, generator = (Samples() for _ in range(5))
    for _ in range(options.rounds or 1):
        for peer in options.peers:
            step = progress.add_task(f"voice, {peer}", total=None)
            best = await search(peer, size, progress, step)
            progress.update(step, total=1, completed=1)
            held.add(peer, best.sessions)
            late.add(peer, best.p99_ms)
            cpu.add(peer, best.cpu_ms)
            waited.add(peer, best.waited_ms)
            generator.add(peer, best.generator_ms)
    note = f"the most with 99 % of the words less than {LIMIT_MS:g} ms late"
    return [
        Measure("voice conversations", "sessions", held.medians(), Better.MORE, Aim(times=8), note),
        Measure("words late by, 99 %", "ms", late.medians()),
        Measure("server CPU for each", "ms a second", cpu.medians()),
        Measure("server waited for a core", "ms a second", waited.medians(), note=OTHERS_NOTE),
        Measure("generator late by, 99 %", "ms", generator.medians()),
    ]


async def search(peer: Peer, size: _Size, progress: Progress, step: TaskID) -> Reading:
    """Find the largest number that holds: doubled until it does not, then halved in between.

    Args:
        peer: Whose server.
        size: Where to begin and end.
        progress: Where to show each step.
        step: Its line there.
    """
    count, high = size.start[peer], size.most + 1
    best = Reading(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    while high - best.sessions > max(1, best.sessions * RESOLUTION):
        progress.update(step, description=f"voice, {peer}: {count} conversations")
        for _ in range(size.tries):
            reading = await _read(peer, count, size.for_s)
            if reading.settled:
                break
        if reading.holds:
            best = reading
        else:
            high = count
            best = best if best.sessions else replace(reading, sessions=0)
        middle = (best.sessions + high) // 2
        count = min(best.sessions * 2, size.most, high - 1) if high > size.most else middle
    return best


async def _read(peer: Peer, count: int, for_s: float) -> Reading:
    """Hold so many conversations on a new server."""
    async with server_and_load(peer, Scene.VOICE) as (server, load):
        await load.ask("resize", count=count)
        before = await server.ask("usage")
        heard = await load.ask("converse", for_s=for_s, settle_s=SETTLE_S)
        after = await server.ask("usage")
    cpu_s = float(after["cpu_s"] - before["cpu_s"])
    waited_s = float(after["waited_s"] - before["waited_s"])
    return Reading(
        sessions=count,
        p99_ms=heard["p99_ms"],
        delivered=heard["delivered"],
        cpu_ms=cpu_s * 1000 / (for_s + SETTLE_S) / count,
        waited_ms=waited_s * 1000 / (for_s + SETTLE_S),
        generator_ms=heard["own_p99_ms"],
    )
