"""What has to be reached beside the Viterbi oracle, scenario by scenario."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynofa_ros.simulation.compare.check import Check, judged, least_of, mean_of, most_of, no_runs
from dynofa_ros.simulation.compare.figures import (
    BOUND,
    ORACLE,
    OURS,
    Group,
    Measure,
    accuracy,
    advantage,
    energy_j,
    excess_below_floor,
    excess_misses,
)
from dynofa_ros.simulation.merit import Merit, beats

ENERGY_GAP_MEAN, ENERGY_GAP_WORST = 0.10, 0.20
ACCURACY_GAP = 0.01
SHARE_OF_ADVANTAGE = 0.8


def energy_gap(groups: Sequence[Group]) -> Check:
    """Energy above idle against the oracle's where energy is the objective."""
    requirement = "gap to the oracle, min_energy: energy above idle at most 10 % on average, 20 % at worst"
    gaps = {g.scenario: g.ratio(OURS, ORACLE, energy_j).mean for g in groups if g.saves_energy}
    known = {name: gap for name, gap in gaps.items() if not math.isnan(gap)}
    if not known:
        return no_runs(requirement)
    mean, worst = mean_of(known), most_of(known)
    value = f"mean {100 * mean:.1f} %, worst {100 * known[worst]:.1f} % ({worst})"
    met = mean <= ENERGY_GAP_MEAN and known[worst] <= ENERGY_GAP_WORST
    return Check(requirement, value, met, tuple(n for n, gap in known.items() if gap > ENERGY_GAP_WORST))


def accuracy_gap(groups: Sequence[Group]) -> Check:
    """On-time accuracy against the oracle's where somebody wants accuracy."""
    requirement = "gap to the oracle, max_accuracy and mixed: on-time accuracy within 1 point"
    gaps = {g.scenario: -g.difference(OURS, ORACLE, accuracy).mean for g in groups if not g.saves_energy}
    if not gaps:
        return no_runs(requirement)
    worst = most_of(gaps)
    value = f"mean {100 * mean_of(gaps):.2f} points, worst {100 * gaps[worst]:.2f} ({worst})"
    return judged(requirement, value, [name for name, gap in gaps.items() if gap > ACCURACY_GAP])


def misses(groups: Sequence[Group]) -> Check:
    """Misses beyond the percentile, where the oracle has none."""
    requirement = "misses at or below what the percentiles allow wherever the oracle manages that"
    return _none_in_excess(groups, requirement, excess_misses)


def floors(groups: Sequence[Group]) -> Check:
    """Frames on time below their floor beyond the percentile, where the oracle has none."""
    requirement = (
        "frames below their accuracy floor at or below what the percentiles allow wherever the oracle "
        "manages that"
    )
    return _none_in_excess(groups, requirement, excess_below_floor)


def _none_in_excess(groups: Sequence[Group], requirement: str, excess: Measure) -> Check:
    possible = [g for g in groups if g.mean(ORACLE, excess).mean == 0.0]
    if not possible:
        return no_runs(requirement)
    failed = [g.scenario for g in possible if g.mean(OURS, excess).mean > 0.0]
    return judged(requirement, f"{len(possible) - len(failed)} of {len(possible)} scenarios", failed)


def share_of_advantage(groups: Sequence[Group]) -> Check:
    """What ours gains over linux as a share of what the oracle gains."""
    requirement = "at least 80 % of the oracle's advantage over linux (where that is 2 % or more)"
    shares = {g.scenario: s for g in groups if (s := advantage(g).share) is not None}
    if not shares:
        return no_runs(requirement)
    worst = least_of(shares)
    value = f"mean {100 * mean_of(shares):.0f} %, worst {100 * shares[worst]:.0f} % ({worst})"
    return judged(requirement, value, [name for name, share in shares.items() if share < SHARE_OF_ADVANTAGE])


def unbeaten(groups: Sequence[Group]) -> Check:
    """No run of any policy is worth more than the oracle's of the same world."""
    requirement = "no policy beats the oracle in any run"
    if not groups:
        return no_runs(requirement)
    runs = [(group, policy) for group in groups for policy in group.policies if policy not in (ORACLE, BOUND)]
    beaten = [
        f"{group.scenario} by {policy}"
        for group, policy in runs
        for run, best in group.pairs(policy, ORACLE)
        if beats(Merit(**run["merit"]), Merit(**best["merit"]), best["scores"]["idle_energy_j"])
    ]
    count = sum(len(group.pairs(policy, ORACLE)) for group, policy in runs)
    return judged(requirement, f"{count - len(beaten)} of {count} runs", tuple(dict.fromkeys(beaten)))
