"""Ours beside the oracle and its bound, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynofa_ros.simulation.compare.figures import (
    BOUND,
    NOMINAL,
    ORACLE,
    OURS,
    Group,
    accuracy,
    allowed_misses,
    below_floor,
    board_j,
    energy_j,
    miss_rate,
)
from dynofa_ros.simulation.compare.markdown import number, percent, table


def settings(groups: Sequence[Group]) -> str:
    """How much was run."""
    seeds = sorted({seed for g in groups for runs in g.runs.values() for seed in runs})
    scenarios = dict.fromkeys(g.scenario for g in groups)
    runs = sum(len(by_seed) for g in groups for by_seed in g.runs.values())
    text = f"{len(scenarios)} scenarios, {runs} runs, seeds {seeds[0]} to {seeds[-1]}."
    marked = [g.scenario for g in groups if g.extrapolated and g.voltage == NOMINAL]
    return text + (f" On an extrapolated board (†): {', '.join(marked)}." if marked else "")


def energy_table(groups: Sequence[Group]) -> str:
    """Ours beside oracle and bound where energy is the objective."""
    head = (
        "min_energy", "apps", *_TARGETS, "above idle J", "oracle's", "bound", "gap", "board J", "oracle's"
    )  # fmt: skip
    return table(head, [_energy_row(group) for group in groups if group.saves_energy])


_TARGETS = ("misses %", "oracle's", "allowed %", "below floor %", "oracle's")


def _energy_row(group: Group) -> tuple[str, ...]:
    return (
        group.label,
        str(group.applications),
        *_targets(group),
        number(group.mean(OURS, energy_j)),
        number(group.mean(ORACLE, energy_j)),
        number(group.mean(BOUND, energy_j)) if BOUND in group.runs else "",
        _gap(group),
        number(group.mean(OURS, board_j), 0),
        number(group.mean(ORACLE, board_j), 0),
    )


def accuracy_table(groups: Sequence[Group]) -> str:
    """Ours beside oracle and bound where accuracy is the objective, of some applications at least."""
    head = (
        "max_accuracy, mixed", "apps", *_TARGETS, "accuracy %", "oracle's", "bound", "points",
        "above idle J", "oracle's", "board J",
    )  # fmt: skip
    return table(head, [_accuracy_row(group) for group in groups if not group.saves_energy])


def _accuracy_row(group: Group) -> tuple[str, ...]:
    return (
        f"{group.label}{' (mixed)' if group.objective == 'mixed' else ''}",
        str(group.applications),
        *_targets(group),
        percent(group.mean(OURS, accuracy)),
        percent(group.mean(ORACLE, accuracy)),
        percent(group.mean(BOUND, accuracy)) if BOUND in group.runs else "",
        percent(group.difference(OURS, ORACLE, accuracy), sign=True),
        number(group.mean(OURS, energy_j)),
        number(group.mean(ORACLE, energy_j)),
        number(group.mean(OURS, board_j), 0),
    )


def _targets(group: Group) -> tuple[str, ...]:
    return (
        percent(group.mean(OURS, miss_rate)),
        percent(group.mean(ORACLE, miss_rate)),
        percent(group.mean(OURS, allowed_misses), 0),
        percent(group.mean(OURS, below_floor)),
        percent(group.mean(ORACLE, below_floor)),
    )


def _gap(group: Group) -> str:
    gap = group.ratio(OURS, ORACLE, energy_j)
    if math.isnan(gap.mean):
        return f"{number(group.difference(OURS, ORACLE, energy_j), sign=True)} J"
    return f"{percent(gap, 1, sign=True)} %"
