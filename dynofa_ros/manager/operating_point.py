"""One sub-network on one placement, as profiled on this machine."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.lazy import lazy

FloatArray = npt.NDArray[np.float64]
PointKey = tuple[str, str]
"""Sub-network and placement: what names an operating point."""
SHORTEST_MS, LONGEST_MS = 1e-3, 3_600_000.0
"""Times outside are no inference times."""
LOWEST_MHZ, HIGHEST_MHZ = 1.0, 1e5
"""Clocks outside are no clocks."""
MOST_MACS, MOST_MJ = 1e18, 1e9
"""Multiply-adds and energy of one inference above are absurd."""
ABOVE = 1.005
"""A memory clock up to this factor below a table's entry still is that entry (665 and 665.6 MHz)."""
AGREEMENT = 0.2
"""Share by which `latency_ms` may lie outside what a memory table says at the reference clock."""


@dataclass(frozen=True)
class OperatingPoint:
    """Plain form of `msg/OperatingPoint`, same fields and units; NaN: not known.

    Inference time against clocks, r = f_ref / f with f_ref = reference_mhz:

        L(f)        = latency_ms * (s * r + 1 - s)                   s = clocked_fraction; no memory table
        L(f, f_mem) = max(clocked_ms[j] * r + fixed_ms[j], floor_ms[j])    memory_mhz[j] <= f_mem, the highest

    A clock that is not known counts as the reference, a memory clock as the highest of the table.
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
    memory_domain: str = ""
    memory_mhz: tuple[float, ...] = ()
    clocked_ms: tuple[float, ...] = ()
    fixed_ms: tuple[float, ...] = ()
    floor_ms: tuple[float, ...] = ()

    @lazy
    def key(self) -> PointKey:
        """Sub-network and placement: what a decision names."""
        return (self.subnet, self.placement)

    @lazy
    def domains(self) -> tuple[str, ...]:
        """Clock domains that its time depends on."""
        return tuple(name for name in (self.clock_domain, self.memory_domain) if name)

    def time_ms(self, clocks: Mapping[str, float], full_mhz: float = math.nan) -> float:
        """L at `clocks` (domain to MHz); `full_mhz` stands in for a reference clock that is not known."""
        r = self._ratio(clocks, full_mhz)
        if not self.memory_mhz:
            return self.latency_ms * (self.clocked_fraction * r + 1.0 - self.clocked_fraction)
        j = self._row(clocks.get(self.memory_domain, math.nan))
        return max(self.clocked_ms[j] * r + self.fixed_ms[j], self.floor_ms[j])

    def clocked_at(self, clocks: Mapping[str, float], full_mhz: float = math.nan) -> float:
        """The part of `time_ms` that scales with 1/f: latency_ms * s * r, or clocked_ms[j] * r."""
        r = self._ratio(clocks, full_mhz)
        if not self.memory_mhz:
            return self.latency_ms * self.clocked_fraction * r
        return self.clocked_ms[self._row(clocks.get(self.memory_domain, math.nan))] * r

    def _ratio(self, clocks: Mapping[str, float], full_mhz: float) -> float:
        reference_mhz = self.reference_mhz if _positive(self.reference_mhz) else full_mhz
        f_mhz = clocks.get(self.clock_domain, math.nan)
        return reference_mhz / f_mhz if _positive(f_mhz) and _positive(reference_mhz) else 1.0

    def times_ms(self, clocks: Mapping[str, FloatArray | float], full_mhz: float = math.nan) -> FloatArray:
        """`time_ms` for clocks that are numbers or arrays which broadcast; the same equation."""
        r = self._ratios(np.asarray(clocks.get(self.clock_domain, math.nan), dtype=float), full_mhz)
        if not self.memory_mhz:
            return np.asarray(self.latency_ms * (self.clocked_fraction * r + 1.0 - self.clocked_fraction))
        j = self._rows(clocks)
        k, b, m = (np.asarray(values)[j] for values in (self.clocked_ms, self.fixed_ms, self.floor_ms))
        return np.asarray(np.maximum(k * r + b, m))

    def clocked_time_ms(
        self, clocks: Mapping[str, FloatArray | float], full_mhz: float = math.nan
    ) -> FloatArray:
        """`clocked_at` for clocks that are numbers or arrays which broadcast."""
        r = self._ratios(np.asarray(clocks.get(self.clock_domain, math.nan), dtype=float), full_mhz)
        if not self.memory_mhz:
            return np.asarray(self.latency_ms * self.clocked_fraction * r)
        return np.asarray(np.asarray(self.clocked_ms)[self._rows(clocks)] * r)

    def _rows(self, clocks: Mapping[str, FloatArray | float]) -> npt.NDArray[np.intp]:
        memory_mhz = np.asarray(clocks.get(self.memory_domain, math.nan), dtype=float)
        known_mhz = np.where(memory_mhz > 0.0, memory_mhz, math.inf)
        rows = np.searchsorted(self.memory_mhz, known_mhz * ABOVE, side="right") - 1
        return np.clip(rows, 0, len(self.memory_mhz) - 1)

    def _ratios(self, f_mhz: FloatArray, full_mhz: float) -> FloatArray:
        reference_mhz = self.reference_mhz if _positive(self.reference_mhz) else full_mhz
        known = (f_mhz > 0.0) & (f_mhz < math.inf)
        if not _positive(reference_mhz):
            return np.ones_like(f_mhz)
        return np.where(known, reference_mhz / np.where(known, f_mhz, 1.0), 1.0)

    def _row(self, memory_mhz: float) -> int:
        if not _positive(memory_mhz):
            return len(self.memory_mhz) - 1
        return max(bisect_right(self.memory_mhz, memory_mhz * ABOVE) - 1, 0)

    def validated(self) -> OperatingPoint:
        """Return self. Raises RefusedMessage naming the field where the point contradicts itself."""
        self._require(bool(self.subnet), "subnet", self.subnet, "must not be empty")
        self._require(bool(self.element), "element", self.element, "must not be empty")
        where = self.placement.partition("/")[0]
        consistent = "/" not in self.placement or where == self.element
        self._require(consistent, "placement", self.placement, f"does not begin with element {self.element}")
        self._require(
            SHORTEST_MS <= self.latency_ms <= LONGEST_MS,
            "latency_ms",
            self.latency_ms,
            f"must be at least {SHORTEST_MS:g} ms, at most an hour",
        )
        self._require_known("latency_p95_ms", self.latency_ms, LONGEST_MS, "latency_ms")
        self._require(
            math.isnan(self.accuracy) or 0.0 <= self.accuracy <= 1.0,
            "accuracy",
            self.accuracy,
            "must be 0..1 or NaN",
        )
        self._require(
            0.0 <= self.clocked_fraction <= 1.0, "clocked_fraction", self.clocked_fraction, "must be 0..1"
        )
        self._require(0 <= self.threads <= 255, "threads", self.threads, "must be 0..255")
        self._require_known("reference_mhz", LOWEST_MHZ, HIGHEST_MHZ, f"{LOWEST_MHZ:g} MHz")
        self._require_known("energy_mj", 0.0, MOST_MJ, "0 mJ")
        self._require_known("macs", 0.0, MOST_MACS, "0")
        self._check_memory_table()
        return self

    def _require_known(self, field: str, least: float, most: float, at_least: str) -> None:
        """A figure that may be absent: NaN, or 0 as a message leaves it."""
        value: float = getattr(self, field)
        known = not math.isnan(value) and value != 0.0
        rule = f"must be at least {at_least}, at most {most:g}, or NaN where it is not known"
        self._require(not known or least <= value <= most, field, value, rule)

    def _check_memory_table(self) -> None:
        names = ("clocked_ms", "fixed_ms", "floor_ms")
        rows = len(self.memory_mhz)
        for name in names:
            values = getattr(self, name)
            self._require(len(values) == rows, name, values, f"must have {rows} values, one per memory clock")
            fitting = all(0.0 <= value <= LONGEST_MS for value in values)
            self._require(fitting, name, values, "must be >= 0 ms")
        if not rows:
            return
        clocks = all(LOWEST_MHZ <= mhz <= HIGHEST_MHZ for mhz in self.memory_mhz)
        rising = clocks and all(a < b for a, b in itertools.pairwise(self.memory_mhz))
        rule = f"must rise, all within {LOWEST_MHZ:g} and {HIGHEST_MHZ:g} MHz"
        self._require(rising, "memory_mhz", self.memory_mhz, rule)
        self._require(bool(self.memory_domain), "memory_domain", "", "must name the domain of memory_mhz")
        known = not self.clock_domain or _positive(self.reference_mhz)
        self._require(known, "reference_mhz", self.reference_mhz, "must be known beside a memory table")
        reached = [self.time_ms({self.memory_domain: mhz}) for mhz in self.memory_mhz]
        rule = f"lead to an inference time of {min(reached):g} ms"
        self._require(min(reached) >= SHORTEST_MS, "clocked_ms", self.clocked_ms, rule)
        agrees = min(reached) * (1.0 - AGREEMENT) <= self.latency_ms <= max(reached) * (1.0 + AGREEMENT)
        rule = f"contradicts the memory table, which says {min(reached):.4g} to {max(reached):.4g} ms"
        self._require(agrees, "latency_ms", self.latency_ms, rule)

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
