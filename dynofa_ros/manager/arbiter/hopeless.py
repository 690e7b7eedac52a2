"""What cannot be feasible, told without a search: points with which their application misses its own target.

A point misses it where it is below the accuracy floor, or takes longer than the target at the fastest of all
clocks. Other applications, and what they use, can only make that worse.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynofa_ros.manager.arbiter.layout import Layout
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput
from dynofa_ros.manager.arbiter.remembered import Remembered

DOUBT = 1e-6
"""Share by which a target must be missed: less is left to the search."""


def hopeless_points(problem: ArbiterInput) -> tuple[frozenset[int], ...]:
    """Per application the points with which no choice is feasible for certain; there may be others."""
    pairs = zip(problem.applications, Layout.of(problem).least_ms, strict=True)
    return tuple([_missing(app, least_ms) for app, least_ms in pairs])


def _missing(app: ArbiterApplication, least_ms: Sequence[float]) -> frozenset[int]:
    """Kept while the target, what was measured and the clocks stay the same."""
    key = (app.latency_ms, app.min_accuracy, app.overhead_ms, app.slowdown_tail)
    return _MISSING.get([app.points, app.by_element, least_ms], key, lambda: _new_missing(app, least_ms))


def _new_missing(app: ArbiterApplication, least_ms: Sequence[float]) -> frozenset[int]:
    """The points that miss the target or the floor; `least_ms`: of each the time at the fastest clocks."""
    latest_ms, floor = app.latency_ms * (1.0 + DOUBT), app.min_accuracy * (1.0 - DOUBT)
    tails = {point.element: app.slowdowns(point.element)[1] for point in app.points}
    missing = []
    for index, (point, ms) in enumerate(zip(app.points, least_ms, strict=True)):
        if point.accuracy < floor or app.overhead_ms + tails[point.element] * ms > latest_ms:
            missing.append(index)
    return frozenset(missing)


_MISSING: Remembered[frozenset[int]] = Remembered(64)
