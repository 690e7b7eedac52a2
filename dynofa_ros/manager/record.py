"""What the manager knows of one application, and what the arbiter sees of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dynofa_ros.manager.application import ApplicationInfo
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterElement
from dynofa_ros.manager.arbiter.undominated import undominated
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.models.power_model import element_share
from dynofa_ros.manager.operating_point import OperatingPoint, label, named
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.manager.telemetry.board_view import Caution
from dynofa_ros.manager.telemetry.measured import Elsewhere, Measured
from dynofa_ros.manager.telemetry.phases import Sharer

LARGEST_MARGIN = 0.05
WORTH_SAYING_S = 1.0
"""So long a reflex holds back before it is said [s]."""
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
    """When it last got much slower at once [s]."""
    free: bool = True
    """The next decision waits for no dwell: new application, first measurement or new target."""
    saving: bool = False
    """The battery is low: least energy, whatever the target's objective."""
    watched: int | None = None
    """What was chosen while the temperature was last known."""
    held_since_s: float = math.inf
    """Since when the reflex runs something smaller than decided."""

    def __post_init__(self) -> None:
        self.joined_s = self.seen_s
        self.points = undominated(self.info.operating_points)
        self.merits = ArbiterApplication(self.info.name, self.points).merits()
        self.domains = frozenset(domain for point in self.points for domain in point.domains)
        self.elements = frozenset(point.element for point in self.points)
        self._places = {point.key: index for index, point in enumerate(self.points)}
        self._cores: Mapping[str, int] = {}
        self._too_wide: frozenset[int] = frozenset()

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

    def surprised(self, now_s: float, config: ManagerConfig) -> bool:
        """Whether it got much slower so lately that little is known of how slow."""
        return now_s - self.leapt_s < config.dwell_s

    def sharer(self, cores: Mapping[str, int]) -> Sharer:
        """What it reports of sharing the element it runs on."""
        running, measured = self._running_index(), self.measured
        point = None if running is None else self.points[running]
        share = element_share(point, cores.get(point.element, 0)) if point else math.nan
        return Sharer(
            self.info.name,
            measured.element,
            share,
            measured.period_ms,
            measured.occupies_ms,
            measured.waited_ms,
        )

    def _forbidden(self, blocked: bool, keep: bool, cores: Mapping[str, int]) -> frozenset[int]:
        """With `keep` all but the chosen one; else higher ones while blocked, and more threads than cores."""
        if keep:
            return frozenset(range(len(self.points))) - {self.chosen or 0}
        chosen = self.merits[self.chosen] if blocked and self.chosen is not None else math.inf
        higher = {i for i, merit in enumerate(self.merits) if merit > chosen} if chosen < math.inf else set()
        return frozenset(higher | self._crowded(cores))

    def _crowded(self, cores: Mapping[str, int]) -> frozenset[int]:
        """Points with more threads than there are cores; kept while these stay the same."""
        if cores != self._cores:
            crowded = [i for i, p in enumerate(self.points) if p.threads > cores.get(p.element, 0) > 0]
            self._cores, self._too_wide = cores, frozenset(crowded)
        return self._too_wide

    def percentile(self, config: ManagerConfig) -> float:
        """What is planned for: a target whose objective is accuracy loses all of it with every late frame."""
        target = self.target_or_default(config)
        accurate = target.objective == Objective.MAX_ACCURACY
        return max(target.percentile, config.accuracy_percentile) if accurate else target.percentile

    def _margin(self, config: ManagerConfig) -> float:
        """How far the tail may lie above what is known of it, between config.margin and LARGEST_MARGIN."""
        high = self.measured.tail_interval[1] / self.measured.slowdown_tail - 1.0
        return min(max(high, config.margin), LARGEST_MARGIN) if high > config.margin else config.margin

    def unmeasured(self, now_s: float, config: ManagerConfig) -> str:
        """What is wrong with its statistics, in words; "" where nothing is."""
        measured = self.measured
        since_s = max(measured.fresh_s, self.joined_s)
        if measured.refused:
            return f"absurd statistics ({measured.refused}; {measured.ignored} so far)"
        if now_s - since_s <= config.stats_timeout_s:
            return ""
        return f"nothing usable for {now_s - since_s:.1f} s in the statistics"

    def stale(self, now_s: float, config: ManagerConfig) -> bool:
        """Whether measurements are too old, or there were none yet."""
        return now_s - self.measured.fresh_s > config.stats_timeout_s

    def upward_block(self, now_s: float, config: ManagerConfig) -> str:
        """Why no upward move is allowed now: "dwell", "telemetry" or ""."""
        if self.free or self.chosen is None:
            return ""
        if self.stale(now_s, config) or self.measured.contested(now_s) or self.measured.refused:
            return "telemetry"
        return "dwell" if now_s - self.changed_s < config.dwell_s else ""

    def watch_reflex(self, now_s: float) -> None:
        """Note whether the reflex holds back: it runs a point of less merit than the one decided."""
        running = self._running_index()
        held = running is not None and self.chosen is not None and running != self.chosen
        held = held and self.merits[running or 0] < self.merits[self.chosen or 0]
        self.held_since_s = min(self.held_since_s, now_s) if held else math.inf

    def _held_s(self, now_s: float) -> float:
        """How long the reflex has held back from the point decided now; negative: it does not."""
        return now_s - max(self.held_since_s, self.changed_s)

    def held_back(self, now_s: float) -> str:
        """What runs instead of the decided point, in words; "" where the reflex follows, or soon may."""
        running, held_s = self._running_index(), self._held_s(now_s)
        if running is None or self.chosen is None or held_s < WORTH_SAYING_S:
            return ""
        runs, decided = (label(self.points[index], self.points) for index in (running, self.chosen))
        return (
            f"{self.info.name} runs {runs} instead of {decided} for {held_s:.0f} s: "
            "its reflex finds the decided one too slow"
        )

    def _running(self, now_s: float, config: ManagerConfig) -> int | None:
        """The decided point, or what the reflex holds on to: then the decided one needs its margin anew."""
        return self._running_index() if self._held_s(now_s) > config.dwell_s else self.chosen

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
        subnet, placement = self.measured.point
        if placement:
            return self._places.get((subnet, placement))
        point = named(self.points, subnet, placement)
        return None if point is None else self._places[point.key]

    def as_input(
        self,
        now_s: float,
        config: ManagerConfig,
        caution: Caution,
        elements: Sequence[ArbiterElement],
        keep: bool,
        phases_ms: Mapping[str, float],
        wary: bool = False,
    ) -> ArbiterApplication:
        """The application as the arbiter sees it; with `keep` it stays where it is during the dwell.

        `wary`: a slow-down that has just leapt is taken for larger by what bursts add to it.
        """
        background = {element.name: element.background for element in elements}
        cores = {element.name: element.cores for element in elements}
        target, measured = self.target_or_default(config), self.measured
        least = config.prior_slowdown if self.stale(now_s, config) else 0.0
        surprise = measured.burst if wary and self.surprised(now_s, config) else 1.0
        blocked = caution.upward or bool(self.upward_block(now_s, config))
        above = self._unsustained(config, cores) if caution.unwatched else frozenset()
        stays = keep and self.dwells(now_s, config) and self.chosen not in above
        forbidden = self._forbidden(blocked, stays, cores) | above
        return ArbiterApplication(
            name=self.info.name,
            points=self.points,
            latency_ms=target.latency_ms,
            min_accuracy=target.min_accuracy,
            max_power_w=target.max_power_w,
            objective=target.objective,
            priority=target.priority,
            slowdown_tail=max(_known(measured.slowdown_tail, config.prior_slowdown), least) * surprise,
            slowdown=_known(measured.slowdown, 1.0),
            by_element=self._elsewhere(now_s, config, background),
            overhead_ms=_known(measured.overhead_ms, config.prior_overhead_ms),
            period_ms=_known(measured.period_ms, config.default_period_ms),
            percentile=self.percentile(config),
            phases_ms=phases_ms,
            current=None if self.free else self._running(now_s, config),
            margin=self._margin(config),
            switch_ms=config.switch_ms,
            forbidden=forbidden if len(forbidden) < len(self.points) else above,
        )


def _known(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value
