"""The page of a comparison in Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from dynofa_ros.board.options import VOLTAGES
from dynofa_ros.simulation.compare.checks import (
    RIVALS,
    Check,
    checks,
    energy_saving,
    latency_saving,
    recoveries,
)
from dynofa_ros.simulation.compare.figures import (
    BOUND,
    LINUX,
    NOMINAL,
    ORACLE,
    OURS,
    Group,
    Measure,
    accuracy,
    advantage,
    against,
    below_floor,
    board_j,
    decision_us,
    energy_j,
    excess_misses,
    miss_rate,
    on_time_accuracy,
    p95,
)
from dynofa_ros.simulation.compare.statistics import Interval

CAPTIONS = {
    "simulated_energy.svg": "Energy above idle beyond the oracle's",
    "simulated_accuracy.svg": "On-time accuracy against the oracle's",
    "simulated_misses.svg": "Missed frames",
    "simulated_voltage.svg": "Energy saved, by voltage curve",
}
PREFACE = """**SIMULATED.** Every figure of this page comes from simulated boards; none was measured on one.
The boards' power and latency follow published measurements of an Orin Nano Super; the Xavier NX, voltages
against clock, and the latencies of `ofa_mbv3_w12` (scaled by multiply-adds) are extrapolated.

Energy is above idle: what a run uses beyond the same board and events without applications, its clocks left
to the kernel. Misses are dropped, late and unfinished frames as a share of all released ones. On-time
accuracy counts a miss as 0. ± is the half width of a 95 % interval over the seeds (Student's t);
differences and ratios are paired by seed: all policies meet the same releases, noise and events. Better and
worse mean that the interval of the paired difference leaves 0 out, first in misses, then in the objective:
energy above idle for min_energy, else on-time accuracy of the frames whose application wants accuracy."""


def page(groups: Sequence[Group], figures: Sequence[str] = (), title: str = "Simulated results") -> str:
    """The whole page; `figures`: names of the plots beside it."""
    nominal = [g for g in groups if g.voltage == NOMINAL and OURS in g.runs]
    compared = [g for g in nominal if len(g.policies) > 2]
    blocks = [f"# {title}", PREFACE, _settings(groups)]
    blocks += ["## What has to be reached", checks_table(checks(groups))]
    if any(ORACLE in g.runs for g in nominal):
        blocks += ["## Distance to the oracle", oracle_table([g for g in nominal if ORACLE in g.runs])]
    blocks += [f"![{CAPTIONS[name]}]({name})" for name in figures]
    if any(LINUX in g.runs for g in nominal):
        with_linux = [g for g in nominal if LINUX in g.runs]
        blocks += ["## Against linux", linux_table(with_linux), best_table(with_linux)]
    blocks += ["## Against published managers", rivals_table(nominal)]
    blocks += ["## Every policy", *(policy_table(compared, *column) for column in COLUMNS)]
    blocks += ["## Recovery and decisions", recovery_table(nominal), decision_text(nominal)]
    blocks += ["## Voltage against clock", voltage_table(groups)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers right; "" without rows."""
    lines = [" | ".join(row) for row in rows]
    if not lines:
        return ""
    rule = " | ".join(["---", *["---:"] * (len(head) - 1)])
    return "\n".join(f"| {line} |" for line in (" | ".join(head), rule, *lines))


def checks_table(found: Sequence[Check]) -> str:
    """Each requirement with its value."""
    verdicts = {True: "met", False: "**missed**", None: "no runs"}
    rows = [
        (check.requirement, check.value, verdicts[check.met], ", ".join(check.exceptions) or "")
        for check in found
    ]
    return table(("requirement", "value", "verdict", "exceptions"), rows).replace("---:", "---")


def oracle_table(groups: Sequence[Group]) -> str:
    """Ours beside oracle and bound, scenario by scenario."""
    head = (
        "scenario", "objective", "apps", "misses %", "oracle's", "allowed %", "above idle J", "oracle's",
        "bound", "gap", "board J", "accuracy %", "oracle's", "bound", "points",
    )  # fmt: skip
    return table(head, [_oracle_row(group) for group in groups])


def _oracle_row(group: Group) -> tuple[str, ...]:
    gap = group.ratio(OURS, ORACLE, energy_j)
    points = group.difference(OURS, ORACLE, accuracy)
    bound = BOUND in group.runs
    return (
        _name(group),
        group.objective,
        str(group.applications),
        percent(group.mean(OURS, miss_rate)),
        percent(group.mean(ORACLE, miss_rate)),
        percent(group.mean(OURS, lambda run: run["allowed_misses"] / run["scores"]["released"]), 0),
        number(group.mean(OURS, energy_j)),
        number(group.mean(ORACLE, energy_j)),
        number(group.mean(BOUND, energy_j)) if bound else "",
        _gap(group, gap) if group.saves_energy else f"({_gap(group, gap)})",
        number(group.mean(OURS, board_j), 0),
        percent(group.mean(OURS, accuracy)),
        percent(group.mean(ORACLE, accuracy)),
        percent(group.mean(BOUND, accuracy)) if bound else "",
        percent(points, sign=True) if not group.saves_energy else "",
    )


def _gap(group: Group, gap: Interval) -> str:
    if math.isnan(gap.mean):
        return f"{number(group.difference(OURS, ORACLE, energy_j))} J"
    return f"{percent(gap, 1, sign=True)} %"


def linux_table(groups: Sequence[Group]) -> str:
    """Ours against linux, with the share of the oracle's advantage."""
    head = (
        "scenario", "misses %", "linux", "accuracy %", "linux", "above idle J", "linux", "energy", "board J",
        "linux", "p95 / target", "linux", "oracle's advantage", "ours", "share",
    )  # fmt: skip
    return table(head, [_linux_row(group) for group in groups])


def _linux_row(group: Group) -> tuple[str, ...]:
    cells = [_name(group)]
    for measure, show in ((miss_rate, percent), (on_time_accuracy, percent), (energy_j, number)):
        cells += [show(group.mean(OURS, measure)), show(group.mean(LINUX, measure))]
    ratio = group.ratio(OURS, LINUX, energy_j)
    cells.append("" if math.isnan(ratio.mean) else f"{percent(ratio, 1, sign=True)} %")
    cells += [number(group.mean(p, board_j), 0) for p in (OURS, LINUX)]
    cells += [_ratio(group.mean(p, p95)) for p in (OURS, LINUX)]
    if ORACLE not in group.runs:
        return (*cells, "", "", "")
    gain = advantage(group)
    cells += [f"{percent(gain.oracle, 1)} % {gain.term}", f"{percent(gain.ours, 1)} %"]
    return (*cells, "difference only" if gain.share is None else f"{100 * gain.share:.0f} %")


def best_table(groups: Sequence[Group]) -> str:
    """The best scenario of each kind, as the published figures are "up to" ones."""
    rows = []
    for title, published, chosen, saving in (
        ("one application, energy", "19 %", _of(groups, True, 1), energy_saving),
        ("two or more, energy", "89 %", _of(groups, True, 2), energy_saving),
        ("one application, p95 latency", "9 %", _of(groups, False, 1), latency_saving),
        ("two or more, p95 latency", "23 %", _of(groups, False, 2), latency_saving),
    ):
        known = {g.scenario: saving(g) for g in chosen if math.isfinite(saving(g))}
        if known:
            best = max(known, key=lambda name: known[name])
            group = next(g for g in chosen if g.scenario == best)
            saved = group.difference(LINUX, OURS, energy_j)
            joule = f"{number(saved)} J above idle, {number(group.mean(OURS, board_j), 0)} of "
            joule += f"{number(group.mean(LINUX, board_j), 0)} J of the board"
            rows.append((title, best, f"{100 * known[best]:.0f} %", joule, f"up to {published}"))
    head = ("kind", "best scenario", "saved against linux", "joules", "published, against schedutil")
    return table(head, rows)


def _of(groups: Sequence[Group], saves_energy: bool, applications: int) -> list[Group]:
    return [g for g in groups if g.saves_energy == saves_energy and min(g.applications, 2) == applications]


def rivals_table(groups: Sequence[Group]) -> str:
    """The paired differences to each published manager."""
    head = ["scenario"]
    for rival in RIVALS:
        head += [rival, "misses", "objective"]
    rows = []
    for group in groups:
        cells = [_name(group)]
        for rival in RIVALS:
            cells += _against(group, rival) if rival in group.runs else ["", "", ""]
        if any(cells[1:]):
            rows.append(cells)
    return table(head, rows)


def _against(group: Group, rival: str) -> list[str]:
    verdict, missed, goal = against(group, rival)
    mark = {"better": "better", "equal": "equal", "worse": "**worse**"}[verdict]
    allowing = against(group, rival, excess_misses)[0]
    note = "" if allowing == verdict else f" ({allowing} within the percentile)"
    objective = (
        f"{number(goal, sign=True)} J" if group.saves_energy else f"{percent(_minus(goal), sign=True)}"
    )
    return [mark + note, percent(missed, sign=True), objective]


Column = tuple[str, Measure, Callable[[Interval], str]]


def policy_table(
    groups: Sequence[Group], title: str, measure: Measure, show: Callable[[Interval], str]
) -> str:
    """One figure of every policy in every scenario."""
    names = list(dict.fromkeys(policy for group in groups for policy in group.policies))
    rows = [
        [_name(g), *(show(g.mean(name, measure)) if name in g.runs else "" for name in names)] for g in groups
    ]
    text = table(["scenario", *names], rows)
    return f"{title}\n\n{text}" if text else ""


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
    title = "Frames from the arrival of a load to the first of ten in a row on time: median, worst."
    return f"{title}\n\n{text}" if text else ""


def _median_and_worst(values: Sequence[float]) -> str:
    if not values:
        return ""
    ordered = sorted(values)
    median, worst = ordered[len(ordered) // 2], ordered[-1]
    return f"{_count(median)}, {_count(worst)}"


def _count(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.0f}"


def decision_text(groups: Sequence[Group]) -> str:
    """Decision times and upward moves."""
    lines = []
    times = decision_us(groups)
    if times:
        quantiles = ", ".join(f"{name} {value:.0f} us" for name, value in times.items())
        lines.append(f"One decision of the manager on the machine that simulated: {quantiles}.")
    for group in groups:
        if group.scenario.startswith("steady"):
            for seed, run in group.runs[OURS].items():
                lines += [_upward(group, seed, name, moves) for name, moves in run["upward"].items()]
    return "\n".join(lines)


def _upward(group: Group, seed: int, application: str, moves: Mapping[str, float | None]) -> str:
    gap = moves["shortest_gap_s"]
    between = "" if gap is None else f", at least {gap:.1f} s apart"
    return f"- {group.scenario}, seed {seed}, {application}: {moves['count']} upward moves{between}"


def voltage_table(groups: Sequence[Group]) -> str:
    """The headlines under each assumed voltage curve."""
    names = dict.fromkeys(g.scenario for g in groups if g.voltage != NOMINAL)
    rows = []
    for name in names:
        cells = [name]
        for voltage in VOLTAGES:
            group = next((g for g in groups if g.scenario == name and g.voltage == voltage), None)
            cells += _headline(group) if group is not None else ["", ""]
        rows.append(cells)
    head = ["scenario"]
    for voltage in VOLTAGES:
        head += [f"{voltage}: against linux", "against the oracle"]
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


def _settings(groups: Sequence[Group]) -> str:
    seeds = sorted({seed for g in groups for runs in g.runs.values() for seed in runs})
    scenarios = dict.fromkeys(g.scenario for g in groups)
    runs = sum(len(by_seed) for g in groups for by_seed in g.runs.values())
    text = f"{len(scenarios)} scenarios, {runs} runs, seeds {seeds[0]} to {seeds[-1]}."
    marked = [g.scenario for g in groups if g.extrapolated and g.voltage == NOMINAL]
    return text + (f" On an extrapolated board (†): {', '.join(marked)}." if marked else "")


def _name(group: Group) -> str:
    return f"{group.scenario} †" if group.extrapolated else group.scenario


def percent(value: Interval, digits: int = 2, sign: bool = False) -> str:
    """Per cent with its interval."""
    return number(Interval(100.0 * value.mean, 100.0 * value.half, value.size), digits, sign)


def number(value: Interval, digits: int = 1, sign: bool = False) -> str:
    """A mean with its interval, where that shows in the digits."""
    if math.isnan(value.mean):
        return ""
    mean = f"{value.mean:+.{digits}f}" if sign else f"{value.mean:.{digits}f}"
    half = f"{value.half:.{digits}f}"
    shows = not math.isnan(value.half) and float(half) > 0.0
    return f"{mean} ± {half}" if shows else mean


def _ratio(value: Interval) -> str:
    return "never" if math.isinf(value.mean) else f"{value.mean:.2f}"


def _minus(value: Interval) -> Interval:
    return Interval(-value.mean, value.half, value.size)


COLUMNS: tuple[Column, ...] = (
    ("Misses [% of released frames]", miss_rate, percent),
    ("On-time accuracy [%]", on_time_accuracy, percent),
    ("Energy above idle [J]", energy_j, number),
    ("Energy of the board [J]", board_j, lambda value: number(value, 0)),
    ("Frames on time below their accuracy floor [%]", below_floor, percent),
)
