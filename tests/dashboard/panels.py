"""The panels of the dashboard, and what a Prometheus answers them."""

import json
import re
from dataclasses import dataclass
from typing import Any

import httpx

from tests.tools import ROOT

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "trunkline.json").read_text())

# What Grafana puts in place of its variables: everything, and a few scrapes.
RATE_INTERVAL = "10s"

# A line has so many points at most.
POINTS = 120


@dataclass(frozen=True)
class Series:
    """One line of a panel.

    Attributes:
        name: What the legend calls it.
        points: Times in seconds of the epoch, and values.
    """

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One panel, with what is in it.

    Attributes:
        kind: `row`, `stat` or `timeseries`.
        title: Its title.
        unit: The unit of its values, as Grafana calls it.
        place: Its x, y, w and h, in Grafana's grid.
        series: Its lines.
    """

    kind: str
    title: str
    unit: str
    place: tuple[int, int, int, int]
    series: list[Series]


def filled_in(expression: str) -> str:
    """Put values in place of Grafana's variables."""
    expression = expression.replace("$__rate_interval", RATE_INTERVAL)
    return re.sub(r"\$(?:instance|assistant|job)\b", ".*", expression)


def asked(client: httpx.Client, begin: float, end: float) -> list[Panel]:
    """Ask a Prometheus everything that the dashboard does.

    Args:
        client: Of the Prometheus.
        begin: From when, in seconds of the epoch.
        end: To when.
    """
    return [_panel(client, given, begin, end) for given in DASHBOARD["panels"]]


def _panel(client: httpx.Client, given: dict[str, Any], begin: float, end: float) -> Panel:
    series: list[Series] = []
    for target in given.get("targets", ()):
        query = {
            **{"query": filled_in(target["expr"]), "start": str(begin), "end": str(end)},
            "step": f"{(end - begin) / POINTS:.3f}",
        }
        answer = client.get("/api/v1/query_range", params=query).raise_for_status().json()
        for found in answer["data"]["result"]:
            points = [(float(at), float(value)) for at, value in found["values"]]
            name = _legend(target.get("legendFormat", ""), found["metric"])
            series.append(Series(name, [point for point in points if point[1] == point[1]]))
    at = given["gridPos"]
    unit = given.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
    place = (at["x"], at["y"], at["w"], at["h"])
    return Panel(given["type"], given["title"], unit, place, [one for one in series if one.points])


def _legend(template: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), template)
