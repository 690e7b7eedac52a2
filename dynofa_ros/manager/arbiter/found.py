"""What a search leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynofa_ros.manager.arbiter.choice import TOLERANCE, Question
from dynofa_ros.manager.arbiter.chosen import Figures
from dynofa_ros.manager.arbiter.problem import Bound


@dataclass(frozen=True)
class Found:
    """The best choice that was met; `values` are its terms."""

    setting: int
    entries: tuple[int, ...]
    values: tuple[float, ...]
    bound: Bound | None
    """The first term in which something left out may be better; None: nothing may."""
    nodes: int
    figures: tuple[Figures, ...] | None = None
    """What its entries lead to, where that was worked out."""


def bound_of(question: Question, values: Sequence[float], left_out: Sequence[float]) -> Bound | None:
    """How far what was left out, whose terms are at least `left_out`, may be better than `values`."""
    for kind, value, least in zip(question.kinds, values, left_out, strict=True):
        if abs(least - value) > TOLERANCE:
            return Bound(kind.name, float(value), float(least)) if least < value else None
    return None
