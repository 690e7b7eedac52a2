"""Which actions can matter: the others are left out of the search before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
        for met, room_s in classes.items():
            held = conditions[met.conditions]
            keep |= _front(everything, application, held, met, room_s, alone, margin)
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


class Situation(NamedTuple):
    """What frames meet."""

    conditions: int
    """Their number."""
    target_s: float
    floor: float
    wants_accuracy: bool
    period_s: float


def _classes(frames: Sequence[PlanFrame], conditions: Sequence[Conditions]) -> dict[Situation, float]:
    """The different situations that frames meet, and the most time that an inference may need in each [s]."""
    until = np.array([c.until_s for c in conditions])
    gaps = [min(frame.next_arrival_s - frame.arrival_s, 1.0) for frame in frames]
    period_s = float(np.median(gaps)) if gaps else 1.0
    found: dict[Situation, float] = {}
    for frame in frames:
        first = int(np.searchsorted(until, frame.arrival_s, side="right"))
        last = int(np.searchsorted(until, frame.arrival_s + frame.target_s, side="right"))
        room_s = (frame.target_s - (frame.arrival_s - frame.release_s)) / frame.factor
        for number in range(first, min(last, len(conditions) - 1) + 1):
            met = Situation(number, frame.target_s, frame.min_accuracy, frame.wants_accuracy, period_s)
            found[met] = max(found.get(met, room_s), room_s)
    return found


def _front(
    actions: PlanActions,
    application: int,
    conditions: Conditions,
    met: Situation,
    room_s: float,
    alone: bool,
    margin: float,
) -> BoolArray:
    """Actions that no other one replaces in this situation.

    Where all need more than `room_s` these are the fastest and those of least energy and least power.
    """
    time_s = conditions.time_s[application][actions.point, actions.clock]
    idle_w = conditions.idle_w[actions.element, actions.clock]
    power_w = conditions.power_w[application][actions.point, actions.clock]
    energy_j = power_w * time_s + idle_w * met.period_s
    if time_s.min() > room_s:
        return _least(time_s) | _least(energy_j) | _least(power_w + idle_w)
    merit = np.where(actions.accuracy >= met.floor, 1.0, 0.0)
    if met.wants_accuracy:
        merit = 2.0 * merit + actions.accuracy
    possible = time_s * QUICKEST <= met.target_s
    groups = np.zeros(len(time_s), dtype=np.int64) if alone else actions.element
    keep = np.zeros(len(time_s), dtype=bool)
    for group in np.unique(groups[possible]):
        chosen = np.flatnonzero(possible & (groups == group))
        keep[chosen[_undominated(merit[chosen], time_s[chosen], energy_j[chosen], margin)]] = True
    return keep


def _least(values: FloatArray) -> BoolArray:
    """Which are the least."""
    return np.asarray(values <= values.min() * (1.0 + 1e-9))


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
