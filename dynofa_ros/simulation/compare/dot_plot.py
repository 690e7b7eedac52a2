"""Dot plots as SVG: a row per scenario, a dot per policy, whiskers for the 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dynofa_ros.simulation.svg import CHARACTER_WIDTH, nice_ticks

ROW, TOP, BOTTOM, RIGHT, WIDTH = 22.0, 58.0, 44.0, 24.0, 900.0
RADIUS = 4.6
ASIDE = 6.0
LEGEND_ROW = 17.0
STYLE = """text{font:12px system-ui,sans-serif;fill:#222}.title{font-size:14px;font-weight:600}
.grid{stroke:#e3e3e3}.row{stroke:#f0f0f0}.zero{stroke:#666}.tick{font-size:11px;fill:#555;text-anchor:middle}
.name{text-anchor:end}.whisker{stroke-width:1.6}"""


@dataclass(frozen=True)
class Dot:
    """A value of one series in one row; `hollow`: it holds its targets less well than it is allowed to."""

    value: float
    half: float = math.nan
    hollow: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Series:
    """One policy: its colour, and a dot per row (None: nothing to show)."""

    name: str
    colour: str
    dots: Sequence[Dot | None]
    strong: bool = False


def dot_plot(
    title: str, unit: str, rows: Sequence[str], series: Sequence[Series], limits: tuple[float, float]
) -> str:
    """The SVG document. Values beyond `limits` become arrowheads at the edge."""
    left = 24.0 + max((len(row) for row in rows), default=0) * CHARACTER_WIDTH * 1.2
    legend, legend_height = _legend(series, left)
    top = TOP + legend_height
    height = top + len(rows) * ROW + BOTTOM

    def x(value: float) -> float:
        share = (value - limits[0]) / (limits[1] - limits[0])
        return left + min(max(share, 0.0), 1.0) * (WIDTH - RIGHT - left)

    parts = [f'<text class="title" x="12" y="22">{escape(title)}</text>', *legend]
    for tick in nice_ticks(*limits, about=8):
        css = "zero" if abs(tick) < 1e-12 else "grid"
        parts.append(f'<path class="{css}" d="M{x(tick):.1f} {top}V{height - BOTTOM:.1f}"/>')
        parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{height - BOTTOM + 16:.1f}">{tick:g}</text>')
    parts.append(
        f'<text class="tick" x="{(left + WIDTH) / 2:.1f}" y="{height - 9:.1f}">{escape(unit)}</text>'
    )
    for number, row in enumerate(rows):
        y = top + (number + 0.5) * ROW
        parts.append(f'<path class="row" d="M{left:.1f} {y:.1f}H{WIDTH - RIGHT:.1f}"/>')
        parts.append(f'<text class="name" x="{left - 8:.1f}" y="{y + 4:.1f}">{escape(row)}</text>')
    for one, aside in sorted(zip(series, _asides(series), strict=True), key=lambda pair: pair[0].strong):
        for number, dot in enumerate(one.dots):
            if dot is not None and not math.isnan(dot.value):
                parts += _dot(one, dot, x, limits, top + (number + 0.5) * ROW + aside)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(title)}"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _asides(series: Sequence[Series]) -> list[float]:
    """How far from the middle of its row each series lies: equal values lie apart, the strong central."""
    count = max(len(series) - 1, 1)
    return [0.0 if one.strong else ASIDE * (2.0 * i / count - 1.0) for i, one in enumerate(series)]


def _dot(series: Series, dot: Dot, x: object, limits: tuple[float, float], y: float) -> list[str]:
    assert callable(x)
    at, colour = x(dot.value), series.colour
    title = f"<title>{escape(dot.hint)}</title>"
    fill = "#fff" if dot.hollow else colour
    look = f'style="fill:{fill};stroke:{colour};stroke-width:1.6"'
    if not limits[0] <= dot.value <= limits[1]:
        way = 5.0 if dot.value > limits[1] else -5.0
        return [f'<path {look} d="M{at - way:.1f} {y - 4:.1f}v8l{1.4 * way:.1f} -4z">{title}</path>']
    parts = []
    if dot.half > 0.0:
        low, high = x(dot.value - dot.half), x(dot.value + dot.half)
        parts.append(f'<path class="whisker" style="stroke:{colour}" d="M{low:.1f} {y:.1f}H{high:.1f}"/>')
    radius = RADIUS if series.strong else RADIUS - 1.2
    parts.append(f'<circle {look} cx="{at:.1f}" cy="{y:.1f}" r="{radius}">{title}</circle>')
    return parts


def _legend(series: Sequence[Series], left: float) -> tuple[list[str], float]:
    """The names of the series with their colours, wrapped, and the height that they take beyond one row."""
    parts, at, y = [], left, 42.0
    for one in series:
        width = len(one.name) * 7.0 + 26.0
        if at + width > WIDTH - RIGHT:
            at, y = left, y + LEGEND_ROW
        parts.append(f'<circle cx="{at + 5:.1f}" cy="{y - 4:.1f}" r="4.2" style="fill:{one.colour}"/>')
        parts.append(f'<text x="{at + 14:.1f}" y="{y:.1f}">{escape(one.name)}</text>')
        at += width
    return parts, y - 42.0
