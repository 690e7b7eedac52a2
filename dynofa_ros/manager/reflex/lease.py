"""What a reflex was told to reach, and for how long."""

from __future__ import annotations

import math

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import SubnetDecision
from dynofa_ros.manager.qos import DEFAULT_PERCENTILE


class Lease:
    """The last decision, valid for its `validity_ms`, and the target in force.

    That is the target of the last decision, lease or not, or what was heard since then, so that a manager
    that is down delays no target.
    """

    def __init__(self, default_latency_ms: float, keep_up: float) -> None:
        self.last: SubnetDecision | None = None
        self.until_s = -math.inf
        self.latency_ms = default_latency_ms
        """Target in force [ms]; NaN: none."""
        self.aims = not math.isnan(default_latency_ms)
        """Whether there is a target."""
        self.percentile = DEFAULT_PERCENTILE
        self._default_ms = default_latency_ms
        self._keep_up = keep_up
        self.period_ms = math.nan
        """Mean time between received frames [ms]; NaN: not known."""
        self._heard_ms: float | None = None

    def forget(self) -> None:
        """Forget decisions; what was heard since the last one stays."""
        self.last, self.until_s, self.percentile = None, -math.inf, DEFAULT_PERCENTILE
        self._settle()

    def take(self, decision: SubnetDecision, now_s: float) -> None:
        """Follow a decision from now on, its numbers checked (`check_numbers`)."""
        self.last, self.until_s = decision, now_s + decision.validity_ms / 1e3
        self.percentile = decision.percentile
        self._heard_ms = None
        self._settle()

    def hear(self, latency_ms: float, percentile: float) -> bool:
        """A target that the next decision will take up, NaN: none. Returns False where it is impossible."""
        if not ((math.isnan(latency_ms) or 0.0 < latency_ms < math.inf) and 0.0 < percentile < 1.0):
            return False
        self._heard_ms, self.percentile = latency_ms, max(percentile, self.percentile)
        self._settle()
        return True

    def set_period(self, period_ms: float) -> None:
        """Mean time between received frames [ms]; NaN or <= 0: not known."""
        self.period_ms = period_ms if 0.0 < period_ms < math.inf else math.nan

    def limit_ms(self, now_s: float) -> float:
        """What a frame may take [ms]: the target; without one, while a decision is valid any time.

        Without either the share `keep_up` of the period, 0 while that is not known.
        """
        if self.aims:
            return self.latency_ms
        if now_s <= self.until_s:
            return math.inf
        return self._keep_up * self.period_ms if self.period_ms > 0.0 else 0.0

    def _settle(self) -> None:
        decided_ms = self.last.target_latency_ms if self.last else self._default_ms
        self.latency_ms = decided_ms if self._heard_ms is None else self._heard_ms
        self.aims = not math.isnan(self.latency_ms)


def check_numbers(decision: SubnetDecision) -> None:
    """Raises RefusedMessage: no valid lease, percentile or target."""
    if not 0.0 < decision.validity_ms < math.inf:
        raise RefusedMessage(f"subnet_decision refused: validity_ms = {decision.validity_ms} must be > 0 ms")
    if not 0.0 < decision.percentile < 1.0:
        raise RefusedMessage(f"subnet_decision refused: percentile = {decision.percentile} must be 0..1")
    if decision.target_latency_ms <= 0.0:
        value = decision.target_latency_ms
        raise RefusedMessage(f"subnet_decision refused: target_latency_ms = {value} must be > 0 ms or NaN")
