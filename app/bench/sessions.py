"""`trunkline bench sessions`: what a session costs to set up, and how a full server behaves."""

from dataclasses import dataclass

from rich.progress import Progress

from app.bench.child import Child, server_and_load
from app.bench.deaf import measure_deaf
from app.bench.names import Scene
from app.bench.options import Options
from app.bench.report import Aim, Better, Measure, Peer, Samples

AT_A_TIME = 32

# Whoever speaks at that moment hears a pause, however the server came by it.
PAUSE_AIM = Aim(at_most=100)


@dataclass(frozen=True)
class _Size:
    """How much is measured.

    Attributes:
        rounds: How often sets of sessions are set up.
        warm_up: Sessions that are open before any is measured.
        set_up: Sessions whose set-up is measured.
        full: Sessions on a full server.
        for_s: How long a full server is used.
    """

    rounds: int
    warm_up: int
    set_up: int
    full: int
    for_s: float


FULL = _Size(rounds=3, warm_up=20, set_up=100, full=1_000, for_s=10.0)
QUICK = _Size(rounds=1, warm_up=2, set_up=8, full=20, for_s=1.0)

# On a full server each caller sends a text now and then, and callers come and go.
TEXT_EVERY_S = 5.0
REPLACE_EVERY_S = 0.5


async def measure(options: Options, progress: Progress) -> list[Measure]:
    """Set up sessions, then fill a server of each peer.

    Args:
        options: How to run.
        progress: Where to show how far it is.
    """
    size = QUICK if options.quick else FULL
    rounds = options.rounds or size.rounds
    found: dict[str, Samples] = {}

    def note(peer: Peer, **values: float) -> None:
        for name, value in values.items():
            found.setdefault(name, Samples()).add(peer, value)

    step = progress.add_task("sessions", total=rounds * len(options.peers) + 1)
    for round_ in range(rounds):
        for peer in options.peers:
            async with server_and_load(peer, Scene.MODEL) as (server, load):
                note(peer, **await _set_up(server, load, size))
                if round_ == rounds - 1:
                    note(peer, **await _fill(server, load, size))
            progress.advance(step)
    beside = await measure_deaf(options.peers, quick=options.quick)
    progress.advance(step)
    medians = {name: samples.medians() for name, samples in found.items()}
    return _measures(medians, size.full) + beside


async def _set_up(server: Child, load: Child, size: _Size) -> dict[str, float]:
    """Set up sessions one after the other."""
    await load.ask("resize", count=size.warm_up, at_a_time=1)
    before = await server.ask("settle")
    await load.ask("resize", count=size.warm_up + size.set_up, at_a_time=1)
    busy = await server.ask("usage")
    after = await server.ask("settle")
    return {
        "objects": (after["objects"] - before["objects"]) / size.set_up,
        "cpu_ms": (busy["cpu_s"] - before["cpu_s"]) * 1000 / size.set_up,
        "kilobytes": (after["resident_bytes"] - before["resident_bytes"]) / 1024 / size.set_up,
    }


async def _fill(server: Child, load: Child, size: _Size) -> dict[str, float]:
    """Fill a server and use it."""
    await server.ask("start_watch")
    opening = await load.ask("resize", count=size.full, at_a_time=AT_A_TIME)
    while_opening = await server.ask("pauses")
    await server.ask("start_watch")
    typed = await load.ask(
        "type", for_s=size.for_s, every_s=TEXT_EVERY_S, replace_every_s=REPLACE_EVERY_S
    )
    while_used = await server.ask("pauses")
    full_collection = await server.ask("collect")
    return {
        "rate": (size.full - size.warm_up - size.set_up) / opening["took_s"],
        # Both together, as it is chance in which of them the last full collection falls.
        "pause_ms": max(while_opening["longest_ms"], while_used["longest_ms"]),
        "collections": while_opening["full_collections"] + while_used["full_collections"],
        "echo_ms": typed["p99_ms"],
        "collection_ms": full_collection["took_ms"],
    }


def _measures(found: dict[str, dict[Peer, float]], full: int) -> list[Measure]:
    return [
        Measure("a session's set-up", "ms CPU", found["cpu_ms"], aim=Aim(times=4)),
        Measure("a session's memory", "kB", found["kilobytes"], aim=Aim(times=4)),
        Measure(
            "a session's objects",
            "",
            found["objects"],
            note="those that the collector knows; it looks at all that it did not freeze",
        ),
        Measure(
            f"{full:,} opened, {AT_A_TIME} at a time",
            "a second",
            found["rate"],
            Better.MORE,
            Aim(times=4),
        ),
        Measure(
            "longest pause", "ms", found["pause_ms"], aim=PAUSE_AIM, note="while they open and talk"
        ),
        Measure("full collections in that time", "", found["collections"]),
        Measure(
            "one more takes",
            "ms",
            found["collection_ms"],
            note="a full collection, forced; Python begins one when it likes",
        ),
        Measure("texts back in, 99 %", "ms", found["echo_ms"]),
    ]
