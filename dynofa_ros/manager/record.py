"""What the manager remembers of one application."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from dynofa_ros.manager.application import ApplicationInfo, StatsView
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.decision import SubnetDecision
from dynofa_ros.manager.operating_point import OperatingPoint, PointKey, named
from dynofa_ros.manager.problem import ArbiterApplication
from dynofa_ros.manager.qos import QosTarget

ELSEWHERE_S = 10.0
"""What an element suffered longer ago than this says nothing any more: it may be tried again [s]."""


@dataclass
class Measured:
    """Newest valid values of an application's statistics; NaN before the first."""

    slowdown: float = math.nan
    slowdown_tail: float = math.nan
    overhead_ms: float = math.nan
    period_ms: float = math.nan
    busy: float = math.nan
    element: str = ""
    point: PointKey = ("", "")
    """What ran at the end of the newest window."""
    by_element: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Median and tail of the slow-down on each element, and when they were measured [s]."""
    inferred_total: int = -1
    fresh_s: float = -math.inf
    ignored: int = 0

    def take(self, stats: StatsView, now_s: float) -> bool:
        """Take fresh, plausible values; frozen ones (frames, but no new inference) do not count.

        Returns whether these were the first.
        """
        self.period_ms = _plausible(stats.period_ms, 0.1, 3.6e6, self.period_ms)
        if stats.frames <= 0 or stats.inferred_total == self.inferred_total:
            return False
        self.inferred_total = stats.inferred_total
        self.element, self.point = stats.element, (stats.subnet, stats.placement)
        tail = _plausible(stats.slowdown_tail, 0.05, 200.0, math.nan)
        overhead_ms = _plausible(stats.overhead_ms, 0.0, 60_000.0, math.nan)
        if math.isnan(tail) or math.isnan(overhead_ms):
            self.ignored += 1
            return False
        self.slowdown_tail, self.overhead_ms = tail, overhead_ms
        self.slowdown = min(_plausible(stats.slowdown, 0.05, 200.0, tail), tail)
        self.by_element[stats.element] = (self.slowdown, self.slowdown_tail, now_s)
        self.busy = _plausible(stats.busy, 0.0, 1.0, 0.0)
        first, self.fresh_s = self.fresh_s == -math.inf, now_s
        return first

    def elsewhere(self, now_s: float, prior_tail: float) -> dict[str, tuple[float, float]]:
        """Slow-downs of the elements that run now or ran lately; of others the prior is assumed."""
        return {
            element: (median, tail) if now_s - at_s <= ELSEWHERE_S else (1.0, prior_tail)
            for element, (median, tail, at_s) in self.by_element.items()
        }


@dataclass
class ApplicationRecord:
    """One application: what it offered, wants, measured, and what was decided for it."""

    info: ApplicationInfo
    seen_s: float
    points: tuple[OperatingPoint, ...] = ()
    target: QosTarget | None = None
    target_until_s: float = math.inf
    measured: Measured = field(default_factory=Measured)
    chosen: int | None = None
    changed_s: float = -math.inf
    free: bool = True
    """The next decision waits for no dwell: new application, first measurement or new target."""
    held_since_s: float = math.inf
    """Since when the reflex runs something smaller than decided."""
    issued: SubnetDecision | None = None
    issued_s: float = -math.inf

    def __post_init__(self) -> None:
        self.points = undominated(self.info.operating_points)

    def target_or_default(self, config: ManagerConfig) -> QosTarget:
        """The target in force; `latency_ms` NaN means: only keep up with the period."""
        return self.target or QosTarget(
            application=self.info.name,
            latency_ms=config.default_latency_ms,
            percentile=config.default_percentile,
            objective=config.default_objective,
        )

    def stale(self, now_s: float, config: ManagerConfig) -> bool:
        """Whether measurements are too old, or there were none yet."""
        return now_s - self.measured.fresh_s > config.stats_timeout_s

    def upward_block(self, now_s: float, config: ManagerConfig) -> str:
        """Why no upward move is allowed now: "dwell", "telemetry" or ""."""
        if self.free or self.chosen is None:
            return ""
        if self.stale(now_s, config):
            return "telemetry"
        return "dwell" if now_s - self.changed_s < config.dwell_s else ""

    def watch_reflex(self, now_s: float) -> None:
        """Note whether the reflex holds back: it runs a point of less merit than the one decided."""
        running = self._running_index()
        held = running is not None and self.chosen is not None and running != self.chosen
        merits = self._merits()
        held = held and merits[running or 0] < merits[self.chosen or 0]
        self.held_since_s = min(self.held_since_s, now_s) if held else math.inf

    def _running(self, now_s: float, config: ManagerConfig) -> int | None:
        """The decided point, or what the reflex holds on to: then the decided one needs its margin anew."""
        held_s = now_s - max(self.held_since_s, self.changed_s)
        return self._running_index() if held_s > config.dwell_s else self.chosen

    def _elsewhere(self, now_s: float, config: ManagerConfig) -> dict[str, tuple[float, float]]:
        """Slow-downs of the elements of its points that are not the one measured last."""
        measured = self.measured
        known = measured.elsewhere(now_s, config.prior_slowdown)
        elements = {point.element for point in self.points} - {measured.element}
        return {name: known.get(name, (1.0, config.prior_slowdown)) for name in elements if measured.element}

    def _running_index(self) -> int | None:
        point = named(self.points, *self.measured.point)
        return None if point is None else self.points.index(point)

    def _merits(self) -> tuple[float, ...]:
        return ArbiterApplication(self.info.name, self.points).merits()

    def as_input(self, now_s: float, config: ManagerConfig, frozen_board: bool) -> ArbiterApplication:
        """The application as the arbiter sees it."""
        target, measured = self.target_or_default(config), self.measured
        least = config.prior_slowdown if self.stale(now_s, config) else 0.0
        blocked = frozen_board or bool(self.upward_block(now_s, config))
        app = ArbiterApplication(
            name=self.info.name,
            points=self.points,
            latency_ms=target.latency_ms,
            min_accuracy=target.min_accuracy,
            max_power_w=target.max_power_w,
            objective=target.objective,
            priority=target.priority,
            slowdown_tail=max(_known(measured.slowdown_tail, config.prior_slowdown), least),
            slowdown=_known(measured.slowdown, 1.0),
            by_element=self._elsewhere(now_s, config),
            overhead_ms=_known(measured.overhead_ms, config.prior_overhead_ms),
            period_ms=_known(measured.period_ms, config.default_period_ms),
            current=None if self.free else self._running(now_s, config),
            margin=config.margin / 2.0 if self.free else config.margin,
        )
        return app if not blocked or self.chosen is None else _without_upward(app, self.chosen)


def undominated(points: tuple[OperatingPoint, ...]) -> tuple[OperatingPoint, ...]:
    """Points that no other beats at every clock, by rising latency.

    q beats p where both use the same element, clock domain and threads, neither the clocked part
    s * latency nor the fixed part (1 - s) * latency is longer, the merit is at least as high, and
    one of them is strictly better (of equal points the first stays).
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
    if (q.element, q.clock_domain, q.threads) != (p.element, p.clock_domain, p.threads):
        return False
    if not _same(q.reference_mhz, p.reference_mhz) or math.isnan(q.accuracy) != math.isnan(p.accuracy):
        return False
    costs = [(x.latency_ms * x.clocked_fraction, x.latency_ms * (1.0 - x.clocked_fraction)) for x in (q, p)]
    no_worse = costs[0][0] <= costs[1][0] and costs[0][1] <= costs[1][1] and merits[j] >= merits[i]
    equal = costs[0] == costs[1] and merits[j] == merits[i]
    return no_worse and (not equal or j < i)


def _without_upward(app: ArbiterApplication, chosen: int) -> ArbiterApplication:
    merits = app.merits()
    higher = frozenset(i for i, merit in enumerate(merits) if merit > merits[chosen])
    return replace(app, forbidden=higher)


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _known(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


def _plausible(value: float, low: float, high: float, otherwise: float) -> float:
    return value if low <= value <= high else otherwise
