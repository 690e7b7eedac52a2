"""What single runs show, in Markdown: recovery, calm, times; and the requirements with their values."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynofa_ros.simulation.compare.behaviour_checks import recoveries, steady_hours
from dynofa_ros.simulation.compare.check import Check
from dynofa_ros.simulation.compare.figures import (
    LINUX,
    ORACLE,
    OURS,
    Group,
    decision_us,
    real_time_factor,
)
from dynofa_ros.simulation.compare.markdown import table
from dynofa_ros.simulation.compare.rival_checks import RIVALS


def checks_table(found: Sequence[Check]) -> str:
    """Each requirement with its value."""
    rows = [
        (check.requirement, check.value, _verdict(check), ", ".join(check.exceptions) or "")
        for check in found
    ]
    return table(("requirement", "value", "verdict", "exceptions"), rows, numbers=False)


def _verdict(check: Check) -> str:
    return {True: "met", False: "**missed**", None: "no runs"}[check.met]


def recovery_table(groups: Sequence[Group]) -> str:
    """Frames until back within the target after a load arrives: median and worst over the seeds."""
    names = [name for name in (OURS, ORACLE, LINUX, *RIVALS) if any(name in g.runs for g in groups)]
    counts: dict[tuple[str, float], dict[str, list[float]]] = {}
    for name in names:
        for (scenario, t_s, _), frames in recoveries(groups, name).items():
            counts.setdefault((scenario, t_s), {}).setdefault(name, []).append(frames)
    rows = [
        (f"{scenario}, {t_s:g} s", *(_median_and_worst(by_name.get(name, [])) for name in names))
        for (scenario, t_s), by_name in counts.items()
    ]
    text = table(("load arrives", *names), rows)
    title = (
        "Frames from the arrival of a load to the first of ten in a row on time, of the applications "
        "on its element: median, worst."
    )
    return f"{title}\n\n{text}" if text else ""


def _median_and_worst(values: Sequence[float]) -> str:
    if not values:
        return ""
    ordered = sorted(values)
    return ", ".join(
        "never" if math.isinf(n) else f"{n:.0f}" for n in (ordered[len(ordered) // 2], ordered[-1])
    )


def calm_table(groups: Sequence[Group]) -> str:
    """Upward changes within an hour in which nothing happens."""
    policies = dict.fromkeys(policy for group in groups for policy in group.policies)
    rows = []
    for policy in policies:
        found = [figures for _, figures in steady_hours(groups, policy)]
        if found:
            upward = [figures["upward"] for figures in found]
            rows.append(
                (
                    policy,
                    str(len(found)),
                    f"{min(upward)} to {max(upward)}",
                    str(max(figures["upward_of_subnet"] for figures in found)),
                    str(max(figures["most_upward_in_dwell"] for figures in found)),
                    str(sum(figures["without_cause"] for figures in found)),
                )
            )
    head = (
        "steady hour", "runs", "upward changes", "of the sub-network, at most", "within 1 s, at most",
        "without cause, all runs",
    )  # fmt: skip
    return table(head, rows)


def decision_text(groups: Sequence[Group]) -> str:
    """How long decisions and runs took."""
    times = decision_us(groups)
    if not times:
        return ""
    quantiles = ", ".join(f"{name} {value:.0f} us" for name, value in times.items())
    factors = [real_time_factor(group, OURS) for group in groups]
    return (
        f"On the machine that simulated, all its cores at work: one decision of the manager {quantiles}; "
        f"simulated time {min(factors):.0f} to {max(factors):.0f} times the CPU time under `{OURS}`."
    )
