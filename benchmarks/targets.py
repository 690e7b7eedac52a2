"""Targets: a measured value, its limit, whether it is met and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Target:
    """`value` must be at least, or at most, `limit`. None: not measured, `why` says why."""

    name: str
    value: float | None
    limit: float
    bound: Literal["at least", "at most"]
    unit: str = ""
    why: str = ""

    @property
    def met(self) -> bool | None:
        """None where nothing was measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.bound == "at least" else self.value <= self.limit

    @property
    def margin(self) -> float | None:
        """How much better than the limit, as a fraction of it; negative where it is missed.

        None without a value, or where the limit is zero.
        """
        if self.value is None or self.limit == 0:
            return None
        better = self.value - self.limit if self.bound == "at least" else self.limit - self.value
        return better / abs(self.limit)

    def document(self) -> dict[str, Any]:
        """The target as it stands in a results file."""
        facts = {"name": self.name, "value": self.value, "limit": self.limit, "met": self.met}
        return {**facts, "bound": self.bound, "unit": self.unit, "margin": self.margin, "why": self.why}


def at_least(name: str, value: float | None, limit: float, unit: str = "", why: str = "") -> Target:
    """More is better."""
    return Target(name, value, limit, "at least", unit, why)


def at_most(name: str, value: float | None, limit: float, unit: str = "", why: str = "") -> Target:
    """Less is better."""
    return Target(name, value, limit, "at most", unit, why)


def number(value: float) -> str:
    """Four significant digits; whole numbers in full."""
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e12 else f"{value:.4g}"


def limit_text(target: dict[str, Any]) -> str:
    """A target's limit with its sense and unit, e.g. "<= 50 us"."""
    sign = ">=" if target["bound"] == "at least" else "<="
    return f"{sign} {number(target['limit'])} {target['unit']}".rstrip()


def verdict(target: dict[str, Any]) -> str:
    """In words: met, missed or not run, with the margin in percent."""
    if target["met"] is None:
        return f"not run: {target['why']}"
    word = "met" if target["met"] else "missed"
    return word if target["margin"] is None else f"{word}, margin {100 * target['margin']:+.0f} %"


def show(part: str, targets: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Print targets as a table."""
    table = Table(title=f"{part}: targets")
    for head in ("target", "measured", "limit", "verdict"):
        table.add_column(head)
    for target in targets:
        value = "-" if target["value"] is None else f"{number(target['value'])} {target['unit']}".rstrip()
        colour = {True: "green", False: "red", None: "yellow"}[target["met"]]
        table.add_row(target["name"], value, limit_text(target), f"[{colour}]{verdict(target)}[/]")
    (console or Console()).print(table)
