"""Which operating points of a family could be resident, and why the others could not."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from dynofa_ros.engine.memory import estimated_bytes
from dynofa_ros.engine.placement import Placement
from dynofa_ros.engine.residency import Candidate
from dynofa_ros.manager.operating_point import PointKey
from dynofa_ros.supernet.family import Family, FamilyMember


def candidates(
    family: Family,
    placements: Iterable[Placement],
    latencies_ms: Mapping[PointKey, float],
    members: Collection[str] | None = None,
) -> tuple[list[Candidate], dict[PointKey, str]]:
    """Every sub-network of `members` (None: all) on every placement, and those that are not offered.

    A precision is only offered where its accuracy was measured, or with random weights.
    """
    found: list[Candidate] = []
    refused: dict[PointKey, str] = {}
    for placement in placements:
        for member in family.members:
            name, key = member.spec.name, (member.spec.name, str(placement))
            if members is not None and name not in members:
                continue
            if family.offers(name, placement.precision):
                found.append(_candidate(family, member, placement, latencies_ms.get(key, math.nan)))
            else:
                refused[key] = _not_offered(placement.precision)
    return found, refused


def _not_offered(precision: str) -> str:
    return f"its accuracy at {precision} was not measured, or is too far below that at fp32"


def _candidate(family: Family, member: FamilyMember, placement: Placement, latency_ms: float) -> Candidate:
    accuracy = member.accuracy_at(placement.precision)
    return Candidate(
        subnet=member.spec.name,
        placement=str(placement),
        element=placement.element,
        macs=float(member.macs),
        accuracy=math.nan if accuracy is None else accuracy.value,
        latency_ms=latency_ms,
        estimated_bytes=estimated_bytes(family.space, member.spec, placement.precision),
    )
