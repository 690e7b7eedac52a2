"""Problems that no choice can meet, told without a search: some application misses its target even alone.

An application misses it where each of its points is below its accuracy floor, or takes longer than the target
at the fastest of all clocks. Others and what they use can only make that worse.
"""

from __future__ import annotations

from dynofa_ros.manager.arbiter.layout import Layout
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput
from dynofa_ros.manager.models.power_model import FloatArray

DOUBT = 1e-6
"""Share by which a target must be missed: less is left to the search."""


def hopeless(problem: ArbiterInput) -> bool:
    """Whether it is certain that no choice is feasible; where it is not, there may be none all the same."""
    layout = Layout.of(problem)
    firsts = zip(problem.applications, layout.first_point, strict=False)
    return any(_misses(app, first, layout.least_ms) for app, first in firsts)


def _misses(app: ArbiterApplication, first: int, least_ms: FloatArray) -> bool:
    """Whether all points that count miss the target or the floor; `first`: number of its first point."""
    if len(app.forbidden) >= len(app.points):
        return False
    latest_ms, floor = app.latency_ms * (1.0 + DOUBT), app.min_accuracy * (1.0 - DOUBT)
    for index, point in enumerate(app.points):
        if index in app.forbidden or point.accuracy < floor:
            continue
        _, tail = app.slowdowns(point.element)
        if not app.overhead_ms + tail * float(least_ms[first + index]) > latest_ms:
            return False
    return True
