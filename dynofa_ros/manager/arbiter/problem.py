"""The arbiter's question and answer as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from dynofa_ros.manager.lazy import lazy
from dynofa_ros.manager.models.power_model import BoardPowerModel
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import DEFAULT_PERCENTILE, Objective


@dataclass(frozen=True)
class ArbiterApplication:
    """One application: what it may run, what it must deliver, what it was measured to cost."""

    name: str
    points: tuple[OperatingPoint, ...]
    """The same tuple object from decision to decision: what follows from it alone is then kept."""
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
    """Without the waiting for elements that are `exclusive`."""
    period_ms: float = math.nan
    current: int | None = None
    """Index of the point that runs; points above it (None: all), and lower clocks, need `margin`."""
    forbidden: frozenset[int] = frozenset()
    """Indices of points not allowed now (minimum dwell, stale telemetry)."""
    margin: float = 0.0
    percentile: float = DEFAULT_PERCENTILE
    """Share of the frames that must meet the target; decides how much waiting counts."""
    phases_ms: Mapping[str, float] = field(default_factory=dict)
    """How long after the beginning of another application's inference its frames come at least, by the name
    of the other one; where the cameras keep their phase and it is known."""
    switch_ms: float = 0.0
    """How long a change of point keeps the element of the new one busy."""

    def slowdowns(self, element: str) -> tuple[float, float]:
        """Median and tail of the slow-down on `element`."""
        return self.by_element.get(element, (self.slowdown, self.slowdown_tail))

    def merits(self) -> tuple[float, ...]:
        """Accuracy per point; multiply-adds relative to the largest where any accuracy is unknown."""
        accuracies = tuple([point.accuracy for point in self.points])
        if not any(map(math.isnan, accuracies)):
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
    released_mhz: float = math.nan
    """Clock that the kernel is expected to choose while no decided point uses the domain; NaN: its lowest."""
    change_ms: float = 0.0
    """Time until another limit takes effect, counted as board power without the applications."""


@dataclass(frozen=True)
class ArbiterElement:
    """One element; `background` is the share of it that others keep busy (counts for power)."""

    name: str
    cores: int = 0
    background: float = 0.0
    exclusive: bool = False
    """Inferences that do not fit beside each other (threads on cores; any two where there are no cores)
    wait in turn, in the order of their arrival and without being interrupted."""


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
    """Clocks of domains that are not chosen [MHz]."""
    heat: HeatLimit | None = None
    busy_limit: float = 0.9
    """Largest busy share of an element, and of an application's period."""
    busy_limits: Mapping[str, float] = field(default_factory=dict)
    """The same for elements that differ."""
    incumbent: tuple[tuple[int, ...], tuple[float, ...]] | None = None
    """Points and clocks in force: kept while they cost at most `inertia` more and are equal otherwise."""
    inertia: float = 0.0
    horizon_s: float = math.inf
    """Time over which the energy of changes is spread; infinite: changes cost nothing."""

    @lazy
    def max_power_w(self) -> float:
        """The smallest budget of all applications; infinite where there is none."""
        budgets = [app.max_power_w for app in self.applications if not math.isnan(app.max_power_w)]
        return min(budgets, default=math.inf)

    def limit(self, element: str) -> float:
        """Largest busy share of `element`."""
        return self.busy_limits.get(element, self.busy_limit)


@dataclass(frozen=True)
class Bound:
    """How far a choice may be from the best: no choice ranks before it in a term before `term`, and none is
    below `least` in that one. Terms are minimised; accuracies count negatively.
    """

    term: str
    value: float
    least: float


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
    """Predicted at the percentile, waiting included."""
    energy_mj: tuple[float, ...]
    power_w: float
    temperature_degc: float
    exact: bool = True
    """Whether no other choice ranks before this one (before an incumbent is kept for its inertia)."""
    bound: Bound | None = None
    """Where not exact: the first term in which a better choice may exist."""
    nodes: int = 0
    """Partial choices that were examined after the first bound."""

    @property
    def feasible(self) -> bool:
        """Whether every constraint holds."""
        return not self.board_violations and not any(self.violations)
