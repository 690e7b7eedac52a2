"""The points of an application that are worth choosing from at some clock."""

from __future__ import annotations

import math

from dynofa_ros.manager.arbiter.problem import ArbiterApplication
from dynofa_ros.manager.operating_point import OperatingPoint


def undominated(points: tuple[OperatingPoint, ...]) -> tuple[OperatingPoint, ...]:
    """Points that no other beats at every clock, by rising latency.

    q beats p where both use the same element, clock domains and threads, no part of its time (clocked, fixed
    and floor, per memory clock) is longer, the merit is at least as high, and one of them is strictly better
    (of equal points the first stays).
    """
    merits = ArbiterApplication("", points).merits()
    kept = [
        p
        for i, p in enumerate(points)
        if not any(_beats(points, merits, j, i) for j in range(len(points)) if j != i)
    ]
    return tuple(sorted(kept, key=lambda point: point.latency_ms))


def _beats(points: tuple[OperatingPoint, ...], merits: tuple[float, ...], j: int, i: int) -> bool:
    q, p = points[j], points[i]
    if _surroundings(q) != _surroundings(p):
        return False
    if not _same(q.reference_mhz, p.reference_mhz) or math.isnan(q.accuracy) != math.isnan(p.accuracy):
        return False
    costs_q, costs_p = _parts_ms(q), _parts_ms(p)
    no_worse = all(a <= b for a, b in zip(costs_q, costs_p, strict=True)) and merits[j] >= merits[i]
    equal = costs_q == costs_p and merits[j] == merits[i]
    return no_worse and (not equal or j < i)


def _surroundings(point: OperatingPoint) -> tuple[object, ...]:
    memory = (point.memory_domain, point.memory_mhz) if point.memory_mhz else ()
    return (point.element, point.clock_domain, point.threads, memory)


def _parts_ms(point: OperatingPoint) -> tuple[float, ...]:
    if point.memory_mhz:
        return (*point.clocked_ms, *point.fixed_ms, *point.floor_ms)
    s = point.clocked_fraction
    return (point.latency_ms * s, point.latency_ms * (1.0 - s))


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
