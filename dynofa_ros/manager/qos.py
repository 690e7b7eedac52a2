"""What an application must deliver: the plain form of `QosTarget`, and its validation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

from dynofa_ros.errors import RefusedMessage

DEFAULT_PERCENTILE = 0.95
LONGEST_LATENCY_MS = 3_600_000.0
LARGEST_POWER_W = 10_000.0


class Objective(IntEnum):
    """What to optimise once every constraint holds."""

    MAX_ACCURACY = 0
    MIN_ENERGY = 1


@dataclass(frozen=True)
class QosTarget:
    """Target of one application; same fields and NaN rules as `msg/QosTarget`.

    `latency_ms` NaN (no target) occurs only in status reports; `validated` refuses it.
    """

    application: str
    latency_ms: float
    percentile: float = DEFAULT_PERCENTILE
    min_accuracy: float = math.nan
    max_power_w: float = math.nan
    objective: int = Objective.MAX_ACCURACY
    priority: int = 0
    lifetime_s: float = math.inf

    def validated(self) -> QosTarget:
        """Return the target with defaults filled in (percentile 0.95, lifetime infinite, no power budget).

        A field that a message leaves at 0 means its default. NaN is `math.nan` itself afterwards, so that
        equal targets compare equal.

        Raises:
            RefusedMessage: names the field, its value and what is allowed.

        """
        percentile = DEFAULT_PERCENTILE if _unset(self.percentile) else self.percentile
        lifetime_s = math.inf if _unset(self.lifetime_s) else self.lifetime_s
        max_power_w = math.nan if _unset(self.max_power_w) else self.max_power_w
        name = self.application
        _require(bool(name.strip()), name, "application", name, "must name an application")
        _require(
            _within(self.latency_ms, LONGEST_LATENCY_MS),
            name,
            "latency_ms",
            self.latency_ms,
            f"must be > 0 and <= {LONGEST_LATENCY_MS:g} ms",
        )
        _require(
            0.0 < percentile < 1.0, name, "percentile", percentile, "must lie between 0 and 1, e.g. 0.95"
        )
        _require(
            math.isnan(self.min_accuracy) or 0.0 <= self.min_accuracy <= 1.0,
            name, "min_accuracy", self.min_accuracy, "must be a fraction 0..1, or NaN for none",
        )  # fmt: skip
        _require(
            math.isnan(max_power_w) or _within(max_power_w, LARGEST_POWER_W),
            name, "max_power_w", max_power_w, f"must be > 0 and <= {LARGEST_POWER_W:g} W, or 0 or NaN: none",
        )  # fmt: skip
        known = [int(objective) for objective in Objective]
        _require(
            self.objective in known,
            name,
            "objective",
            self.objective,
            "must be 0 (MAX_ACCURACY) or 1 (MIN_ENERGY)",
        )
        _require(0 <= self.priority <= 255, name, "priority", self.priority, "must be 0..255")
        _require(lifetime_s > 0.0, name, "lifetime_s", lifetime_s, "must be > 0 s, or 0 for until replaced")
        return replace(
            self,
            percentile=percentile,
            min_accuracy=math.nan if math.isnan(self.min_accuracy) else self.min_accuracy,
            lifetime_s=lifetime_s,
            max_power_w=max_power_w,
            objective=Objective(self.objective),
        )


def _unset(value: float) -> bool:
    return math.isnan(value) or value == 0.0


def _within(value: float, largest: float) -> bool:
    return 0.0 < value <= largest


def _require(condition: bool, application: str, field: str, value: object, rule: str) -> None:
    if not condition:
        raise RefusedMessage(f"qos_target of {application!r} refused: {field} = {value!r} {rule}")
