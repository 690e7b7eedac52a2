"""Ours against published managers, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from dynofa_ros.simulation.compare.figures import (
    Group,
    against,
    excess_misses,
)
from dynofa_ros.simulation.compare.markdown import negative, number, percent, table
from dynofa_ros.simulation.compare.rival_checks import RIVALS


def rivals_table(groups: Sequence[Group]) -> str:
    """The paired differences to each published manager."""
    rivals = [rival for rival in RIVALS if any(rival in group.runs for group in groups)]
    head = ["scenario"]
    for rival in rivals:
        head += [f"against {rival}", "Δ misses %", "Δ objective"]
    rows = []
    for group in groups:
        cells = [group.label]
        for rival in rivals:
            cells += _against(group, rival) if rival in group.runs else ["", "", ""]
        if any(cells[1:]):
            rows.append(cells)
    return table(head, rows)


def _against(group: Group, rival: str) -> list[str]:
    verdict, missed, goal = against(group, rival)
    mark = {"better": "better", "equal": "equal", "worse": "**worse**"}[verdict]
    allowing = against(group, rival, excess_misses)[0]
    note = "" if allowing == verdict else f" ({allowing} within the percentile)"
    if group.saves_energy:
        objective = f"{number(goal, sign=True)} J"
    else:
        objective = f"{percent(negative(goal), sign=True)} points"
    return [mark + note, percent(missed, sign=True), objective]
