"""What every operating point leads to at every clock now: arrays with one value per entry of the layout.

latency / target   (overhead + tail * time(f)) / target
use                median * time(f) / period + [not the current point] * switch_ms / horizon
busy               use * share            share = threads / cores of the element, 1 without cores
power              min(use, 1) * share * active(f)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dynofa_ros.manager.arbiter.layout import Layout
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput
from dynofa_ros.manager.models.power_model import FloatArray
from dynofa_ros.manager.qos import Objective

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tables:
    """All arrays have shape (entries,)."""

    of_target: FloatArray
    """Latency relative to the target, 0 without one."""
    excess: FloatArray
    """Latency above the target, relative to the target."""
    overrun: FloatArray
    """Use above the element's busy limit."""
    shortfall: FloatArray
    """Accuracy missing to the floor."""
    guarded: BoolArray
    """A higher point or a lower clock than now, which needs the margin."""
    caution: FloatArray
    """1 where such an entry would use up the margin, else 0."""
    flaw: FloatArray
    """Sum of overrun, excess, shortfall and caution: 0 where nothing has to give way."""
    busy: FloatArray
    power_w: FloatArray
    merit: FloatArray
    wanted: FloatArray
    """Merit of applications that maximise accuracy, 0 of others."""
    occupied_ms: FloatArray
    """How long an inference occupies its element, at the median."""
    allowed: BoolArray | None
    """Not forbidden; None where nothing is. Where all points of one are forbidden, they count."""

    @classmethod
    def of(cls, problem: ArbiterInput, layout: Layout) -> Tables:
        """Evaluate every point of every application at every clock."""
        rows = np.array(parameters(problem, layout.elements))
        overhead, tail, per_ms, limit, tight, least, accurate, median = rows.T[:, layout.code]
        of_target = overhead + tail * layout.time_ms
        use = per_ms * layout.time_ms
        switches = _switches(problem, layout)
        if switches is not None:
            use = use + switches[layout.point]
        guarded = _guarded(problem, layout)
        of_limit = use / limit
        excess, overrun = np.maximum(of_target - 1.0, 0.0), np.maximum(use - limit, 0.0)
        shortfall = np.maximum(least - layout.entry_accuracy, 0.0)
        caution = (guarded & (np.maximum(of_target, of_limit) > tight)).astype(float)
        return cls(
            of_target=of_target,
            excess=excess,
            overrun=overrun,
            shortfall=shortfall,
            guarded=guarded,
            caution=caution,
            flaw=excess + overrun + shortfall + caution,
            busy=use * layout.share,
            power_w=np.minimum(use, 1.0) * layout.active_w,
            merit=layout.entry_merit,
            wanted=layout.entry_merit * accurate,
            occupied_ms=median * layout.time_ms,
            allowed=_allowed(problem, layout),
        )


Pair = tuple[float, float, float, float, float, float, float, float]


def parameters(problem: ArbiterInput, elements: Sequence[str]) -> list[Pair]:
    """Of every application on every element: (overhead, tail) relative to the target, median relative to the
    period, limit, 1 - margin, floor, whether accuracy is wanted, median.
    """
    limits = [problem.limit(element) for element in elements]
    rows = []
    for app in problem.applications:
        target = 0.0 if math.isnan(app.latency_ms) else 1.0 / app.latency_ms
        period = 1.0 / app.period_ms if app.period_ms > 0.0 else 0.0
        least = -math.inf if math.isnan(app.min_accuracy) else app.min_accuracy
        accurate = float(app.objective == Objective.MAX_ACCURACY)
        overhead, tight = app.overhead_ms * target, 1.0 - app.margin
        for element, limit in zip(elements, limits, strict=True):
            median, tail = app.slowdowns(element)
            rows.append((overhead, tail * target, median * period, limit, tight, least, accurate, median))
    return rows


def switch_use(problem: ArbiterInput, app: ArbiterApplication) -> float:
    """Use by a change of point."""
    return 0.0 if app.current is None else app.switch_ms / (1e3 * problem.horizon_s)


def current_merit(app: ArbiterApplication, first: int, layout: Layout) -> float:
    """Merit of the point that runs; -inf where there is none. `first`: number of its first point."""
    return -math.inf if app.current is None else float(layout.merit[first + app.current])


def _switches(problem: ArbiterInput, layout: Layout) -> FloatArray | None:
    """Use by a change of point, shape (points,); None where changes cost nothing."""
    per_app = [switch_use(problem, app) for app in problem.applications]
    if not any(per_app):
        return None
    added = np.array(per_app)[layout.app_of]
    for first, app in zip(layout.first_point, problem.applications, strict=False):
        if app.current is not None:
            added[first + app.current] = 0.0
    return np.asarray(added)


def _guarded(problem: ArbiterInput, layout: Layout) -> BoolArray:
    pairs = zip(layout.first_point, problem.applications, strict=False)
    currents = [current_merit(app, first, layout) for first, app in pairs]
    higher = layout.merit > np.array(currents)[layout.app_of]
    limits = np.array([*(table.current_mhz for table in problem.clocks), math.nan])
    return np.asarray(higher[layout.point] | (layout.mhz < limits[layout.domain]))


def _allowed(problem: ArbiterInput, layout: Layout) -> BoolArray | None:
    forbidden = forbidden_points(problem, layout)
    if not forbidden:
        return None
    allowed = np.ones(len(layout.app_of), dtype=bool)
    allowed[forbidden] = False
    return np.asarray(allowed[layout.point])


def forbidden_points(problem: ArbiterInput, layout: Layout) -> list[int]:
    """Points that are not allowed now, numbered through; those of an application that has no other count."""
    return [
        first + index
        for first, app in zip(layout.first_point, problem.applications, strict=False)
        if len(app.forbidden) < len(app.points)
        for index in app.forbidden
    ]


def least_alone(layout: Layout, tables: Tables, values: FloatArray) -> FloatArray:
    """Least value of a table per application and setting, shape (applications, settings)."""
    values = values if tables.allowed is None else np.where(tables.allowed, values, np.inf)
    least = np.minimum.reduceat(values, layout.start)
    return np.asarray(least[layout.segment_of].min(axis=1))
