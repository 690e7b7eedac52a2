"""How long inference really takes on a simulated board, and the operating points that a robot would profile.

The simulated truth, apart from the manager's estimates:

    T = xi * max(k / f + x_m * b, x_m * m)            k, b, m of the operating point, per memory clock
    x_m = 1 / (1 - c * B / (w * f_mem))               B: bandwidth that others use, w: bytes per memory cycle

xi is the slow-down by a co-runner on the same element. A hog of 19.7 GB/s stretched only what does not scale
with the clock, by 1.37 (MobileNetV2, 4.70 to 5.3 ms) and 1.33 (memory-bound, 6.55 to 8.72 ms): c = 0.9.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dynofa_ros.board.networks import NetworkTable
from dynofa_ros.board.spec import BoardSpec, DomainSpec
from dynofa_ros.manager.operating_point import OperatingPoint, PointKey

if TYPE_CHECKING:
    from dynofa_ros.supernet.family import Family, FamilyMember

TAIL = 1.014
"""p95 / p50 of a profile: the sweep's p99 / p50 is about 1.02."""
FULLEST = 0.95
"""Others never take more than this share of the memory's bandwidth."""
NEAR = 1.005
"""665 MHz of a table is the 665.6 MHz of the domain."""


@dataclass(frozen=True)
class _Row:
    """k / f_ref, b and m [ms] of one memory clock."""

    clocked_ms: float
    fixed_ms: float
    floor_ms: float


class LatencyLaw:
    """The equation above. Slow-downs and bandwidth [GB/s] belong to the moment; clocks in MHz by domain."""

    def __init__(self, spec: BoardSpec) -> None:
        self._memory = spec.memory
        self._rows: dict[tuple[PointKey, float], _Row] = {}

    def time_ms(
        self,
        point: OperatingPoint,
        clocks: Mapping[str, float],
        slowdown: float = 1.0,
        bandwidth_gbps: float = 0.0,
    ) -> float:
        """Inference time [ms]."""
        return self.parts(point, clocks, slowdown, bandwidth_gbps)[0]

    def clocked_share(
        self,
        point: OperatingPoint,
        clocks: Mapping[str, float],
        slowdown: float = 1.0,
        bandwidth_gbps: float = 0.0,
    ) -> float:
        """Share of the time that scales with the clock, 0..1: `gpu_part` of the board's `occupy`."""
        return self.parts(point, clocks, slowdown, bandwidth_gbps)[1]

    def parts(
        self,
        point: OperatingPoint,
        clocks: Mapping[str, float],
        slowdown: float = 1.0,
        bandwidth_gbps: float = 0.0,
    ) -> tuple[float, float]:
        """Inference time [ms] and the clocked share of it in one go."""
        memory_mhz = clocks.get(self._memory.domain, math.nan) if self._memory else math.nan
        row = self._row(point, memory_mhz)
        stretch = self.memory_stretch(memory_mhz, bandwidth_gbps) if bandwidth_gbps > 0.0 else 1.0
        f_mhz = clocks.get(point.clock_domain, math.nan)
        clocked_ms = row.clocked_ms * point.reference_mhz / f_mhz if f_mhz > 0.0 else row.clocked_ms
        time_ms = max(clocked_ms + row.fixed_ms * stretch, row.floor_ms * stretch)
        return slowdown * time_ms, clocked_ms / time_ms

    def memory_stretch(self, memory_mhz: float, bandwidth_gbps: float) -> float:
        """x_m of the equation above; 1 where the memory clock is not known."""
        if self._memory is None or not memory_mhz > 0.0:
            return 1.0
        full_gbps = self._memory.bytes_per_cycle * memory_mhz / 1e3
        return 1.0 / (1.0 - self._memory.contention * min(bandwidth_gbps / full_gbps, FULLEST))

    def _row(self, point: OperatingPoint, memory_mhz: float) -> _Row:
        key = (point.key, memory_mhz)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _row_of(point, memory_mhz)
        return row


