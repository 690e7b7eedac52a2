"""One sub-network on one placement, as profiled on this machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dynofa_ros.errors import RefusedMessage

PointKey = tuple[str, str]
"""Sub-network and placement: what names an operating point."""


@dataclass(frozen=True)
class OperatingPoint:
    """Plain form of `msg/OperatingPoint`, same fields and units; NaN: not known.

    Latency against clock, with s = clocked_fraction and f_ref = reference_mhz:

        L(f) = latency_ms * (s * f_ref / f + 1 - s)
    """

    subnet: str
    placement: str = ""
    element: str = "cpu"
    backend: str = ""
    precision: str = ""
    threads: int = 0
    resolution: int = 0
    macs: float = math.nan
    accuracy: float = math.nan
    accuracy_source: str = "none"
    latency_ms: float = math.nan
    latency_p95_ms: float = math.nan
    clock_domain: str = ""
    clocked_fraction: float = 0.0
    reference_mhz: float = math.nan
    energy_mj: float = math.nan

    @property
    def key(self) -> PointKey:
        """Sub-network and placement: what a decision names."""
        return (self.subnet, self.placement)

    def stretch(self, f_mhz: float, full_mhz: float = math.nan) -> float:
        """Factor on `latency_ms` at clock `f_mhz`; 1.0 where a clock is not known.

        `full_mhz` stands in for an unknown reference clock (profiled at full clock).
        """
        reference_mhz = self.reference_mhz if _positive(self.reference_mhz) else full_mhz
        if not (_positive(f_mhz) and _positive(reference_mhz)):
            return 1.0
        s = self.clocked_fraction
        return s * reference_mhz / f_mhz + 1.0 - s

    def validated(self) -> OperatingPoint:
        """Return self. Raises RefusedMessage naming the field where the point contradicts itself."""
        self._require(bool(self.subnet), "subnet", self.subnet, "must not be empty")
        self._require(bool(self.element), "element", self.element, "must not be empty")
        self._require(_positive(self.latency_ms), "latency_ms", self.latency_ms, "must be > 0 ms")
        self._require(
            math.isnan(self.accuracy) or 0.0 <= self.accuracy <= 1.0,
            "accuracy",
            self.accuracy,
            "must be 0..1 or NaN",
        )
        self._require(
            0.0 <= self.clocked_fraction <= 1.0, "clocked_fraction", self.clocked_fraction, "must be 0..1"
        )
        for field in ("latency_p95_ms", "reference_mhz", "energy_mj", "macs"):
            value = getattr(self, field)
            self._require(math.isnan(value) or 0.0 <= value < math.inf, field, value, "must be >= 0 or NaN")
        return self

    def _require(self, condition: bool, field: str, value: object, rule: str) -> None:
        if not condition:
            raise RefusedMessage(f"operating point {self.subnet!r} refused: {field} = {value!r} {rule}")


def named(points: Sequence[OperatingPoint], subnet: str, placement: str) -> OperatingPoint | None:
    """The point that is meant: with placement "" the fastest of that sub-network; None: not there."""
    fitting = [p for p in points if p.subnet == subnet and placement in ("", p.placement)]
    return min(fitting, key=lambda point: point.latency_ms, default=None)


def label(point: OperatingPoint, points: Sequence[OperatingPoint]) -> str:
    """The name for people: with the placement where `points` has the sub-network on several."""
    several = sum(other.subnet == point.subnet for other in points) > 1
    return f"{point.subnet} ({point.placement})" if several else point.subnet


def pareto_front(points: list[OperatingPoint]) -> list[OperatingPoint]:
    """Points that no other beats in both latency and merit, by rising latency.

    Merit is the accuracy; multiply-adds where any accuracy is unknown (never mixed).
    """
    by_accuracy = all(not math.isnan(point.accuracy) for point in points)
    front: list[OperatingPoint] = []
    best = -math.inf
    for point in sorted(points, key=lambda p: (p.latency_ms, -_merit(p, by_accuracy))):
        merit = _merit(point, by_accuracy)
        if merit > best:
            front.append(point)
            best = merit
    return front


def _merit(point: OperatingPoint, by_accuracy: bool) -> float:
    if by_accuracy:
        return point.accuracy
    return point.macs if _positive(point.macs) else point.latency_ms


def _positive(value: float) -> bool:
    return 0.0 < value < math.inf
