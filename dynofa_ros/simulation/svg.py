"""Time plots as inline SVG: axes, step lines, dots, and labelled event lines that never overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH = 640.0
LEFT = 50.0
RIGHT = 14.0
BOTTOM = 30.0
LABEL_ROW = 15.0
CHARACTER_WIDTH = 5.9  # of the 10.5 px labels; a safe estimate

Point = tuple[float, float]


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values (steps of 1, 2 or 5 times a power of ten) within [low, high]."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low]
    raw = span / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def nice_ceiling(value: float) -> float:
    """Return the next round number at or above a positive value."""
    if not (math.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
    return next(factor * power for factor in steps if factor * power >= value * 0.999)


def text_rows(items: Sequence[tuple[float, str]], right_edge: float) -> list[tuple[float, int]]:
    """Place labels that start at the given x: return (x, row) each, rows chosen so that none overlap.

    Labels that would cross `right_edge` are moved left.
    """
    ends: list[float] = []
    placed = []
    for x, text in items:
        width = len(text) * CHARACTER_WIDTH + 10.0
        x = min(x, right_edge - width)
        row = next((index for index, end in enumerate(ends) if end <= x), len(ends))
        if row == len(ends):
            ends.append(0.0)
        ends[row] = x + width
        placed.append((x, row))
    return placed


@dataclass
class Plot:
    """One time plot with a linear y axis; elements are drawn in the order in which they are added."""

    x_range: Point
    y_range: Point
    unit: str
    height: float = 190.0
    top: float = 12.0
    elements: list[str] = field(default_factory=list)

    @property
    def bottom(self) -> float:
        """Vertical position [px] of the x axis."""
        return self.height - BOTTOM

    def x(self, t_s: float) -> float:
        """Return the horizontal position [px] of a time, kept inside the plot."""
        low, high = self.x_range
        share = (t_s - low) / (high - low) if high > low else 0.0
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the vertical position [px] of a value, kept inside the plot."""
        low, high = self.y_range
        share = (value - low) / (high - low) if high > low else 0.0
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)

    def _runs(self, points: Iterable[Point]) -> list[list[Point]]:
        """Split a series at missing values."""
        runs: list[list[Point]] = [[]]
        for point in points:
            if math.isfinite(point[1]):
                runs[-1].append(point)
            elif runs[-1]:
                runs.append([])
        return [run for run in runs if run]

    def line(self, points: Iterable[Point], css: str, colour: str = "", step: bool = False) -> None:
        """Add a line (or staircase) through (t_s, value); NaN interrupts it."""
        style = f' style="stroke:{colour}"' if colour else ""
        for run in self._runs(points):
            parts = [f"M{self.x(run[0][0]):.1f} {self.y(run[0][1]):.1f}"]
            for t_s, value in run[1:]:
                x, y = self.x(t_s), self.y(value)
                parts.append(f"H{x:.1f}V{y:.1f}" if step else f"L{x:.1f} {y:.1f}")
            self.elements.append(f'<path class="{css}"{style} d="{"".join(parts)}"/>')

    def area(self, points: Iterable[Point], css: str) -> None:
        """Add the filled staircase below (t_s, value)."""
        for run in self._runs(points):
            path = f"M{self.x(run[0][0]):.1f} {self.bottom:.1f}V{self.y(run[0][1]):.1f}"
            path += "".join(f"H{self.x(t):.1f}V{self.y(value):.1f}" for t, value in run[1:])
            self.elements.append(f'<path class="{css}" d="{path}V{self.bottom:.1f}Z"/>')

    def dot(self, t_s: float, value: float, colour: str, css: str, hint: str) -> None:
        """Add a dot with a hint shown on hovering; a value above the axis becomes a triangle at the top."""
        x, title = self.x(t_s), f"<title>{escape(hint)}</title>"
        if value > self.y_range[1]:
            shape = f"M{x - 3.4:.1f} {self.top + 6:.1f}h6.8l-3.4 -6z"
            self.elements.append(f'<path class="{css}" style="fill:{colour}" d="{shape}">{title}</path>')
            return
        self.elements.append(
            f'<circle class="{css}" style="fill:{colour}" cx="{x:.1f}" cy="{self.y(value):.1f}" r="2.6">'
            f"{title}</circle>"
        )

    def cross(self, t_s: float, hint: str) -> None:
        """Add a cross on the x axis: a frame without a result."""
        x, y = self.x(t_s), self.bottom - 5.0
        self.elements.append(
            f'<path class="cross" d="M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6">'
            f"<title>{escape(hint)}</title></path>"
        )

    def text(self, x: float, y: float, words: str, css: str) -> None:
        """Add words at a pixel position."""
        self.elements.append(f'<text class="{css}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>')

    def events(self, events: Sequence[tuple[float, str]]) -> None:
        """Add vertical lines (t_s, label); labels ("" for none) go above the plot, one free row each."""
        placed = text_rows([(self.x(t), label) for t, label in events], WIDTH - 2.0)
        rows = 1 + max((row for _, row in placed), default=0)
        for (t_s, label), (text_x, row) in zip(events, placed, strict=True):
            x = self.x(t_s)
            y = self.top - 7.0 - (rows - 1 - row) * LABEL_ROW
            start = y + 3.0 if label else self.top
            self.elements.append(f'<path class="event" d="M{x:.1f} {start:.1f}V{self.bottom:.1f}"/>')
            if label:
                self.text(text_x + 2.0, y, label, "event-label")

    def _axes(self) -> list[str]:
        right = WIDTH - RIGHT
        parts = []
        for value in nice_ticks(*self.y_range, about=4):
            y = self.y(value)
            parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
            parts.append(f'<text class="tick end" x="{LEFT - 6}" y="{y + 3.5:.1f}">{value:g}</text>')
        for value in nice_ticks(*self.x_range, about=7):
            x = self.x(value)
            parts.append(f'<path class="axis" d="M{x:.1f} {self.bottom:.1f}v4"/>')
            parts.append(f'<text class="tick mid" x="{x:.1f}" y="{self.bottom + 16:.1f}">{value:g} s</text>')
        parts.append(f'<path class="axis" d="M{LEFT} {self.bottom:.1f}H{right}"/>')
        return parts

    def render(self, label: str) -> str:
        """Return the SVG element; `label` describes it to those who cannot see it."""
        unit_y = (self.top + self.bottom) / 2
        turn = f"translate(11 {unit_y:.0f}) rotate(-90)"
        unit = f'<text class="tick mid" transform="{turn}">{escape(self.unit)}</text>'
        body = "".join([*self._axes(), unit, *self.elements])
        box = f'viewBox="0 0 {WIDTH:g} {self.height:g}"'
        return f'<svg {box} role="img" aria-label="{escape(label)}">{body}</svg>'


def label_height(events: Sequence[tuple[float, str]], x_range: Point) -> float:
    """Return the space [px] above a plot that the labels of these events need."""
    probe = Plot(x_range, (0.0, 1.0), "")
    placed = text_rows([(probe.x(t), label) for t, label in events], WIDTH - 2.0)
    return 14.0 + LABEL_ROW * (1 + max((row for _, row in placed), default=0))
