"""The tables of a report: key figures, recovery per event, frames, decisions that changed something."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from dynofa_ros.simulation.records import Decision, Run
from dynofa_ros.simulation.summary import Figures, event_table, summarise

Cell = tuple[str, str]  # css class, HTML


def number(value: float | None, digits: int = 1, unit: str = "") -> str:
    """Return a number for people; an en dash where it was not measured."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}{unit}"


def percent(value: float | None) -> str:
    """Return a fraction of 1 in percent."""
    return number(None if value is None else 100.0 * value, 1, " %")


def table(head: Sequence[str], rows: Sequence[Sequence[str | Cell]], numeric_from: int = 1) -> str:
    """Return an HTML table. Plain cells are text (escaped); (css, html) cells are taken as they are."""
    heads = "".join(
        f'<th class="n">{escape(h)}</th>' if index >= numeric_from else f"<th>{escape(h)}</th>"
        for index, h in enumerate(head)
    )
    body = "".join(
        f"<tr>{''.join(_cell(c, index >= numeric_from) for index, c in enumerate(row))}</tr>" for row in rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: str | Cell, numeric: bool) -> str:
    css, html = ("", escape(cell)) if isinstance(cell, str) else cell
    classes = " ".join(part for part in ("n" if numeric else "", css) if part)
    return f'<td class="{classes}">{html}</td>' if classes else f"<td>{html}</td>"


def card(title: str, content: str) -> str:
    """Return a titled box."""
    return f'<section class="card"><header><h3>{escape(title)}</h3></header>{content}</section>'


def _percentiles(latency_ms: dict[str, float | None]) -> str:
    return " / ".join(number(latency_ms[key]) for key in ("p50", "p95", "p99"))


_KEY_FIGURES: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("Frames on time, outside 1 s after events", lambda f: percent(f["on_time_rate_outside_guard"])),
    ("Frames on time, all", lambda f: percent(f["on_time_rate"])),
    ("Latency p50 / p95 / p99 [ms]", lambda f: _percentiles(f["latency_ms"])),
    ("Accuracy of the results", lambda f: percent(f["mean_accuracy"])),
    ("Correct and on time, of all frames", lambda f: percent(f["on_time_accuracy"])),
    ("Sub-networks used", lambda f: str(len(f["subnets_used"]))),
    ("Switches between frames", lambda f: str(f["switches"])),
    ("Clock changes", lambda f: str(f["clock_changes"])),
    ("Energy, whole board", lambda f: number(f["energy_j"], 1, " J")),
    ("Mean power, whole board", lambda f: number(f["mean_power_w"], 2, " W")),
    ("Peak temperature", lambda f: number(f["peak_degc"], 1, " °C")),
)


def key_figures(runs: Sequence[Run]) -> str:
    """Return the table of key figures, a column per run."""
    figures = [summarise(run) for run in runs]
    rows = [[label, *(show(f) for f in figures)] for label, show in _KEY_FIGURES]
    shown = [row for row in rows if any(cell not in ("–", "– / – / –") for cell in row[1:])]
    return card("Key figures", table(["", *(run.name for run in runs)], shown))


def recovery(runs: Sequence[Run]) -> str:
    """Return the table of recovery times per event, a column per run and application."""
    columns = [(run, app) for run in runs for app in run.applications]
    tables = {run.name: event_table(run) for run in runs}
    longest = max(tables.values(), key=len, default=[])
    rows: list[list[str | Cell]] = []
    for index, event in enumerate(longest):
        row: list[str | Cell] = [f"{event['t_s']:.1f} s", event["label"]]
        for run, app in columns:
            events = tables[run.name]
            row.append(_recovery_cell(events[index]["recovery_ms"], app) if index < len(events) else "")
        rows.append(row)
    head = ["at", "event", *(f"{run.name}, {app}" for run, app in columns)]
    note = (
        '<p class="soft">From the event to the release of the first of 10 consecutive on-time frames; '
        "0 if no frame missed within one second; never: not within the record.</p>"
    )
    return card("Recovery after each event", table(head, rows, numeric_from=2) + note) if rows else ""


def _recovery_cell(by_application: dict[str, float | None], app: str) -> Cell:
    if app not in by_application:
        return "soft", "not there yet"
    value = by_application[app]
    if value is None:
        return "wrong", "never"
    return ("good", "0 ms") if value == 0 else ("", f"{value:.0f} ms")


def frames(runs: Sequence[Run]) -> str:
    """Return the table that accounts for every frame."""
    rows: list[list[str | Cell]] = []
    for run in runs:
        for a in run.accounting:
            drops = ", ".join(f"{count} {reason}" for reason, count in sorted(a.dropped.items()) if count)
            verdict: Cell = ("good", "yes") if a.complete else ("wrong", "no")
            dropped = sum(a.dropped.values())
            counts = [str(v) for v in (a.sent, a.lost, a.received, a.inferred, dropped, a.in_flight)]
            rows.append([f"{run.name}, {a.application}", *counts, verdict, drops or "none"])
    head = [
        "",
        "sent",
        "lost in transport",
        "received",
        "inferred",
        "dropped",
        "in flight",
        "adds up",
        "drops",
    ]
    note = (
        '<p class="soft">Warm-up before the scenario included. Sent = lost + received; received = inferred + '
        "dropped + in flight.</p>"
    )
    return card("Every frame accounted for", table(head, rows) + note) if rows else ""


def subnet_usage(runs: Sequence[Run], order: Sequence[str]) -> str:
    """Return the table of results per sub-network."""
    by_run: list[dict[str, int]] = []
    for run in runs:
        counts: dict[str, int] = {}
        for frame in run.frames:
            if frame.inferred:
                counts[frame.subnet] = counts.get(frame.subnet, 0) + 1
        by_run.append(counts)
    rows = [
        [name, *(str(counts.get(name, 0)) for counts in by_run)]
        for name in order
        if any(name in counts for counts in by_run)
    ]
    return card("Results per sub-network", table(["", *(run.name for run in runs)], rows)) if rows else ""


def changes(decisions: Sequence[Decision]) -> list[Decision]:
    """Return the decisions that differ from the one before for the same application."""
    last: dict[str, Any] = {}
    kept = []
    for decision in decisions:
        key = (decision.choice, decision.feasible, decision.target_ms if decision.application else 0)
        if last.get(decision.application) != repr(key):
            kept.append(decision)
        last[decision.application] = repr(key)
    return kept


def decisions(run: Run) -> str:
    """Return the log of a run's decisions with their reasons, only those that changed something."""
    shown = changes(run.decisions)
    if not shown:
        return ""
    rows: list[list[str | Cell]] = [
        [
            ("short", f"{d.t_s:.2f} s"),
            d.application or "clocks",
            ("short", escape(d.choice)),
            number(d.predicted_latency_ms),
            number(d.target_ms),
            ("good", "yes") if d.feasible else ("wrong", "no"),
            d.reason.removeprefix(f"{d.application} "),
        ]
        for d in shown
    ]
    head = ["at", "for", "decided", "predicted [ms]", "target [ms]", "feasible", "why"]
    content = table(head, rows, numeric_from=len(head))
    title = f"Decisions, {run.name}: {len(shown)} that changed something, of {len(run.decisions)}"
    return card(title, f'<div class="scroll">{content}</div>')
