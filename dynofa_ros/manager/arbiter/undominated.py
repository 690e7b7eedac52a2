"""The points of an application that are worth choosing from at some clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dynofa_ros.manager.arbiter.problem import ArbiterApplication
from dynofa_ros.manager.operating_point import OperatingPoint


def undominated(points: tuple[OperatingPoint, ...]) -> tuple[OperatingPoint, ...]:
    """Points that no other beats at every clock, by rising latency.

    q beats p where both use the same element, clock domains and threads, no part of its time (clocked, fixed
    and floor, per memory clock) is longer, the merit is at least as high, and one of them is strictly better
    (of equal points the first stays).
    """
    merits = np.array(ArbiterApplication("", points).merits())
    alike: dict[tuple[object, ...], list[int]] = {}
    for i, point in enumerate(points):
        alike.setdefault(_comparable(point), []).append(i)
    kept = [i for group in alike.values() for i in _unbeaten(points, merits, np.array(group))]
    return tuple(sorted((points[i] for i in sorted(kept)), key=lambda point: point.latency_ms))


def _unbeaten(
    points: Sequence[OperatingPoint], merits: npt.NDArray[np.float64], group: npt.NDArray[np.intp]
) -> Iterator[int]:
    """Those of a group of comparable points that none of it beats; `group` rises."""
    costs, merit = np.array([_parts_ms(points[i]) for i in group]), merits[group]
    for at, i in enumerate(group):
        no_worse = (costs <= costs[at]).all(axis=1) & (merit >= merit[at])
        equal = (costs == costs[at]).all(axis=1) & (merit == merit[at])
        if not (no_worse & (~equal | (group < i))).any():
            yield int(i)


def _comparable(point: OperatingPoint) -> tuple[object, ...]:
    """What two points must have in common so that one of them may beat the other."""
    reference_mhz = None if math.isnan(point.reference_mhz) else point.reference_mhz
    return (*_surroundings(point), reference_mhz, math.isnan(point.accuracy))


def _surroundings(point: OperatingPoint) -> tuple[object, ...]:
    memory = (point.memory_domain, point.memory_mhz) if point.memory_mhz else ()
    return (point.element, point.clock_domain, point.threads, memory)


def _parts_ms(point: OperatingPoint) -> tuple[float, ...]:
    if point.memory_mhz:
        return (*point.clocked_ms, *point.fixed_ms, *point.floor_ms)
    s = point.clocked_fraction
    return (point.latency_ms * s, point.latency_ms * (1.0 - s))
