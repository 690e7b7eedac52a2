"""Which placements are used: those named, or the fastest back end for each precision and element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from dynofa_ros.engine.backends import available_placements
from dynofa_ros.engine.bank import LoadOptions, Log, SubnetBank
from dynofa_ros.engine.placement import AUTO, Placement, matching
from dynofa_ros.engine.profile import PointTiming, Profile
from dynofa_ros.engine.profiler import ProfilerOptions, profile_points
from dynofa_ros.errors import DynofaError
from dynofa_ros.manager.operating_point import PointKey
from dynofa_ros.supernet.family import Family

BACKENDS = ("openvino", "native", "onnxruntime", "torch")
REFERENCE = "torch"
"""Takes seconds and hundreds of megabytes to import: only where it is named or was profiled."""
PROBE_ROUNDS = 15
Timings = Mapping[PointKey, PointTiming]


def choose_placements(
    family: Family, wanted: str, threads: int, profile: Profile | None, options: LoadOptions, log: Log
) -> tuple[list[Placement], Profile | None]:
    """Placements for the parameter `wanted`, and what was measured to choose them (None: nothing).

    "auto" takes, for each element and precision, the back end that is fastest with `threads` threads: by the
    profile where it has them all, else by a probe of the middle sub-network. Otherwise `wanted` is a list of
    patterns, see `matching`; any number of threads may be named.

    Raises:
        DynofaError: a pattern matches nothing that runs here, or nothing runs at all.
    """
    if wanted.strip() != AUTO:
        return matching(_runnable(wanted, threads), wanted), None
    known: Timings = {} if profile is None else profile.points
    groups = _groups(family, _runnable(_auto_patterns(known), threads))
    unclear = [p for group in groups if len(group) > 1 and not _common(group, known) for p in group]
    probe = _probe(family, unclear, options, log) if unclear else None
    timings = known if probe is None else {**known, **probe.points}
    return [_fastest(group, timings) for group in groups], probe


def _auto_patterns(known: Timings) -> str:
    """All back ends; the reference only where it was profiled."""
    profiled = any(Placement.parse(where).backend == REFERENCE for _, where in known)
    names = [name for name in BACKENDS if name != REFERENCE or profiled]
    return ", ".join(f"*/{name}/*" for name in names)


def _runnable(patterns: str, threads: int) -> list[Placement]:
    """What runs here of the back ends in `patterns`, with each number of threads named and `threads`."""
    parts = [item.strip().split("/") for item in patterns.split(",") if item.strip()]
    named = {item[1] if len(item) > 1 else "*" for item in parts}
    wanted = [name for name in BACKENDS if any(_names(pattern, name) for pattern in named)]
    counts = sorted({threads, *(int(item[3]) for item in parts if len(item) == 4 and item[3].isdigit())})
    found = [placement for count in counts for placement in available_placements(count, wanted)[0]]
    return list(dict.fromkeys(found))


def _names(pattern: str, backend: str) -> bool:
    return pattern == backend or (backend != REFERENCE and fnmatchcase(backend, pattern))


def _groups(family: Family, placements: Sequence[Placement]) -> list[list[Placement]]:
    """Placements by element and precision, of the precisions that any member offers."""
    groups: dict[tuple[str, str], list[Placement]] = {}
    for placement in placements:
        if any(family.offers(name, placement.precision) for name in family.names):
            groups.setdefault((placement.element, placement.precision), []).append(placement)
    if not groups:
        raise DynofaError("placements: no back end runs here; install one: pip install openvino")
    return list(groups.values())


def _common(group: Sequence[Placement], timings: Timings) -> list[str]:
    """Sub-networks that were timed on every placement of the group."""
    return [
        name
        for name in dict.fromkeys(name for name, _ in timings)
        if all((name, str(placement)) in timings for placement in group)
    ]


def _fastest(group: Sequence[Placement], timings: Timings) -> Placement:
    """The placement of the least geometric mean over the sub-networks that all of the group were timed with.

    One that did not run in the probe is out; without any timing the first stays.
    """
    tried = [p for p in group if any(where == str(p) for _, where in timings)]
    common = _common(tried, timings)
    if not common or not tried:
        return group[0]

    def cost(placement: Placement) -> float:
        return float(np.mean([np.log(timings[(name, str(placement))].latency_ms) for name in common]))

    return min(tried, key=cost)


def _probe(family: Family, placements: Sequence[Placement], options: LoadOptions, log: Log) -> Profile:
    """Time the middle sub-network on `placements`, in interleaved rounds."""
    log(f"choosing back ends: timing a sub-network on {', '.join(map(str, placements))}")
    middle = family.names[len(family.names) // 2]
    bank = SubnetBank.load(family, placements, replace(options, members=(middle,)), log)
    return profile_points(bank, bank.keys, ProfilerOptions(rounds=PROBE_ROUNDS))
