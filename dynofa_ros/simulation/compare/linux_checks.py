"""What has to be reached against the kernel's governors with a fixed sub-network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dynofa_ros.simulation.compare.check import Check, judged, mean_of, most_of, no_runs
from dynofa_ros.simulation.compare.figures import (
    LINUX,
    OURS,
    Group,
    dominated,
    energy_j,
    excess_misses,
    on_time_accuracy,
    p95,
)

ENERGY_AIMS = {1: 0.25, 2: 0.50}
LATENCY_AIMS = {1: 0.15, 2: 0.25}


def not_dominated(groups: Sequence[Group]) -> Check:
    """Worse in one of three figures only where better in another."""
    requirement = "against linux: never worse in misses, on-time accuracy and energy above idle together"
    if not groups:
        return no_runs(requirement)
    failed = [g.scenario for g in groups if dominated(g, LINUX)]
    return judged(requirement, f"{len(groups) - len(failed)} of {len(groups)} scenarios", failed)


def energy_saving(group: Group) -> float:
    """Share of linux's energy above idle that ours saves at no lower on-time accuracy; NaN: lower."""
    if group.difference(OURS, LINUX, on_time_accuracy).sign < 0:
        return math.nan
    return -group.ratio(OURS, LINUX, energy_j).mean


def allowed_saving(group: Group) -> float:
    """Share of linux's energy above idle that ours saves; NaN where one misses more than it may."""
    if any(group.mean(policy, excess_misses).mean > 0.0 for policy in (OURS, LINUX)):
        return math.nan
    return -group.ratio(OURS, LINUX, energy_j).mean


def latency_saving(group: Group) -> float:
    """Share of linux's p95 latency that ours saves.

    NaN where linux does not give 95 % of its results in every run, -inf where only ours does not.
    """
    pairs = [(p95(ours), p95(linux)) for ours, linux in group.pairs(OURS, LINUX)]
    if not all(math.isfinite(linux) for _, linux in pairs):
        return math.nan
    return math.fsum(1.0 - ours / linux for ours, linux in pairs) / len(pairs)


def aims(groups: Sequence[Group]) -> Iterator[Check]:
    """Energy and latency saved, with one application and with several."""
    for count, aim in ENERGY_AIMS.items():
        chosen = of_kind(groups, True, count)
        what = f"less energy above idle than linux at no lower on-time accuracy, {_applications(count)}"
        savings = {g.scenario: energy_saving(g) for g in chosen}
        yield _aim(f"aim: {100 * aim:.0f} % {what}", savings, aim, "lower on-time accuracy")
    for count, aim in LATENCY_AIMS.items():
        chosen = of_kind(groups, False, count)
        what = f"lower p95 latency than linux where accuracy is the objective, {_applications(count)}"
        savings = {g.scenario: latency_saving(g) for g in chosen}
        yield _aim(f"aim: {100 * aim:.0f} % {what}", savings, aim, "linux drops more than 5 %")


def of_kind(groups: Sequence[Group], saves_energy: bool, applications: int) -> list[Group]:
    """Those with that objective and one application, or two and more."""
    return [g for g in groups if g.saves_energy == saves_energy and min(g.applications, 2) == applications]


def _applications(count: int) -> str:
    return "one application" if count == 1 else "two applications or more"


def _aim(requirement: str, savings: Mapping[str, float], aim: float, why_left_out: str) -> Check:
    known = {name: saving for name, saving in savings.items() if not math.isnan(saving)}
    if not known:
        return replace(no_runs(requirement), aim=True)
    best = most_of(known)
    value = f"mean {100 * mean_of(known):.0f} %, best {100 * known[best]:.0f} % ({best})"
    if len(known) < len(savings):
        value += f"; left out, {why_left_out}: {len(savings) - len(known)} of {len(savings)}"
    failed = tuple(name for name, saving in known.items() if saving < aim)
    return Check(requirement, value, mean_of(known) >= aim, failed, aim=True)
