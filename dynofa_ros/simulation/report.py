"""A self-contained HTML report (no network, no external files) of one or more runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from dynofa_ros.simulation import report_tables as tables
from dynofa_ros.simulation.records import Run
from dynofa_ros.simulation.report_plots import all_subnets, plots
from dynofa_ros.simulation.report_style import STYLE


@dataclass(frozen=True)
class Check:
    """One requirement on the runs and whether it was met."""

    name: str
    value: str
    passed: bool


@dataclass(frozen=True)
class ReportContext:
    """What the report says beside the figures."""

    title: str
    introduction: str
    checks: tuple[Check, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)  # machine, versions, ...


def render(runs: Sequence[Run], context: ReportContext) -> str:
    """Return the report as one HTML page."""
    sections = [
        f"<h1>{escape(context.title)}</h1>",
        f'<p class="soft">{escape(context.introduction)}</p>',
        _board_note(runs),
        _chips(context.checks),
        tables.key_figures(runs),
        "<h2>Over time</h2>",
        plots(runs),
        "<h2>After each event</h2>" if any(run.events for run in runs) else "",
        tables.recovery(runs),
        "<h2>Frames</h2>",
        tables.frames(runs),
        tables.subnet_usage(runs, all_subnets(runs)),
        "<h2>What was decided and why</h2>" if any(run.decisions for run in runs) else "",
        *(tables.decisions(run) for run in runs),
        _facts(context.facts),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(context.title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _board_note(runs: Sequence[Run]) -> str:
    simulated = sorted({run.board_name for run in runs if run.simulated})
    if not simulated:
        return ""
    emulated = any(run.emulated_clocks for run in runs)
    words = (
        f"<strong>Simulated board: {escape(', '.join(simulated))}.</strong> "
        "Power, temperature and clocks are those of its model."
    )
    if emulated:
        words += (
            " <strong>Emulated clocks:</strong> the networks really run, on the machine named below; each "
            "inference is stretched to what the simulated clock implies, measured × "
            "(s · f<sub>max</sub> / f + 1 − s)."
        )
    return f'<p class="note">{words}</p>'


def _chips(checks: Sequence[Check]) -> str:
    items = "".join(
        f'<li class="chip{"" if check.passed else " bad"}">{"✓" if check.passed else "✗"} '
        f"{escape(check.name)}: {escape(check.value)}</li>"
        for check in checks
    )
    return f'<ul class="chips">{items}</ul>' if items else ""


def _facts(facts: Mapping[str, str]) -> str:
    if not facts:
        return ""
    words = " · ".join(f"{escape(key)}: {escape(value)}" for key, value in facts.items())
    return f"<footer>{words}</footer>"
