"""The arbiter's question and answer as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.power_model import BoardPowerModel
from dynofa_ros.manager.qos import Objective


@dataclass(frozen=True)
class ArbiterApplication:
    """One application: what it may run, what it must deliver, what it was measured to cost."""

    name: str
    points: tuple[OperatingPoint, ...]
    latency_ms: float = math.nan
    """Target; NaN: only keep up with the period."""
    min_accuracy: float = math.nan
    max_power_w: float = math.nan
    objective: int = Objective.MAX_ACCURACY
    priority: int = 0
    slowdown_tail: float = 1.0
    """At the target's percentile; decides latency."""
    slowdown: float = 1.0
    """Median; decides busy time and energy."""
    by_element: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Median and tail of the slow-down of elements that differ from these two."""
    overhead_ms: float = 0.0
    period_ms: float = math.nan
    current: int | None = None
    """Index of the point that runs; points above it (None: all), and lower clocks, need `margin`."""
    forbidden: frozenset[int] = frozenset()
    """Indices of points not allowed now (minimum dwell, stale telemetry)."""
    margin: float = 0.0

    def slowdowns(self, element: str) -> tuple[float, float]:
        """Median and tail of the slow-down on `element`."""
        return self.by_element.get(element, (self.slowdown, self.slowdown_tail))

    def merits(self) -> tuple[float, ...]:
        """Accuracy per point; multiply-adds relative to the largest where any accuracy is unknown."""
        accuracies = tuple(point.accuracy for point in self.points)
        if not any(math.isnan(accuracy) for accuracy in accuracies):
            return accuracies
        sizes = [point.macs if point.macs > 0.0 else point.latency_ms for point in self.points]
        return tuple(size / max(sizes) for size in sizes)


@dataclass(frozen=True)
class ClockTable:
    """Clocks that a domain may be limited to now: rising, none above its cap [MHz]."""

    domain: str
    available_mhz: tuple[float, ...]
    full_mhz: float = math.nan
    """Highest clock of the domain without caps: reference where a profile does not name one."""
    current_mhz: float = math.nan
    """Limit in force; going below it needs the applications' margin."""


@dataclass(frozen=True)
class ArbiterElement:
    """One element; `background` is the share of it that others keep busy (counts for power)."""

    name: str
    cores: int = 0
    background: float = 0.0


@dataclass(frozen=True)
class HeatLimit:
    """Tj(t + horizon) = offset + slope * P must stay at or below the limit."""

    offset_degc: float
    degc_per_w: float
    limit_degc: float


@dataclass(frozen=True)
class ArbiterInput:
    """Everything a joint choice depends on."""

    applications: tuple[ArbiterApplication, ...]
    clocks: tuple[ClockTable, ...] = ()
    elements: tuple[ArbiterElement, ...] = ()
    power: BoardPowerModel | None = None
    other_clocks: Mapping[str, float] = field(default_factory=dict)
    """Clocks of domains that are not chosen [MHz], for the power model."""
    heat: HeatLimit | None = None
    busy_limit: float = 0.9
    incumbent: tuple[tuple[int, ...], tuple[float, ...]] | None = None
    """Points and clocks in force: kept while they cost at most `inertia` more and are equal otherwise."""
    inertia: float = 0.0

    @property
    def max_power_w(self) -> float:
        """The smallest budget of all applications; infinite where there is none."""
        budgets = [app.max_power_w for app in self.applications if not math.isnan(app.max_power_w)]
        return min(budgets, default=math.inf)


@dataclass(frozen=True)
class ArbiterResult:
    """The choice: one point per application, one clock per table, and what they lead to."""

    choices: tuple[int, ...]
    clocks: Mapping[str, float]
    violations: tuple[tuple[str, ...], ...]
    """Per application: "latency", "keep_up", "min_accuracy"; empty where all of its own hold."""
    board_violations: tuple[str, ...]
    """"power_budget", "temperature", "busy:<element>"."""
    latency_ms: tuple[float, ...]
    energy_mj: tuple[float, ...]
    power_w: float
    temperature_degc: float
    exact: bool = True

    @property
    def feasible(self) -> bool:
        """Whether every constraint holds."""
        return not self.board_violations and not any(self.violations)
