"""The reflex: per frame, inside perception, the sub-network that still fits the target.

Predicted latency of point p at the target's percentile q, from what was just measured:

    L_q(p) = overhead_q + slowdown_q * latency_ms(p) * stretch(f)

Downward at once. Upward only after a minimum dwell and with a margin. It moves only along the
alternatives of the last valid decision, up to the decided sub-network, so that it never fights the
arbiter; alone (no decision, or its lease ran out) it uses the family's own front.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import SubnetDecision
from dynofa_ros.manager.operating_point import OperatingPoint, pareto_front
from dynofa_ros.manager.qos import DEFAULT_PERCENTILE
from dynofa_ros.manager.slowdown import OverheadEstimator, SlowdownEstimator


@dataclass(frozen=True)
class ReflexConfig:
    """Parameters of the reflex."""

    dwell_s: float = 1.0
    """Least time between a change of sub-network and an upward move [s]."""
    margin: float = 0.05
    """An upward move must leave this share of the target free; less than the manager's margin [1]."""
    default_latency_ms: float = math.nan
    """Target while no decision was ever received [ms]; NaN: keep up with the camera."""
    keep_up: float = 0.9
    """Largest busy share of the period where there is no target [1]."""
    window: int = 128
    """Frames remembered by the estimators."""


class Reflex:
    """Chooses the sub-network of the next frame. Not thread safe: call it from the worker thread or lock."""

    def __init__(self, config: ReflexConfig | None = None) -> None:
        self.config = config or ReflexConfig()
        self.slowdown = SlowdownEstimator(window=self.config.window)
        self.overhead = OverheadEstimator(window=self.config.window)
        self.last_action = ""
        self._points: dict[str, OperatingPoint] = {}
        self._front: list[OperatingPoint] = []
        self._clocks: dict[str, tuple[float, float]] = {}
        self._period_ms = math.nan
        self._decision: SubnetDecision | None = None
        self._decision_until_s = -math.inf
        self._current: OperatingPoint | None = None
        self._moved_s = -math.inf
        self._pin: tuple[str, float] | None = None

    # What it learns

    def set_points(self, points: Sequence[OperatingPoint]) -> None:
        """Resident operating points, one per sub-network. Forgets decisions, measurements and the choice.

        Raises:
            RefusedMessage: no points, duplicates or a point that contradicts itself; nothing changes.

        """
        by_name = {point.subnet: point.validated() for point in points}
        if not points or len(by_name) != len(points):
            raise RefusedMessage("operating points refused: need at least one, and each sub-network once")
        self._points = by_name
        self._front = pareto_front(list(points))
        self._decision, self._decision_until_s, self._pin = None, -math.inf, None
        self._current, self._moved_s = None, -math.inf
        self.slowdown.reset()
        self.overhead.reset()

    def on_decision(self, decision: SubnetDecision, now_s: float) -> None:
        """Take a decision for `validity_ms` from now.

        Raises:
            RefusedMessage: it names a sub-network or element that is not resident, or has no valid
                lease; the previous decision and the current sub-network stay.

        """
        self._check(decision)
        previous = self._decision
        self._decision = decision
        self._decision_until_s = now_s + decision.validity_ms / 1e3
        if self._may_follow_up(previous, decision):
            self._moved_s = -math.inf

    def set_clock(self, domain: str, mhz: float, full_mhz: float = math.nan) -> None:
        """Clock now in force in `domain` [MHz]; `full_mhz` where points do not know their reference."""
        self._clocks[domain] = (mhz, full_mhz)

    def set_period(self, period_ms: float) -> None:
        """Mean time between received frames [ms]; NaN or <= 0: not known."""
        self._period_ms = period_ms if 0.0 < period_ms < math.inf else math.nan

    def update(self, subnet: str, inference_ms: float, overhead_ms: float, now_s: float) -> None:
        """Take the measurement of one frame; unknown names and absurd values are ignored (and counted)."""
        del now_s  # the estimators count frames, not seconds
        expected_ms = self.expected_ms(subnet)
        self.slowdown.update(inference_ms / expected_ms)
        self.overhead.update(overhead_ms)

    def pin(self, subnet: str, until_s: float) -> None:
        """Hold `subnet` until `until_s`, whatever is measured. RefusedMessage where it is not resident."""
        self._resident(subnet, "")
        self._pin = (subnet, until_s)

    def unpin(self) -> None:
        """Return to choosing."""
        self._pin = None

    # What it knows

    @property
    def current(self) -> str:
        """Sub-network of the last choice; "" before the first."""
        return self._current.subnet if self._current else ""

    @property
    def element(self) -> str:
        """Element of the last choice; "" before the first."""
        return self._current.element if self._current else ""

    @property
    def percentile(self) -> float:
        """Percentile of the last target known, 0.95 before any."""
        return self._decision.percentile if self._decision else DEFAULT_PERCENTILE

    def decision(self, now_s: float) -> SubnetDecision | None:
        """The decision whose lease runs, or None."""
        return self._decision if now_s <= self._decision_until_s else None

    def target_latency_ms(self, now_s: float) -> float:
        """Target in force [ms]: that of the last decision even when its lease ran out; NaN: none."""
        del now_s
        return self._decision.target_latency_ms if self._decision else self.config.default_latency_ms

    def expected_ms(self, subnet: str) -> float:
        """Profiled inference time at the clocks known [ms]; NaN for an unknown sub-network."""
        point = self._points.get(subnet)
        if point is None:
            return math.nan
        mhz, full_mhz = self._clocks.get(point.clock_domain, (math.nan, math.nan))
        return point.latency_ms * point.stretch(mhz, full_mhz)

    def predicted_ms(self, subnet: str) -> float:
        """L_q of `subnet` [ms], see the module's equation."""
        return self.overhead.tail(self.percentile) + self._predicted_inference_ms(subnet)

    # What it does

    def choose(self, now_s: float) -> str:
        """Sub-network for the next frame. Needs `set_points` first (ValueError otherwise)."""
        if not self._points:
            raise ValueError("Reflex.choose before set_points: there is nothing to choose from")
        point = self._pinned(now_s) or self._chosen(now_s)
        if self._current is not None and point is not self._current:
            self._moved_s = now_s
        self._current = point
        return point.subnet

    def _pinned(self, now_s: float) -> OperatingPoint | None:
        if self._pin is None or now_s >= self._pin[1]:
            self._pin = None
            return None
        self.last_action = f"{self._pin[0]} pinned by hand"
        return self._points[self._pin[0]]

    def _chosen(self, now_s: float) -> OperatingPoint:
        ladder = self._ladder(now_s)
        limit_ms = self._limit_ms(now_s)
        best = _highest(ladder, [self._cost_ms(p, now_s) <= limit_ms for p in ladder])
        rank = ladder.index(self._current) if self._current in ladder else None
        if rank is None or self._current is None:
            return self._note(best, now_s, "starts")
        if ladder.index(best) < rank:
            return self._note(best, now_s, "moves down")
        if ladder.index(best) == rank or now_s - self._moved_s < self.config.dwell_s:
            return self._current
        roomy = limit_ms * (1.0 - self._margin())
        fits = [self._cost_ms(p, now_s) <= roomy for p in ladder]
        best = _highest(ladder, fits)
        return self._note(best, now_s, "moves up") if ladder.index(best) > rank else self._current

    def _margin(self) -> float:
        return 0.0 if self._moved_s == -math.inf else self.config.margin

    def _ladder(self, now_s: float) -> list[OperatingPoint]:
        """Points it may use now, by rising latency; the last is the best allowed."""
        decision = self.decision(now_s)
        if decision is None:
            return self._front
        names = [alternative.subnet for alternative in decision.alternatives]
        allowed = names[: names.index(decision.subnet)] if decision.subnet in names else []
        ladder = [self._points[name] for name in [*allowed, decision.subnet]]
        return sorted(ladder, key=lambda point: point.latency_ms)

    def _limit_ms(self, now_s: float) -> float:
        target_ms = self.target_latency_ms(now_s)
        if not math.isnan(target_ms):
            return target_ms
        if self.decision(now_s) is not None:
            return math.inf
        return self.config.keep_up * self._period_ms if self._period_ms > 0.0 else 0.0

    def _cost_ms(self, point: OperatingPoint, now_s: float) -> float:
        if math.isnan(self.target_latency_ms(now_s)):
            return self._predicted_inference_ms(point.subnet)
        return self.predicted_ms(point.subnet)

    def _predicted_inference_ms(self, subnet: str) -> float:
        return self.slowdown.tail(self.percentile) * self.expected_ms(subnet)

    def _note(self, point: OperatingPoint, now_s: float, verb: str) -> OperatingPoint:
        unknown_period = self._limit_ms(now_s) == 0.0
        if unknown_period:
            self.last_action = f"{verb} with {point.subnet}: camera period not known yet"
            return point
        need = self._cost_ms(point, now_s)
        self.last_action = (
            f"{verb} to {point.subnet}: {need:.1f} of {self._limit_ms(now_s):.1f} ms, "
            f"slow-down {self.slowdown.tail(self.percentile):.2f}"
        )
        return point

    def _may_follow_up(self, previous: SubnetDecision | None, new: SubnetDecision) -> bool:
        """Whether an upward decision needs no dwell: the target relaxed, or nothing was held back."""
        if previous is None or self._current is None:
            return True
        if not new.target_latency_ms <= previous.target_latency_ms and new.subnet != previous.subnet:
            return True
        return new.subnet != previous.subnet and self._current.subnet == previous.subnet

    def _check(self, decision: SubnetDecision) -> None:
        self._resident(decision.subnet, decision.element)
        for alternative in decision.alternatives:
            self._resident(alternative.subnet, alternative.element)
        if not 0.0 < decision.validity_ms < math.inf:
            raise RefusedMessage(
                f"subnet_decision refused: validity_ms = {decision.validity_ms} must be > 0 ms"
            )
        if not 0.0 < decision.percentile < 1.0:
            raise RefusedMessage(f"subnet_decision refused: percentile = {decision.percentile} must be 0..1")
        if decision.target_latency_ms <= 0.0:
            value = decision.target_latency_ms
            raise RefusedMessage(
                f"subnet_decision refused: target_latency_ms = {value} must be > 0 ms or NaN"
            )

    def _resident(self, subnet: str, element: str) -> None:
        point = self._points.get(subnet)
        if point is None or (element and element != point.element):
            known = ", ".join(f"{p.subnet} on {p.element}" for p in self._points.values())
            place = f" on {element}" if element else ""
            raise RefusedMessage(f"sub-network {subnet!r}{place} is not resident; resident: {known}")


def _highest(ladder: list[OperatingPoint], fits: list[bool]) -> OperatingPoint:
    """Last rung that fits; the lowest where none does."""
    fitting = [point for point, fit in zip(ladder, fits, strict=True) if fit]
    return fitting[-1] if fitting else ladder[0]