def _row_of(point: OperatingPoint, memory_mhz: float) -> _Row:
    if not point.memory_mhz:
        clocked_ms = point.latency_ms * point.clocked_fraction
        return _Row(clocked_ms, point.latency_ms - clocked_ms, 0.0)
    j = len(point.memory_mhz) - 1
    if memory_mhz > 0.0:
        j = max(bisect_right(point.memory_mhz, memory_mhz * NEAR) - 1, 0)
    return _Row(point.clocked_ms[j], point.fixed_ms[j], point.floor_ms[j])


def operating_points(spec: BoardSpec, family: Family) -> tuple[OperatingPoint, ...]:
    """What a profile of `family` on this board would say: every sub-network on every placement.

    Times scale from the networks of the board file by multiply-adds: k_s = k * MACs_s / MACs, b as it is (or
    scaled too, where the file says so). All of them are extrapolated: none was measured with these networks.
    Where the accuracy with a placement's precision is not known, that with fp32 stands in for it.
    """
    tables = [table for table in spec.networks if table.families]
    return tuple(_scaled(spec, table, member) for member in family.members for table in tables)


def network_points(spec: BoardSpec) -> tuple[OperatingPoint, ...]:
    """The networks of the board file themselves, for validation."""
    return tuple(_point(spec, table, 1.0) for table in spec.networks)


def _scaled(spec: BoardSpec, table: NetworkTable, member: FamilyMember) -> OperatingPoint:
    accuracy = member.accuracy_at(table.precision) or member.accuracy
    return replace(
        _point(spec, table, member.macs / table.macs),
        subnet=member.spec.name,
        resolution=member.spec.resolution,
        macs=float(member.macs),
        accuracy=math.nan if accuracy is None else accuracy.value,
        accuracy_source="none" if accuracy is None else accuracy.source,
    )


def _point(spec: BoardSpec, table: NetworkTable, ratio: float) -> OperatingPoint:
    """The table's network, or one with `ratio` times its multiply-adds; reference: all clocks full."""
    domain = _domain_of(spec, table.element)
    full_ghz = domain.available_mhz[-1] / 1e3
    clocked_ms = tuple(k * ratio / full_ghz for k in table.k_ms_ghz)
    fixed_ms = tuple(b * (ratio if table.b_scales else 1.0) for b in table.b_ms)
    floor_ms = tuple(m * ratio for m in table.floor_ms)
    latency_ms = max(clocked_ms[-1] + fixed_ms[-1], floor_ms[-1])
    by_memory = bool(table.memory_mhz) and spec.memory is not None
    return OperatingPoint(
        subnet=table.name,
        placement=table.placement,
        element=table.element,
        backend=table.backend,
        precision=table.precision,
        threads=table.threads if spec_cores(spec, table.element) else 0,
        macs=table.macs * ratio,
        latency_ms=latency_ms,
        latency_p95_ms=latency_ms * TAIL,
        clock_domain=domain.name,
        clocked_fraction=clocked_ms[-1] / (clocked_ms[-1] + fixed_ms[-1]),
        reference_mhz=domain.available_mhz[-1],
        memory_domain=spec.memory.domain if by_memory and spec.memory else "",
        memory_mhz=table.memory_mhz if by_memory else (),
        clocked_ms=clocked_ms if by_memory else (),
        fixed_ms=fixed_ms if by_memory else (),
        floor_ms=floor_ms if by_memory else (),
    )


def spec_cores(spec: BoardSpec, element: str) -> int:
    """CPU cores of an element; 0 where it has none."""
    return next(e.cores for e in spec.power.elements if e.element == element)


def _domain_of(spec: BoardSpec, element: str) -> DomainSpec:
    name = next(e.domain for e in spec.power.elements if e.element == element)
    return next(domain for domain in spec.domains if domain.name == name)
