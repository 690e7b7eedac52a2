"""The plots of a comparison: distance to the oracle in energy and accuracy, misses, voltage curves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynofa_ros.board.options import VOLTAGES
from dynofa_ros.simulation.compare.dot_plot import Dot, Series, dot_plot
from dynofa_ros.simulation.compare.figures import (
    BOUND,
    LINUX,
    NOMINAL,
    ORACLE,
    OURS,
    Group,
    Measure,
    accuracy,
    energy_j,
    excess_misses,
    miss_rate,
)
from dynofa_ros.simulation.compare.linux_checks import energy_saving

COLOURS = {
    "dynofa": "#0b6e4f",
    "oracle": "#111111",
    "linux": "#ea580c",
    "alert": "#1d4ed8",
    "alert_tuned": "#60a5fa",
    "poet": "#7c3aed",
    "dynamic_ofa_rule": "#eab308",
    "static_best": "#64748b",
    "dvfs_only": "#db2777",
    "subnet_only": "#0891b2",
    "performance": "#7f1d1d",
    "powersave": "#65a30d",
}
OTHER_COLOUR = "#94a3b8"
HOLLOW = "Hollow: misses beyond the percentile."


def plots(groups: Sequence[Group]) -> dict[str, str]:
    """File name -> SVG; those for which the suite has runs."""
    nominal = [g for g in groups if g.voltage == NOMINAL and OURS in g.runs]
    judged = [g for g in nominal if ORACLE in g.runs]
    saving = [g for g in judged if g.saves_energy]
    accurate = [g for g in judged if not g.saves_energy]
    found = {}
    if saving:
        found["simulated_energy.svg"] = _energy(saving)
    if accurate:
        found["simulated_accuracy.svg"] = _accuracy(accurate)
    if nominal:
        found["simulated_misses.svg"] = _misses(nominal)
    curves = [g for g in groups if LINUX in g.runs and OURS in g.runs and g.saves_energy]
    if {g.voltage for g in curves} == set(VOLTAGES):
        found["simulated_voltage.svg"] = _voltages(curves)
    return found


def _energy(groups: list[Group]) -> str:
    def dot(group: Group, policy: str) -> Dot:
        gap = group.ratio(policy, ORACLE, energy_j)
        return _judged(group, policy, 100.0 * gap.mean, 100.0 * gap.half, "% energy above idle")

    series = [_series(groups, policy, dot) for policy in _policies(groups)]
    title = f"Simulated: energy above idle beyond the oracle's, min_energy. {HOLLOW}"
    unit = "% of the oracle's energy above idle (left of 0: saved by missing targets or floors)"
    return dot_plot(title, unit, [g.scenario for g in groups], series, (-40.0, 160.0))


def _accuracy(groups: list[Group]) -> str:
    def dot(group: Group, policy: str) -> Dot:
        gap = group.difference(policy, ORACLE, accuracy)
        return _judged(group, policy, 100.0 * gap.mean, 100.0 * gap.half, "points of on-time accuracy")

    series = [_series(groups, policy, dot) for policy in _policies(groups)]
    title = f"Simulated: on-time accuracy against the oracle's. {HOLLOW}"
    unit = "points of on-time accuracy, misses counting 0"
    return dot_plot(title, unit, [g.scenario for g in groups], series, (-12.0, 1.0))


def _misses(groups: list[Group]) -> str:
    def dot(group: Group, policy: str) -> Dot:
        missed = group.mean(policy, miss_rate)
        return _judged(group, policy, 100.0 * missed.mean, 100.0 * missed.half, "% missed")

    series = [_series(groups, policy, dot) for policy in (*_policies(groups), ORACLE)]
    title = f"Simulated: missed frames. {HOLLOW}"
    return dot_plot(title, "% of released frames", [g.scenario for g in groups], series, (0.0, 12.0))


def _voltages(groups: list[Group]) -> str:
    names = list(dict.fromkeys(g.scenario for g in groups))
    colours = dict(zip(VOLTAGES, ("#94a3b8", "#0b6e4f", "#7c3aed"), strict=True))
    series = []
    for voltage in VOLTAGES:
        by_name = {g.scenario: 100.0 * energy_saving(g) for g in groups if g.voltage == voltage}
        dots = [
            Dot(by_name[name], hint=f"{name}, {voltage}: {by_name[name]:.1f} %") if name in by_name else None
            for name in names
        ]
        series.append(Series(f"{voltage} V(f)", colours[voltage], dots, strong=voltage == NOMINAL))
    title = "Simulated: energy above idle saved against linux, by assumed voltage curve"
    return dot_plot(
        title, "% of linux's energy above idle; no dot: lower on-time accuracy", names, series, (-20.0, 100.0)
    )


def _policies(groups: Sequence[Group]) -> list[str]:
    found = dict.fromkeys(policy for group in groups for policy in group.policies)
    return [policy for policy in found if policy not in (ORACLE, BOUND)]


def _series(groups: Sequence[Group], policy: str, dot: object) -> Series:
    assert callable(dot)
    dots = [dot(group, policy) if policy in group.runs else None for group in groups]
    return Series(policy, COLOURS.get(policy, OTHER_COLOUR), dots, strong=policy == OURS)


def _judged(group: Group, policy: str, value: float, half: float, what: str) -> Dot:
    missing = group.mean(policy, excess_misses).mean > 0.0
    spread = "" if math.isnan(half) else f" ± {half:.2f}"
    missed = 100.0 * _mean(group, policy, miss_rate)
    hint = f"{group.scenario}, {policy}: {value:.2f}{spread} {what}; {missed:.2f} % missed"
    return Dot(value, half, missing, hint)


def _mean(group: Group, policy: str, measure: Measure) -> float:
    return group.mean(policy, measure).mean
