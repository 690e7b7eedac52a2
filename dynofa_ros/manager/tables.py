"""What each operating point leads to at each clock setting, as arrays of shape (settings, points)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.power_model import FloatArray, element_share
from dynofa_ros.manager.problem import ArbiterApplication, ArbiterInput, ClockTable

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Settings:
    """The cross product of the clock tables; `mhz[domain]` has shape (settings,)."""

    count: int
    mhz: dict[str, FloatArray]
    tables: dict[str, ClockTable]

    @classmethod
    def of(cls, tables: tuple[ClockTable, ...]) -> Settings:
        """All combinations, lower clocks first."""
        rows = np.array(list(itertools.product(*(table.available_mhz for table in tables))), dtype=float)
        columns = rows.reshape(-1, len(tables)) if tables else np.empty((1, 0))
        mhz = {table.domain: columns[:, index] for index, table in enumerate(tables)}
        return cls(len(columns), mhz, {table.domain: table for table in tables})

    def stretch(self, point: OperatingPoint) -> FloatArray:
        """Factor on the profiled latency per setting; 1 where the point's domain is not chosen here."""
        f_mhz = self.mhz.get(point.clock_domain)
        if f_mhz is None:
            return np.ones(self.count)
        reference = (
            point.reference_mhz if point.reference_mhz > 0.0 else self.tables[point.clock_domain].full_mhz
        )
        if not reference > 0.0:
            return np.ones(self.count)
        return point.clocked_fraction * reference / f_mhz + 1.0 - point.clocked_fraction

    def clocks(self, problem: ArbiterInput) -> dict[str, FloatArray | float]:
        """All clocks known, chosen or not, for the power model."""
        return {**problem.other_clocks, **self.mhz}

    def lowered(self, point: OperatingPoint) -> BoolArray:
        """Settings below the limit in force in the point's domain."""
        f_mhz = self.mhz.get(point.clock_domain)
        if f_mhz is None:
            return np.zeros(self.count, dtype=bool)
        return np.asarray(f_mhz < self.tables[point.clock_domain].current_mhz)


@dataclass(frozen=True)
class ApplicationTable:
    """All arrays have shape (settings, points)."""

    latency_ms: FloatArray
    excess: FloatArray
    """Latency above the target, relative to the target."""
    overrun: FloatArray
    """Busy share of the period above the busy limit."""
    caution: FloatArray
    """1 where a higher point or a lower clock than now would use up the margin, else 0."""
    shortfall: FloatArray
    """Accuracy missing to the floor."""
    busy: dict[str, FloatArray]
    """Share of each element in use, not clipped."""
    active_w: FloatArray
    forbidden: FloatArray
    merit: FloatArray
    energy_mj: FloatArray

    @classmethod
    def of(cls, app: ArbiterApplication, problem: ArbiterInput, settings: Settings) -> ApplicationTable:
        """Evaluate every point of `app` at every setting."""
        shape = (settings.count, len(app.points))
        stretched = np.stack([p.latency_ms * settings.stretch(p) for p in app.points], axis=1)
        medians, tails = np.array([app.slowdowns(p.element) for p in app.points]).T
        latency = app.overhead_ms + tails * stretched
        time_ms = medians * stretched
        use = time_ms / app.period_ms if app.period_ms > 0.0 else np.zeros(shape)
        shares = _shares(app, problem)
        element_w = _element_power(app, problem, settings)
        return cls(
            latency_ms=latency,
            excess=_excess(latency, app.latency_ms),
            overrun=np.maximum(use - problem.busy_limit, 0.0),
            caution=_caution(app, settings, latency / app.latency_ms, use / problem.busy_limit),
            shortfall=np.broadcast_to(_shortfall(app), shape),
            busy=_busy(app, use * shares),
            active_w=np.minimum(use, 1.0) * shares * element_w,
            forbidden=np.broadcast_to([float(i in app.forbidden) for i in range(shape[1])], shape),
            merit=np.broadcast_to(np.asarray(app.merits()), shape),
            energy_mj=time_ms * shares * element_w,
        )


def _excess(latency: FloatArray, limit_ms: float) -> FloatArray:
    excess = np.maximum(latency / limit_ms - 1.0, 0.0)
    return np.asarray(np.nan_to_num(excess, nan=0.0, posinf=math.inf))


def _caution(
    app: ArbiterApplication, settings: Settings, of_target: FloatArray, of_limit: FloatArray
) -> FloatArray:
    merits = app.merits()
    current = merits[app.current] if app.current is not None else -math.inf
    higher = np.array([merit > current for merit in merits])
    lowered = np.stack([settings.lowered(point) for point in app.points], axis=1)
    tight = np.fmax(of_target, of_limit) > 1.0 - app.margin
    return np.asarray((tight & (higher | lowered)).astype(float))


def _shortfall(app: ArbiterApplication) -> FloatArray:
    if math.isnan(app.min_accuracy):
        return np.zeros(len(app.points))
    known = np.nan_to_num(np.array([point.accuracy for point in app.points]), nan=0.0)
    return np.asarray(np.maximum(app.min_accuracy - known, 0.0))


def _shares(app: ArbiterApplication, problem: ArbiterInput) -> FloatArray:
    cores = {element.name: element.cores for element in problem.elements}
    return np.array([element_share(point, cores.get(point.element, 0)) for point in app.points])


def _busy(app: ArbiterApplication, use: FloatArray) -> dict[str, FloatArray]:
    names = dict.fromkeys(point.element for point in app.points)
    return {name: use * np.array([point.element == name for point in app.points]) for name in names}


def _element_power(app: ArbiterApplication, problem: ArbiterInput, settings: Settings) -> FloatArray:
    if problem.power is None:
        return np.ones((settings.count, len(app.points)))
    clocks = settings.clocks(problem)
    watts = {name: problem.power.active_w(name, clocks) for name in {p.element for p in app.points}}
    columns = [np.broadcast_to(watts[point.element], (settings.count,)) for point in app.points]
    return np.stack(columns, axis=1)
