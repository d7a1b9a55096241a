"""Panels as a picture."""

from collections.abc import Iterator
from html import escape

from tests.dashboard.panels import Panel, Series

# The grid of Grafana has 24 columns.
COLUMN, ROW = 50, 34
GAP = 5
WIDTH = 24 * COLUMN

COLOURS = ("#3274d9", "#299c46", "#e0752d", "#a352cc", "#c4162a", "#1f9e9e", "#b8860b", "#6b7280")

# Of a legend, which has two lines of names.
NAME, LEGEND_LINES = 125, 2

_STYLE = """
text { font: 11px sans-serif; fill: #24292f } .title { font-weight: bold } .faint { fill: #6e7781 }
.value { font-size: 30px; font-weight: bold; fill: #1a7f37 } .box { fill: #fff; stroke: #d0d7de }
.grid { stroke: #eaeef2 } .line { fill: none; stroke-width: 1.4; stroke-linejoin: round }
"""


def picture(panels: list[Panel], caption: str) -> str:
    """Draw a dashboard as SVG.

    Args:
        panels: What is in it.
        caption: What is said below.
    """
    bottom = max(y + h for _, y, _, h in (panel.place for panel in panels)) * ROW
    drawn = "\n".join(line for panel in panels for line in _panel(panel))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 28}">\n'
        f'<style>{_STYLE}</style>\n<rect width="100%" height="100%" fill="#f6f8fa"/>\n{drawn}\n'
        f'<text class="faint" x="{GAP}" y="{bottom + 18}">{escape(caption)}</text>\n</svg>\n'
    )


def _panel(panel: Panel) -> Iterator[str]:
    x, y, w, h = panel.place
    left, top = x * COLUMN + GAP, y * ROW + GAP
    width, height = w * COLUMN - 2 * GAP, h * ROW - 2 * GAP
    if panel.kind == "row":
        yield f'<text class="title" x="{left}" y="{top + 18}">{escape(panel.title)}</text>'
        return
    yield f'<rect class="box" x="{left}" y="{top}" width="{width}" height="{height}" rx="3"/>'
    yield f'<text class="title" x="{left + 8}" y="{top + 16}">{escape(panel.title)}</text>'
    if panel.kind == "stat":
        yield from _stat(panel, left, top)
        return
    yield from _lines(panel, (left + 62, top + 26, width - 74, height - 82))
    abreast = width // NAME
    for number, series in enumerate(panel.series[: abreast * LEGEND_LINES]):
        across, down = number % abreast * (width // abreast), number // abreast * 15
        spot = (left + 10 + across, top + height - 24 + down)
        colour = COLOURS[number % len(COLOURS)]
        yield f'<rect x="{spot[0]}" y="{spot[1] - 7}" width="9" height="3" fill="{colour}"/>'
        yield f'<text x="{spot[0] + 13}" y="{spot[1]}">{escape(series.name[:22])}</text>'


def _stat(panel: Panel, left: int, top: int) -> Iterator[str]:
    said = " / ".join(shown(series.points[-1][1], panel.unit) for series in panel.series)
    yield f'<text class="value" x="{left + 10}" y="{top + 70}">{said or "no data"}</text>'
    names = " / ".join(series.name for series in panel.series if series.name)
    yield f'<text class="faint" x="{left + 10}" y="{top + 96}">{escape(names)}</text>'


def _lines(panel: Panel, box: tuple[int, int, int, int]) -> Iterator[str]:
    left, top, width, height = box
    values = [value for series in panel.series for _, value in series.points]
    if not values:
        yield f'<text class="faint" x="{left}" y="{top + height // 2}">no data</text>'
        return
    most = max(*values, 1e-12)
    for part in (0.0, 0.5, 1.0):
        y = top + height * (1 - part)
        line = f'x1="{left}" x2="{left + width}" y1="{y:.0f}" y2="{y:.0f}"'
        yield f'<line class="grid" {line}/>'
        label = escape(shown(most * part, panel.unit))
        yield f'<text class="faint" x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{label}</text>'
    times = [at for series in panel.series for at, _ in series.points]
    began, lasted = min(times), max(max(times) - min(times), 1.0)
    for number, series in enumerate(panel.series):
        path = _path(series, (began, lasted), most, box)
        colour = COLOURS[number % len(COLOURS)]
        yield f'<path class="line" stroke="{colour}" d="{path}"/>'


def _path(
    series: Series, span: tuple[float, float], most: float, box: tuple[int, int, int, int]
) -> str:
    left, top, width, height = box
    began, lasted = span
    steps = (
        f"{left + width * (at - began) / lasted:.1f} {top + height * (1 - value / most):.1f}"
        for at, value in series.points
    )
    return "M" + "L".join(steps)


def shown(value: float, unit: str) -> str:
    """Write a value with its unit, shortly."""
    if unit == "percentunit":
        return f"{100 * value:.0f} %"
    if unit == "s" and value < 1:
        return f"{1000 * value:.3g} ms"
    suffix = {"s": " s", "Bps": " B/s", "bytes": " B"}.get(unit, "/s" if "ps" in unit else "")
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}{suffix.strip()}"
    return f"{value:.3g}{suffix}"
