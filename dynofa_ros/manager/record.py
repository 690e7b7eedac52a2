"""What the manager remembers of one application."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dynofa_ros.manager.application import ApplicationInfo, StatsView
from dynofa_ros.manager.board_view import Caution
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.operating_point import OperatingPoint, PointKey, named
from dynofa_ros.manager.power_model import element_share
from dynofa_ros.manager.problem import ArbiterApplication, ArbiterElement
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.manager.sticky import Sticky

LARGEST_MARGIN = 0.05
REPORTS = 3
LEAP = 1.3
SLACK = 0.01
"""Share by which a value that decisions rest on may exceed what was measured."""
OVERHEAD_STEP_MS = 0.1
LEAST_SLOWDOWN, LARGEST_SLOWDOWN = 0.05, 200.0
BURST, LARGEST_BURST, BURST_SLACK = 1.25, 3.0, 0.03
"""Long tail of the slow-down over its tail: until it is known, at most, and the room of its steps [1]."""
CONTESTED_S = 5.0
ELSEWHERE_S, LONGEST_ELSEWHERE_S = 10.0, 160.0
"""What an element suffered longer ago says nothing any more: it may be tried again; twice as long after each
try that ended within SHORT_STAY_S [s]."""
SHORT_STAY_S = 3.0
FREED, MOST_BACKGROUND = 0.15, 0.9


@dataclass
class Elsewhere:
    """What an element was measured to do, kept for while the application runs on another one."""

    median: float = math.nan
    tail: float = math.nan
    at_s: float = -math.inf
    background: float = 0.0
    """Share of the element that others used then."""
    arrived_s: float = -math.inf
    patience_s: float = ELSEWHERE_S

    def expected(self, now_s: float, background: float, prior_tail: float) -> tuple[float, float]:
        """Median and tail to expect there now.

        What was measured, until `patience_s` have passed or others left the element; then, and before
        anything was measured, time shared with them: 1 / (1 - background), the prior at least for the tail.
        """
        freed = background < self.background - FREED
        if now_s - self.at_s <= self.patience_s and not freed:
            return self.median, self.tail
        shared = 1.0 / (1.0 - min(background, MOST_BACKGROUND))
        return shared, prior_tail * shared


class Measured:
    """What an application's statistics say, on the careful side; NaN before the first.

    Of the last REPORTS reports on one element the second largest slow-down and overhead count, and the
    newest where it is LEAP times as large: a burst of slow frames moves nothing here (the reflex has answered
    it), a co-runner shows at once, and a fall has to be confirmed. All follow in steps (`Sticky`).
    """

    def __init__(self) -> None:
        self.slowdown = self.slowdown_tail = self.overhead_ms = self.period_ms = self.busy = math.nan
        self.waited_ms = self.occupies_ms = math.nan
        self.tail_interval = (math.nan, math.nan)
        """90 % interval of the newest tail, as reported."""
        self.burst = BURST
        """Long tail of the slow-down, bursts included, over its tail."""
        self.element = ""
        self.point: PointKey = ("", "")
        """What ran at the end of the newest window."""
        self.by_element: dict[str, Elsewhere] = {}
        """What was measured on each element."""
        self.inferred_total = -1
        self.fresh_s = -math.inf
        self.ignored = 0
        self._reports: deque[tuple[float, float, float]] = deque(maxlen=REPORTS)
        self._periods: deque[float] = deque(maxlen=REPORTS)
        self._steps = Sticky(SLACK), Sticky(SLACK), Sticky(SLACK, OVERHEAD_STEP_MS)
        self._frequency = Sticky(SLACK)
        self._burst = Sticky(BURST_SLACK)
        self._waited, self._occupies = Sticky(SLACK, OVERHEAD_STEP_MS), Sticky(BURST_SLACK, OVERHEAD_STEP_MS)
        self._backward_s: deque[float] = deque(maxlen=2)

    def take(
        self, stats: StatsView, now_s: float, elements: frozenset[str], clocks_settle: bool = False
    ) -> bool:
        """Take fresh, plausible values; frozen ones (frames, but no new inference) do not count.

        `elements`: those that the application can run on. `clocks_settle`: some of these frames ran at other
        clocks than is known, so that their slow-down says nothing. Returns whether these were the first.
        """
        self._take_period(stats.period_ms)
        if stats.frames <= 0 or stats.inferred_total == self.inferred_total:
            return False
        if stats.inferred_total < self.inferred_total:
            self._backward_s.append(now_s)
        self.inferred_total = stats.inferred_total
        tail = _plausible(stats.slowdown_tail, LEAST_SLOWDOWN, LARGEST_SLOWDOWN, math.nan)
        overhead_ms = _plausible(stats.overhead_ms, 0.0, 60_000.0, math.nan)
        if math.isnan(tail) or math.isnan(overhead_ms) or stats.element not in elements:
            self.ignored += 1
            return False
        if stats.element != self.element:
            self._arrive(stats.element, now_s)
        self.element, self.point = stats.element, (stats.subnet, stats.placement)
        median = min(_plausible(stats.slowdown, LEAST_SLOWDOWN, LARGEST_SLOWDOWN, tail), tail)
        if clocks_settle and self._reports:
            median, tail = self._reports[-1][:2]
        self._reports.append((median, tail, overhead_ms))
        waited_ms = _plausible(stats.waited_ms, 0.0, 60_000.0, math.nan)
        self.waited_ms = self._waited.follow(waited_ms)
        self.occupies_ms = self._occupies.follow(_plausible(stats.inference_p50_ms, 0.0, 60_000.0, math.nan))
        self._settle_values(now_s)
        self._take_burst(math.nan if clocks_settle else stats.slowdown_burst)
        self.tail_interval = (stats.slowdown_tail_low, stats.slowdown_tail_high)
        self.busy = _plausible(stats.busy, 0.0, 1.0, 0.0)
        first, self.fresh_s = self.fresh_s == -math.inf, now_s
        return first

    def _arrive(self, element: str, now_s: float) -> None:
        """It runs on another element now: a short stay on the one before makes the next try there later."""
        self._reports.clear()
        left = self.by_element.get(self.element)
        if left is not None:
            short = now_s - left.arrived_s < SHORT_STAY_S
            left.patience_s = min(2.0 * left.patience_s, LONGEST_ELSEWHERE_S) if short else ELSEWHERE_S
        self.by_element.setdefault(element, Elsewhere()).arrived_s = now_s

    def _take_period(self, period_ms: float) -> None:
        if 0.1 <= period_ms <= 3.6e6:
            self._periods.append(period_ms)
            self.period_ms = 1.0 / self._frequency.follow(1.0 / min(self._periods))

    def _take_burst(self, slowdown_burst: float) -> None:
        burst = _plausible(slowdown_burst, LEAST_SLOWDOWN, LARGEST_SLOWDOWN, math.nan)
        ratio = self._burst.follow(burst) / self.slowdown_tail
        self.burst = BURST if math.isnan(ratio) else min(max(ratio, 1.0), LARGEST_BURST)

    def _settle_values(self, now_s: float) -> None:
        careful = [_careful(values) for values in zip(*self._reports, strict=True)]
        steps = [step.follow(value) for step, value in zip(self._steps, careful, strict=True)]
        self.slowdown, self.slowdown_tail, self.overhead_ms = steps
        self.slowdown = min(self.slowdown, self.slowdown_tail)
        place = self.by_element[self.element]
        place.median, place.tail, place.at_s = self.slowdown, self.slowdown_tail, now_s

    def contested(self, now_s: float) -> bool:
        """Whether the count of frames went backwards twice lately: two nodes use one name."""
        return len(self._backward_s) == 2 and now_s - self._backward_s[0] < CONTESTED_S


UNKNOWN = Elsewhere()


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
    leapt_s: float = -math.inf
    """When it last got much slower at once [s]: so far little is known of how slow."""
    free: bool = True
    """The next decision waits for no dwell: new application, first measurement or new target."""
    saving: bool = False
    """The battery is low: least energy, whatever the target's objective."""
    watched: int | None = None
    """What was chosen while the temperature was last known."""
    held_since_s: float = math.inf
    """Since when the reflex runs something smaller than decided."""

    def __post_init__(self) -> None:
        self.points = undominated(self.info.operating_points)
        self.merits = ArbiterApplication(self.info.name, self.points).merits()
        self.domains = frozenset(domain for point in self.points for domain in point.domains)
        self.elements = frozenset(point.element for point in self.points)

    def target_or_default(self, config: ManagerConfig) -> QosTarget:
        """The target in force; `latency_ms` NaN means: only keep up with the period."""
        target = self.target or QosTarget(
            application=self.info.name,
            latency_ms=config.default_latency_ms,
            percentile=config.default_percentile,
            objective=config.default_objective,
        )
        return replace(target, objective=Objective.MIN_ENERGY) if self.saving else target

    def dwells(self, now_s: float, config: ManagerConfig) -> bool:
        """Whether it changed so lately that only what must be is changed again."""
        return not self.free and self.chosen is not None and now_s - self.changed_s < config.dwell_s

    def _unsustained(self, config: ManagerConfig, cores: Mapping[str, int]) -> frozenset[int]:
        """Points above what is known to be sustained: what ran while the temperature was last known, else
        those that would keep more than `sustained_busy` of their element busy, as profiled.
        """
        if self.watched is not None:
            return frozenset(i for i, m in enumerate(self.merits) if m > self.merits[self.watched])
        period_ms = _known(self.measured.period_ms, config.default_period_ms)
        busy = [p.latency_ms * element_share(p, cores.get(p.element, 0)) / period_ms for p in self.points]
        most = max(config.sustained_busy, min(busy))
        return frozenset(i for i, share in enumerate(busy) if share > most)

    def _forbidden(self, blocked: bool, keep: bool, cores: Mapping[str, int]) -> frozenset[int]:
        """With `keep` all but the chosen one; else higher ones while blocked, and more threads than cores."""
        if keep:
            return frozenset(range(len(self.points))) - {self.chosen or 0}
        chosen = self.merits[self.chosen] if blocked and self.chosen is not None else math.inf
        higher = {i for i, merit in enumerate(self.merits) if merit > chosen}
        crowded = {i for i, p in enumerate(self.points) if p.threads > cores.get(p.element, 0) > 0}
        return frozenset(higher | crowded)

    def percentile(self, config: ManagerConfig) -> float:
        """What is planned for: a target whose objective is accuracy loses all of it with every late frame."""
        target = self.target_or_default(config)
        accurate = target.objective == Objective.MAX_ACCURACY
        return max(target.percentile, config.accuracy_percentile) if accurate else target.percentile

    def _margin(self, config: ManagerConfig) -> float:
        """How far the tail may lie above what is known of it, between config.margin and LARGEST_MARGIN."""
        high = self.measured.tail_interval[1] / self.measured.slowdown_tail - 1.0
        return min(max(high, config.margin), LARGEST_MARGIN) if high > config.margin else config.margin

    def stale(self, now_s: float, config: ManagerConfig) -> bool:
        """Whether measurements are too old, or there were none yet."""
        return now_s - self.measured.fresh_s > config.stats_timeout_s

    def upward_block(self, now_s: float, config: ManagerConfig) -> str:
        """Why no upward move is allowed now: "dwell", "telemetry" or ""."""
        if self.free or self.chosen is None:
            return ""
        if self.stale(now_s, config) or self.measured.contested(now_s):
            return "telemetry"
        return "dwell" if now_s - self.changed_s < config.dwell_s else ""

    def watch_reflex(self, now_s: float) -> None:
        """Note whether the reflex holds back: it runs a point of less merit than the one decided."""
        running = self._running_index()
        held = running is not None and self.chosen is not None and running != self.chosen
        held = held and self.merits[running or 0] < self.merits[self.chosen or 0]
        self.held_since_s = min(self.held_since_s, now_s) if held else math.inf

    def _running(self, now_s: float, config: ManagerConfig) -> int | None:
        """The decided point, or what the reflex holds on to: then the decided one needs its margin anew."""
        held_s = now_s - max(self.held_since_s, self.changed_s)
        return self._running_index() if held_s > config.dwell_s else self.chosen

    def _elsewhere(
        self, now_s: float, config: ManagerConfig, background: Mapping[str, float]
    ) -> dict[str, tuple[float, float]]:
        """Slow-downs of the elements of its points that are not the one measured last."""
        measured = self.measured
        known = measured.by_element
        if measured.element in known:
            known[measured.element].background = background.get(measured.element, 0.0)
        return {
            name: known.get(name, UNKNOWN).expected(now_s, background.get(name, 0.0), config.prior_slowdown)
            for name in self.elements - {measured.element}
            if measured.element
        }

    def _running_index(self) -> int | None:
        point = named(self.points, *self.measured.point)
        return None if point is None else self.points.index(point)

    def as_input(
        self,
        now_s: float,
        config: ManagerConfig,
        caution: Caution,
        elements: Sequence[ArbiterElement],
        keep: bool,
        alone: bool = False,
    ) -> ArbiterApplication:
        """The application as the arbiter sees it; with `keep` it stays where it is during the dwell.

        Where it is `alone` nothing waits for it, and what it waits for does not count.
        """
        background = {element.name: element.background for element in elements}
        cores = {element.name: element.cores for element in elements}
        target, measured = self.target_or_default(config), self.measured
        least = config.prior_slowdown if self.stale(now_s, config) else 0.0
        blocked = caution.upward or bool(self.upward_block(now_s, config))
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
            by_element=self._elsewhere(now_s, config, background),
            overhead_ms=_known(measured.overhead_ms, config.prior_overhead_ms),
            period_ms=_known(measured.period_ms, config.default_period_ms),
            percentile=self.percentile(config),
            waited_ms=math.nan if alone else measured.waited_ms,
            occupies_ms=math.nan if alone else measured.occupies_ms,
            measured_on=measured.element,
            current=None if self.free else self._running(now_s, config),
            margin=self._margin(config),
            switch_ms=config.switch_ms,
        )
        above = self._unsustained(config, cores) if caution.unwatched else frozenset()
        stays = keep and self.dwells(now_s, config) and self.chosen not in above
        forbidden = self._forbidden(blocked, stays, cores) | above
        forbidden = forbidden if len(forbidden) < len(self.points) else above
        return replace(app, forbidden=forbidden) if forbidden else app


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


def _careful(values: tuple[float, ...]) -> float:
    second = sorted(values)[-2] if len(values) > 1 else values[0]
    return values[-1] if values[-1] > LEAP * second else second


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _known(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


def _plausible(value: float, low: float, high: float, otherwise: float) -> float:
    return value if low <= value <= high else otherwise
