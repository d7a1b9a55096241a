"""What one caller who reads nothing costs a server, and the others on it."""

from collections.abc import Sequence

from app.bench.child import server_and_load
from app.bench.names import Scene
from app.bench.report import Aim, Measure, Peer, Samples

# Enough callers for a hundredth of them to be a number, and few enough to leave the server idle.
CALLERS = 50
TEXT_EVERY_S = 0.25

# How long the others talk, before and beside. Ours closes one that reads nothing after ten seconds.
FOR_S = 12.0
QUICK_FOR_S = 3.0

# Nobody hangs up meanwhile.
NEVER_S = 3600.0

MEBIBYTE = 1024 * 1024


async def measure_deaf(peers: Sequence[Peer], *, quick: bool) -> list[Measure]:
    """Let callers talk, and then beside one for whom 20 MiB are said and who reads none of it.

    Args:
        peers: Whose parts.
        quick: Whether just enough is measured to see that it works.
    """
    found: dict[str, Samples] = {name: Samples() for name in ("before", "later", "held")}
    for_s = QUICK_FOR_S if quick else FOR_S
    for peer in peers:
        before_ms, beside_ms, held_bytes = await _talk(peer, for_s)
        found["before"].add(peer, before_ms)
        found["later"].add(peer, max(0.0, beside_ms - before_ms))
        found["held"].add(peer, held_bytes / MEBIBYTE)
    medians = {name: samples.medians() for name, samples in found.items()}
    return [
        Measure("texts of 50 callers, 99 %", "ms", medians["before"]),
        Measure(
            "how much later beside one who reads nothing",
            "ms",
            medians["later"],
            aim=Aim(at_most=5),
            note="20 MiB are said to it meanwhile",
        ),
        Measure("what that one holds of memory", "MiB", medians["held"], aim=Aim(at_most=2)),
    ]


async def _talk(peer: Peer, for_s: float) -> tuple[float, float, float]:
    async with server_and_load(peer, Scene.ECHO) as (server, load):
        await load.ask("resize", count=CALLERS)
        talk = {"for_s": for_s, "every_s": TEXT_EVERY_S, "replace_every_s": NEVER_S}
        before = await load.ask("type", **talk)
        empty = await server.ask("settle")
        await load.ask("deafen")
        beside = await load.ask("type", **talk)
        full = await server.ask("usage")
        held_bytes = max(0.0, full["resident_bytes"] - empty["resident_bytes"])
        return before["p99_ms"], beside["p99_ms"], held_bytes
