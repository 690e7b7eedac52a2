"""Which actions can matter: the others are left out of the search before it begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.oracle.problem import (
    BoolArray,
    Conditions,
    FloatArray,
    IntArray,
    PlanActions,
    PlanElement,
    PlanFrame,
)

MOST_ACTIONS = 150
QUICKEST = 0.9
"""Noise never makes a frame faster than this share of its time."""
COARSER = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Shares of time and energy that are let go where there are too many actions."""


def useful_actions(
    application: int,
    points: Sequence[OperatingPoint],
    elements: Sequence[PlanElement],
    conditions: Sequence[Conditions],
    frames: Sequence[PlanFrame],
    alone: bool,
) -> PlanActions:
    """The actions that no other one replaces at any time of the run.

    One replaces another if it is on time where the other is, at least as good (accuracy, or being above the
    floor), at least as fast and needs at most its energy; on the same element only where applications
    share elements (`alone` false).
    """
    own = [frame for frame in frames if frame.application == application]
    everything = all_actions(points, elements)
    classes = _classes(own, conditions)
    for margin in COARSER:
        keep = np.zeros(len(everything.point), dtype=bool)
        for number, target_s, floor, wants_accuracy, period_s in classes:
            keep |= _front(
                everything,
                application,
                conditions[number],
                target_s,
                floor,
                wants_accuracy,
                period_s,
                alone,
                margin,
            )
        if keep.sum() <= MOST_ACTIONS:
            break
    if not keep.any():
        keep[0] = True
    return PlanActions(*(values[keep] for values in vars(everything).values()))


def all_actions(points: Sequence[OperatingPoint], elements: Sequence[PlanElement]) -> PlanActions:
    """Every point at every clock of its element."""
    names = [element.name for element in elements]
    rows = [
        (
            p,
            names.index(point.element),
            clock,
            0.0 if np.isnan(point.accuracy) else point.accuracy,
            max(point.threads, 1),
        )
        for p, point in enumerate(points)
        for clock in range(len(elements[names.index(point.element)].mhz))
    ]
    point, element, clock, accuracy, threads = (np.array(column) for column in zip(*rows, strict=True))
    return PlanActions(point, element, clock, accuracy.astype(float), threads)


Situation = tuple[int, float, float, bool, float]
"""Number of the conditions, target [s], floor, whether accuracy is wanted, period [s]."""


def _classes(frames: Sequence[PlanFrame], conditions: Sequence[Conditions]) -> list[Situation]:
    """The different situations that frames meet."""
    until = np.array([c.until_s for c in conditions])
    gaps = [min(frame.next_arrival_s - frame.arrival_s, 1.0) for frame in frames]
    period_s = float(np.median(gaps)) if gaps else 1.0
    found = {}
    for frame in frames:
        first = int(np.searchsorted(until, frame.arrival_s, side="right"))
        last = int(np.searchsorted(until, frame.arrival_s + frame.target_s, side="right"))
        for number in range(first, min(last, len(conditions) - 1) + 1):
            key = (number, frame.target_s, frame.min_accuracy, frame.wants_accuracy, period_s)
            found[key] = True
    return list(found)


def _front(
    actions: PlanActions,
    application: int,
    conditions: Conditions,
    target_s: float,
    floor: float,
    wants_accuracy: bool,
    period_s: float,
    alone: bool,
    margin: float,
) -> BoolArray:
    """Actions that no other one replaces in this situation."""
    time_s = conditions.time_s[application][actions.point, actions.clock]
    idle_w = conditions.idle_w[actions.element, actions.clock]
    energy_j = conditions.power_w[application][actions.point, actions.clock] * time_s + idle_w * period_s
    merit = np.where(actions.accuracy >= floor, 1.0, 0.0)
    if wants_accuracy:
        merit = 2.0 * merit + actions.accuracy
    possible = time_s * QUICKEST <= target_s
    if not possible.any():
        possible = time_s <= time_s.min() * (1.0 + 1e-9)
    groups = np.zeros(len(time_s), dtype=np.int64) if alone else actions.element
    keep = np.zeros(len(time_s), dtype=bool)
    for group in np.unique(groups[possible]):
        chosen = np.flatnonzero(possible & (groups == group))
        keep[chosen[_undominated(merit[chosen], time_s[chosen], energy_j[chosen], margin)]] = True
    return keep


def _undominated(merit: FloatArray, time_s: FloatArray, energy_j: FloatArray, margin: float) -> IntArray:
    """Numbers of the entries that no entry with as much merit beats in time and energy (within a margin)."""
    order = np.lexsort((energy_j, time_s, -merit))
    kept: list[int] = []
    for number in order:
        others = np.array(kept, dtype=np.int64)
        beaten = (time_s[others] <= time_s[number] * (1.0 + margin)) & (
            energy_j[others] <= energy_j[number] * (1.0 + margin)
        )
        if not beaten.any():
            kept.append(int(number))
    return np.array(kept, dtype=np.int64)
