"""Operating points: what a family says of its sub-networks, and a profile of their placements."""

from __future__ import annotations

import math
from dataclasses import replace

from dynofa_ros.engine.placement import Placement
from dynofa_ros.engine.profile import PointTiming, Profile
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.supernet.family import Family, FamilyMember


def operating_points(
    family: Family,
    profile: Profile,
    clock_domain: str = "",
    clocked_fraction: float = 0.0,
    reference_mhz: float = math.nan,
    real_clocks: bool = True,
    emulated_clocks: bool = False,
) -> list[OperatingPoint]:
    """One operating point per profiled sub-network and placement, by rising latency.

    What was swept over clocks carries the law fitted to that, if clocks of that kind, real or emulated, may
    be those of the board. Of the rest an assumption holds: `clock_domain`, that of the element cpu, scales
    `clocked_fraction` of each latency from `reference_mhz` [MHz]. The accuracy is that of the placement's
    precision; none with random weights.
    """
    points = []
    for (name, where), timing in profile.points.items():
        if name in family.names:
            point = _point(family.member(name), Placement.parse(where), timing)
            sweep = timing.sweep
            if sweep is not None and (emulated_clocks if sweep.emulated else real_clocks):
                point = sweep.on(point)
            elif point.element == "cpu":
                point = _assumed(point, clock_domain, clocked_fraction, reference_mhz)
            points.append(point)
    return sorted(points, key=lambda point: point.latency_ms)


def _point(member: FamilyMember, placement: Placement, timing: PointTiming) -> OperatingPoint:
    accuracy = member.accuracy_at(placement.precision)
    return OperatingPoint(
        subnet=member.spec.name,
        placement=str(placement),
        element=placement.element,
        backend=placement.backend,
        precision=placement.precision,
        threads=placement.threads,
        resolution=member.spec.resolution,
        macs=float(member.macs),
        accuracy=math.nan if accuracy is None else accuracy.value,
        accuracy_source="none" if accuracy is None else accuracy.source,
        latency_ms=timing.latency_ms,
        latency_p95_ms=timing.latency_p95_ms,
        energy_mj=timing.energy_mj,
    )


def _assumed(point: OperatingPoint, domain: str, fraction: float, reference_mhz: float) -> OperatingPoint:
    return replace(point, clock_domain=domain, clocked_fraction=fraction, reference_mhz=reference_mhz)
