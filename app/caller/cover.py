"""Choosing pools: which of them together have every task of an assistant, each task once."""

from collections.abc import Collection, Iterable, Sequence

from proxy.bus.claims import Offer

Tasks = frozenset[str]


def cover(tasks: Collection[str], offers: Iterable[Offer]) -> list[Offer] | None:
    """Choose offers of pools with room that have every task, each once; as few as possible.

    Args:
        tasks: The tasks.
        offers: What pools offer. Of two with the same tasks, the one with more room is named, but
            either may take the claim.

    Returns:
        The offers; None if they do not have every task.
    """
    best: dict[Tasks, Offer] = {}
    for offer in sorted(offers, key=lambda offer: offer.free):
        if offer.free > 0:
            best[frozenset(offer.tasks)] = offer
    chosen = _fewest(frozenset(tasks), sorted(best, key=lambda part: (-len(part), sorted(part))))
    return None if chosen is None else [best[part] for part in chosen]


def missing(tasks: Collection[str], offers: Sequence[Offer]) -> list[str]:
    """Return the tasks that nobody offers, full or not."""
    offered = {task for offer in offers for task in offer.tasks}
    return [task for task in tasks if task not in offered]


def _fewest(wanted: Tasks, parts: Sequence[Tasks]) -> list[Tasks] | None:
    """Find the fewest of some sets that together are another, without overlapping."""
    if not wanted:
        return []
    best: list[Tasks] | None = None
    first = min(wanted)
    for part in parts:
        if first in part and part <= wanted:
            rest = _fewest(wanted - part, parts)
            if rest is not None and (best is None or len(rest) + 1 < len(best)):
                best = [part, *rest]
    return best
