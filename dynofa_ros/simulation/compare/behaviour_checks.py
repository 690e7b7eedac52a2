"""What single runs have to show: recovery, calm, speed; and that scenarios tell policies apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dynofa_ros.simulation.compare.check import Check, judged, least_of, no_runs
from dynofa_ros.simulation.compare.figures import (
    LINUX,
    ORACLE,
    OURS,
    Group,
    decision_us,
    real_time_factor,
    tells_apart,
)

STEADY = "steady"
HOUR_S = 3600.0
RECOVERY_FRAMES = 2
DECISION_US = 2000.0
REAL_TIME_FACTOR = 200.0


def told_apart(groups: Sequence[Group]) -> Check:
    """Every scenario makes a difference to somebody."""
    requirement = "outside `steady`, every scenario tells at least two policies apart"
    chosen = [g for g in groups if not g.scenario.startswith(STEADY)]
    if not chosen:
        return no_runs(requirement)
    failed = [g.scenario for g in chosen if not tells_apart(g)]
    return judged(requirement, f"{len(chosen) - len(failed)} of {len(chosen)} scenarios", failed)


def recovery(groups: Sequence[Group]) -> Check:
    """Frames until back within the target after a load arrives, where the oracle manages that."""
    requirement = "back within target at most 2 frames after a co-runner arrives, wherever the oracle is"
    ours, oracle = recoveries(groups, OURS), recoveries(groups, ORACLE)
    possible = {key for key, frames in oracle.items() if frames <= RECOVERY_FRAMES}
    if not possible:
        return no_runs(requirement)
    late = {key for key, frames in ours.items() if frames > RECOVERY_FRAMES}
    value = f"{len(possible - late)} of {len(possible)} arrivals"
    value += f"; of all arrivals {len(ours) - len(late)} of {len(ours)}"
    quiet = quiet_moments(groups, OURS)
    if quiet:
        share = sum(frames > RECOVERY_FRAMES for frames in quiet) / len(quiet)
        value += f"; noise alone takes longer at {100 * share:.1f} % of {len(quiet)} quiet moments"
    names = {f"{scenario} at {t_s:g} s, seed {seed}" for scenario, t_s, seed in late & possible}
    return judged(requirement, value, sorted(names))


def recoveries(groups: Sequence[Group], policy: str) -> dict[tuple[str, float, int], float]:
    """Frames until recovered, of each arrival of a load in each run; inf: never."""
    return {
        (group.scenario, arrival["t_s"], seed): math.inf if arrival["frames"] is None else arrival["frames"]
        for group in groups
        for seed, run in group.runs.get(policy, {}).items()
        for arrival in run["recovery_frames"]
    }


def quiet_moments(groups: Sequence[Group], policy: str) -> list[float]:
    """As `recoveries`, at moments at which nothing happens, of scenarios in which loads arrive."""
    return [
        math.inf if frames is None else frames
        for group in groups
        for run in group.runs.get(policy, {}).values()
        if run["recovery_frames"]
        for frames in run["quiet_frames"]
    ]


def calm(groups: Sequence[Group]) -> Check:
    """Upward changes of each application in hours in which nothing happens."""
    requirement = (
        "an hour of steady conditions: at most one upward change per dwell time and application, none "
        "without cause"
    )
    found = list(steady_hours(groups, OURS))
    if not found:
        return no_runs(requirement)
    counts = [figures["upward"] for _, figures in found]
    of_subnet = [figures["upward_of_subnet"] for _, figures in found]
    value = (
        f"{min(counts)} to {max(counts)} upward changes in {len(found)} runs ({max(of_subnet)} of the "
        f"sub-network at most), {max(f['most_upward_in_dwell'] for _, f in found)} at most within a dwell, "
        f"{sum(f['without_cause'] for _, f in found)} without cause"
    )
    failed = [name for name, f in found if f["most_upward_in_dwell"] > 1 or f["without_cause"] > 0]
    return judged(requirement, value, failed)


def steady_hours(groups: Sequence[Group], policy: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The steadiness of each application in each run of an hour or more without events."""
    for group in groups:
        if group.steady and group.duration_s >= HOUR_S:
            for seed, run in group.runs.get(policy, {}).items():
                for application, figures in run["steadiness"].items():
                    yield f"{group.scenario}, {application}, seed {seed}", figures


def decision(groups: Sequence[Group]) -> Check:
    """Wall-clock time of one decision of the manager."""
    requirement = (
        "decision p99 at most 2 ms (within the simulations, on the machine that simulated; the growth is "
        "measured apart)"
    )
    times = decision_us(groups)
    if "p99" not in times:
        return no_runs(requirement)
    value = f"p50 {times['p50']:.0f} us, p99 {times['p99']:.0f} us"
    return Check(requirement, value, times["p99"] <= DECISION_US)


def speed(groups: Sequence[Group]) -> Check:
    """Simulated time / CPU time of the simulating process, with one application under the manager."""
    requirement = (
        "simulator at least 200x faster than real time, one application (CPU time, on the machine that "
        "simulated)"
    )
    factors, without = real_time_factors(groups, OURS), real_time_factors(groups, LINUX)
    if not factors:
        return no_runs(requirement)
    least = least_of(factors)
    value = f"median {_median(factors):.0f}x, least {factors[least]:.0f}x ({least})"
    value += f"; without a manager (linux) median {_median(without):.0f}x" if without else ""
    return judged(requirement, value, [name for name, f in factors.items() if f < REAL_TIME_FACTOR])


def real_time_factors(groups: Sequence[Group], policy: str) -> dict[str, float]:
    """Simulated time / CPU time of each scenario with one application that the policy ran in."""
    return {
        g.scenario: real_time_factor(g, policy) for g in groups if g.applications == 1 and policy in g.runs
    }


def _median(values: Mapping[str, float]) -> float:
    return sorted(values.values())[len(values) // 2]
