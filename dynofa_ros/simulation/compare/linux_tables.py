"""Ours against the kernel's governors, in Markdown: by scenario, the best of each kind, by voltage."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from dynofa_ros.board.options import VOLTAGES
from dynofa_ros.simulation.compare.check import most_of
from dynofa_ros.simulation.compare.checks import headlines
from dynofa_ros.simulation.compare.figures import (
    LINUX,
    NOMINAL,
    ORACLE,
    OURS,
    Group,
    accuracy,
    advantage,
    board_j,
    energy_j,
    miss_rate,
    on_time_accuracy,
    p95,
)
from dynofa_ros.simulation.compare.linux_checks import allowed_saving, energy_saving, latency_saving, of_kind
from dynofa_ros.simulation.compare.markdown import number, percent, table

ON_TIME, ALLOWED = "at no lower on-time accuracy", "misses within the percentiles"
KINDS = (
    (f"energy above idle, one application, {ON_TIME}", energy_saving, 1, "19 %"),
    (f"energy above idle, one application, {ALLOWED}", allowed_saving, 1, "19 %"),
    (f"energy above idle, two or more, {ON_TIME}", energy_saving, 2, "89 %"),
    (f"energy above idle, two or more, {ALLOWED}", allowed_saving, 2, "89 %"),
    ("p95 latency, one application", latency_saving, 1, "9 %"),
    ("p95 latency, two or more", latency_saving, 2, "23 %"),
)
"""What is saved, how it is counted, applications, published "up to" figure."""


def linux_table(groups: Sequence[Group]) -> str:
    """Ours against linux, with the share of the oracle's advantage."""
    head = (
        "scenario", "misses %", "linux", "accuracy %", "linux", "above idle J", "linux", "energy", "board J",
        "linux", "p95 / target", "linux", "oracle's advantage", "ours", "share",
    )  # fmt: skip
    return table(head, [_linux_row(group) for group in groups])


def _linux_row(group: Group) -> tuple[str, ...]:
    cells = [group.label]
    for measure, show in ((miss_rate, percent), (on_time_accuracy, percent), (energy_j, number)):
        cells += [show(group.mean(OURS, measure)), show(group.mean(LINUX, measure))]
    ratio = group.ratio(OURS, LINUX, energy_j)
    cells.append("" if math.isnan(ratio.mean) else f"{percent(ratio, 1, sign=True)} %")
    cells += [number(group.mean(p, board_j), 0) for p in (OURS, LINUX)]
    cells += [number(group.mean(p, p95), 2) for p in (OURS, LINUX)]
    if ORACLE not in group.runs:
        return (*cells, "", "", "")
    gain = advantage(group)
    cells += [f"{percent(gain.oracle, 1)} % {gain.term}", f"{percent(gain.ours, 1)} %"]
    return (*cells, _share(group))


def _share(group: Group) -> str:
    share = advantage(group).share
    return "under 2 %" if share is None else f"{100 * share:.0f} %"


def best_table(groups: Sequence[Group]) -> str:
    """The best scenario of each kind, as the published figures are "up to" ones."""
    nominal = [g for g in groups if g.voltage == NOMINAL and {OURS, LINUX} <= g.runs.keys()]
    rows = []
    for title, saving, count, published in KINDS:
        chosen = {g.scenario: g for g in of_kind(nominal, saving is not latency_saving, count)}
        known = {name: saving(g) for name, g in chosen.items() if math.isfinite(saving(g))}
        if known:
            best = chosen[most_of(known)]
            others = [_saving_under(groups, best.scenario, v, saving) for v in VOLTAGES if v != NOMINAL]
            saved, misses = f"**{100 * saving(best):.0f} %**", percent(best.mean(LINUX, miss_rate))
            joules = number(best.difference(LINUX, OURS, energy_j))
            boards = " of ".join(number(best.mean(p, board_j), 0) for p in (OURS, LINUX))
            missed = f"{percent(best.mean(OURS, miss_rate))} / {misses}"
            rows.append((title, best.scenario, saved, *others, joules, boards, missed, f"up to {published}"))
    curves = [f"{v} V(f)" for v in VOLTAGES if v != NOMINAL]
    head = (
        "saved against linux", "best scenario", "share", *curves, "above idle, J saved", "board J of linux's",
        "misses %, ours / linux", "published, against schedutil",
    )  # fmt: skip
    return table(head, rows)


def _saving_under(
    groups: Sequence[Group], scenario: str, voltage: str, saving: Callable[[Group], float]
) -> str:
    group = _find(groups, scenario, voltage)
    if group is None or not {OURS, LINUX} <= group.runs.keys():
        return ""
    share = saving(group)
    return f"{100 * share:.0f} %" if math.isfinite(share) else "none"


def _find(groups: Sequence[Group], scenario: str, voltage: str) -> Group | None:
    return next((g for g in groups if g.scenario == scenario and g.voltage == voltage), None)


def headline_table(groups: Sequence[Group]) -> str:
    """The headlines under each assumed voltage curve; "" where there is only one."""
    curves = [v for v in VOLTAGES if any(g.voltage == v for g in groups)]
    if len(curves) < 2:
        return ""
    found = [headlines([g for g in groups if g.voltage == voltage]) for voltage in curves]
    rows = [(row[0].requirement, *(check.value for check in row)) for row in zip(*found, strict=True)]
    return table(("headline", *curves), rows, numbers=False)


def voltage_table(groups: Sequence[Group]) -> str:
    """Each scenario against linux and the oracle under each assumed voltage curve."""
    names = dict.fromkeys(g.scenario for g in groups if g.voltage != NOMINAL)
    rows = []
    for name in names:
        cells = [name]
        for voltage in VOLTAGES:
            group = _find(groups, name, voltage)
            cells += ["", "", ""] if group is None else [*_headline(group), _share_of(group)]
        rows.append(cells)
    head = ["scenario"]
    for voltage in VOLTAGES:
        head += [f"{voltage}: against linux", "against the oracle", "share of its advantage"]
    filled = [number for number in range(len(head)) if any(row[number] for row in rows)]
    return table([head[number] for number in filled], [[row[number] for number in filled] for row in rows])


def _headline(group: Group) -> list[str]:
    cells = []
    for other in (LINUX, ORACLE):
        if other not in group.runs or OURS not in group.runs:
            cells.append("")
        elif group.saves_energy:
            ratio = group.ratio(OURS, other, energy_j)
            joule = group.difference(OURS, other, energy_j)
            share = "" if math.isnan(ratio.mean) else f"{percent(ratio, 1, sign=True)} %, "
            cells.append(f"{share}{number(joule, sign=True)} J")
        else:
            cells.append(f"{percent(group.difference(OURS, other, accuracy), sign=True)} points")
    return cells


def _share_of(group: Group) -> str:
    return _share(group) if {OURS, LINUX, ORACLE} <= group.runs.keys() else ""
