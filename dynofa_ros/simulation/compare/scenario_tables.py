"""One table per scenario: every policy with its figures and its paired difference to ours, in Markdown."""

from __future__ import annotations

import math

from dynofa_ros.simulation.compare.figures import (
    BOUND,
    OURS,
    Group,
    Measure,
    below_floor,
    board_j,
    energy_j,
    miss_rate,
    on_time_accuracy,
    p95,
)
from dynofa_ros.simulation.compare.markdown import number, percent, table
from dynofa_ros.simulation.compare.statistics import Interval

HEAD = (
    "policy", "misses %", "below floor %", "on-time accuracy %", "above idle J", "board J", "p95 / target",
    "Δ misses", "Δ accuracy", "Δ J", "Δ %",
)  # fmt: skip


def block(group: Group) -> str:
    """Heading and table; Δ: the policy less `dynofa`, paired by seed."""
    mark = ", extrapolated board" if group.extrapolated else ""
    apps = "1 application" if group.applications == 1 else f"{group.applications} applications"
    heading = f"### {group.scenario}\n\n{group.objective}, {apps}, {group.duration_s:g} s{mark}"
    rows = [_row(group, policy) for policy in group.policies]
    return f"{heading}\n\n{table(HEAD, rows)}"


def _row(group: Group, policy: str) -> list[str]:
    own = [
        policy,
        percent(group.mean(policy, miss_rate)),
        percent(group.mean(policy, below_floor)),
        percent(group.mean(policy, on_time_accuracy)),
        number(group.mean(policy, energy_j)),
        number(group.mean(policy, board_j)),
        "" if policy == BOUND else number(group.mean(policy, p95), 2),
    ]
    return own + (["", "", "", ""] if policy == OURS else _differences(group, policy))


def _differences(group: Group, policy: str) -> list[str]:
    def difference(measure: Measure) -> Interval:
        return group.difference(policy, OURS, measure)

    ratio = group.ratio(policy, OURS, energy_j)
    return [
        percent(difference(miss_rate), sign=True),
        percent(difference(on_time_accuracy), sign=True),
        number(difference(energy_j), sign=True),
        "" if math.isnan(ratio.mean) else percent(ratio, 1, sign=True),
    ]
