"""What a benchmark found: measures of both peers, their ratio, and what is aimed at."""

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from app.version import __version__


class Peer(StrEnum):
    """Whose part is measured."""

    OURS = "ours"
    STOCK = "stock"
    BARE = "bare"  # an ASGI application that does nothing but echo, for scale


class Better(StrEnum):
    """Which way a number is better."""

    LESS = "less"
    MORE = "more"


@dataclass(frozen=True)
class Aim:
    """What a measure should reach.

    Attributes:
        times: Ours is at least this many times better than stock.
        at_most: Ours is at most this much, in the measure's unit.
    """

    times: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        """Say it in a table's cell."""
        parts = []
        if self.times is not None:
            parts.append(f">= {self.times:g}x")
        if self.at_most is not None:
            parts.append(f"<= {self.at_most:g}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Measure:
    """One number for each peer.

    Attributes:
        name: What was measured.
        unit: The unit of every number here.
        values: The number of each peer that was measured.
        better: Which way is better.
        aim: What should be reached; None for a number that explains others.
        note: What a reader should know of it, or "".
    """

    name: str
    unit: str
    values: Mapping[Peer, float]
    better: Better = Better.LESS
    aim: Aim | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is than stock; None where one of them is missing."""
        ours, stock = self.values.get(Peer.OURS), self.values.get(Peer.STOCK)
        if ours is None or stock is None:
            return None
        over, under = (stock, ours) if self.better is Better.LESS else (ours, stock)
        return over / under if under else None

    @property
    def holds(self) -> bool | None:
        """Whether the aim is reached; None without an aim, or without what it needs."""
        if self.aim is None:
            return None
        reached = []
        if self.aim.times is not None:
            reached.append(None if self.ratio is None else self.ratio >= self.aim.times)
        if self.aim.at_most is not None:
            ours = self.values.get(Peer.OURS)
            reached.append(None if ours is None else ours <= self.aim.at_most)
        if False in reached:
            return False
        return None if None in reached else True

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return {
            "name": self.name,
            "unit": self.unit,
            **{peer.value: value for peer, value in self.values.items()},
            "ratio": self.ratio,
            "better": self.better.value,
            "aim": None if self.aim is None else str(self.aim),
            "holds": self.holds,
            "note": self.note,
        }


@dataclass
class Samples:
    """Numbers of several rounds, by peer; their medians are what is reported."""

    taken: dict[Peer, list[float]] = field(default_factory=dict)

    def add(self, peer: Peer, value: float) -> None:
        """Keep the number of one round."""
        self.taken.setdefault(peer, []).append(value)

    def add_all(self, peer: Peer, values: Iterable[float]) -> None:
        """Keep several numbers."""
        self.taken.setdefault(peer, []).extend(values)

    def medians(self) -> dict[Peer, float]:
        """Return the median of each peer."""
        return {peer: median(values) for peer, values in self.taken.items()}

    def percentiles(self, percent: float) -> dict[Peer, float]:
        """Return a percentile of each peer."""
        return {peer: percentile(values, percent) for peer, values in self.taken.items()}


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values do not exceed.

    Raises:
        ValueError: If there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a percentile of nothing")
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def table_of(title: str, measures: Sequence[Measure]) -> Table:
    """Show measures to a person.

    Args:
        title: What was measured.
        measures: The measures.
    """
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    peers = [peer for peer in Peer if any(peer in measure.values for measure in measures)]
    table.add_column("measure")
    table.add_column("unit")
    for heading in (*peers, "ratio"):
        table.add_column(str(heading), justify="right")
    table.add_column("aim")
    table.add_column("")
    for measure in measures:
        table.add_row(
            measure.name,
            measure.unit,
            *(_number(measure.values.get(peer)) for peer in peers),
            "" if measure.ratio is None else f"{_number(measure.ratio)}x",
            "" if measure.aim is None else str(measure.aim),
            {True: "[green]holds[/]", False: "[red]missed[/]", None: ""}[measure.holds],
        )
    return table


def document_of(bench: str, options: Mapping[str, Any], measures: Sequence[Measure]) -> str:
    """Write measures as JSON.

    Args:
        bench: The benchmark's name.
        options: How it was run.
        measures: The measures.
    """
    document = {
        "bench": bench,
        "options": dict(options),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "versions": {"trunkline": __version__, "pipecat": version("pipecat-ai")},
        "measures": [measure.as_dict() for measure in measures],
    }
    return json.dumps(document, indent=2) + "\n"


def write_document(target: Path, text: str) -> None:
    """Write JSON to a file, or to standard output for "-"."""
    if str(target) == "-":
        sys.stdout.write(text)
    else:
        target.write_text(text)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == int(value):
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:,.{digits}f}"
