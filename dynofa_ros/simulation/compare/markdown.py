"""Markdown tables, and numbers with their intervals."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from dynofa_ros.simulation.compare.statistics import Interval

PLUS_MINUS = "\u00a0±\u00a0"
"""With spaces that no line breaks at."""
_UNIT = re.compile(r"(?<=\d) (?=%|J\b|points\b)")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = True) -> str:
    """A Markdown table, all columns but the first to the right where they are numbers; "" without rows."""
    lines = [_UNIT.sub("\u00a0", " | ".join(row)) for row in rows]
    if not lines:
        return ""
    rule = " | ".join(["---", *["---:" if numbers else "---"] * (len(head) - 1)])
    return "\n".join(f"| {line} |" for line in (" | ".join(head), rule, *lines))


def percent(value: Interval, digits: int = 2, sign: bool = False) -> str:
    """Per cent with its interval."""
    return number(Interval(100.0 * value.mean, 100.0 * value.half, value.size), digits, sign)


def number(value: Interval, digits: int = 1, sign: bool = False) -> str:
    """A mean with its interval, where that shows in the digits."""
    if math.isnan(value.mean):
        return ""
    if math.isinf(value.mean):
        return "never"
    mean = f"{value.mean:+.{digits}f}" if sign else f"{value.mean:.{digits}f}"
    half = f"{value.half:.{digits}f}"
    shows = not math.isnan(value.half) and float(half) > 0.0
    return f"{mean}{PLUS_MINUS}{half}" if shows else mean


def negative(value: Interval) -> Interval:
    """The same with the other sign."""
    return Interval(-value.mean, value.half, value.size)
