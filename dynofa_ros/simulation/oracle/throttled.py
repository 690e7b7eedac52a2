"""A planning problem in which the supply may throttle: whatever draws too much, at half the clocks.

Throttling halves the highest clocks and does no more. Inferences at half the clocks or less are not slowed by
it, and clocks that governors had chosen above that come down, which leaves more power to the others. So where
the supply could throttle, a run that stays at half the clocks may beat one that never draws too much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dynofa_ros.board.simulated import OVERCURRENT_AFTER_S, OVERCURRENT_FACTOR, OVERCURRENT_FOR_S
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.oracle.problem import Conditions, FloatArray, IntArray, PlanElement, PlanProblem
from dynofa_ros.simulation.oracle.supply import Supply

LINGER_S = OVERCURRENT_FOR_S + OVERCURRENT_AFTER_S
"""So long the clocks stay down where the supply has throttled."""


def throttled(problem: PlanProblem, points: Sequence[Sequence[OperatingPoint]]) -> PlanProblem:
    """The problem with half the clocks and no limit wherever the supply matters; `points`: of each stay."""
    supply, names = Supply(problem), [element.name for element in problem.elements]
    half = np.array([_half(element) for element in problem.elements])
    rows = [half[[names.index(point.element) for point in profile]] for profile in points]

    def slowed(held: Conditions) -> Conditions:
        return replace(
            held,
            time_s=tuple(_capped(t, r) for t, r in zip(held.time_s, rows, strict=True)),
            power_w=tuple(_capped(p, r) for p, r in zip(held.power_w, rows, strict=True)),
            idle_w=_capped(held.idle_w, half),
            most_idle_w=_capped(held.most_idle_w, half),
            highest=np.minimum(held.highest, half),
            highest_w=math.inf,
        )

    found: list[Conditions] = []
    slow_until_s = 0.0
    for held in problem.conditions:
        since_s = found[-1].until_s if found else 0.0
        if supply.matters(held):
            found.append(slowed(held))
            slow_until_s = held.until_s + LINGER_S
        elif since_s < slow_until_s < held.until_s:
            found += [replace(slowed(held), until_s=slow_until_s), held]
        else:
            found.append(slowed(held) if since_s < slow_until_s else held)
    return replace(problem, conditions=tuple(found))


def _half(element: PlanElement) -> int:
    """The highest clock that throttling leaves."""
    if not element.throttles:
        return len(element.mhz) - 1
    return max(
        (c for c, mhz in enumerate(element.mhz) if mhz <= OVERCURRENT_FACTOR * element.mhz[-1]), default=0
    )


def _capped(table: FloatArray, highest: IntArray) -> FloatArray:
    """Columns above the highest clock of a row are like that one, but for the last, which is released."""
    columns = np.minimum(np.arange(table.shape[1]), highest[:, None])
    columns[:, -1] = table.shape[1] - 1
    return np.take_along_axis(table, columns, axis=1)
