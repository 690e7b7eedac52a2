"""The live terminal view, drawn with rich from a snapshot; and its one-line form for `--headless`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dynofa_ros.demo.live_state import ApplicationView, BoardView, Result, Snapshot

BARS = "▁▂▃▄▅▆▇█"
SPARK_WIDTH = 32


def number(value: float, digits: int = 1) -> str:
    """Return a number for people; an en dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def sparkline(results: Sequence[Result], width: int = SPARK_WIDTH) -> Text:
    """Draw latencies against the target: half height is the target, late ones are red."""
    text = Text()
    for result in results[-width:]:
        scale = result.target_ms if result.target_ms > 0 else result.latency_ms or 1.0
        level = min(int(result.latency_ms / scale * len(BARS) / 2), len(BARS) - 1)
        text.append(BARS[max(level, 0)], style="green" if result.on_time else "red")
    return text


def _application_row(view: ApplicationView) -> list[RenderableType]:
    latency = view.results[-1].latency_ms if view.results else math.nan
    on_time = view.on_time
    style = "green" if on_time >= 0.95 else "yellow" if on_time >= 0.8 else "red"
    return [
        Text(view.name, style="bold"),
        f"{number(view.target_ms)} ms",
        Text(
            f"{number(latency)} ms", style="green" if not view.results or view.results[-1].on_time else "red"
        ),
        sparkline(view.results),
        Text(f"{number(100 * on_time, 0)} %", style=style),
        Text(view.subnet or "–", style="cyan"),
        f"{number(100 * view.accuracy, 0)} %",
        f"{view.inferred}/{view.received}",
        number(view.slowdown, 2),
    ]


def application_table(snapshot: Snapshot) -> Table:
    """Return the table of applications."""
    table = Table(expand=True, box=None, pad_edge=False, header_style="dim")
    for heading in ("camera", "target", "latency", "against target", "on time", "sub-network", "correct"):
        table.add_column(heading, no_wrap=True)
    table.add_column("inferred", no_wrap=True)
    table.add_column("slow-down", no_wrap=True)
    for name in sorted(snapshot.applications):
        table.add_row(*_application_row(snapshot.applications[name]))
    return table


def board_line(board: BoardView) -> Text:
    """Return clocks, power and temperature in one line, labelled as what they are."""
    text = Text()
    text.append(board.name or "no board yet", style="bold")
    if board.emulated_clocks:
        text.append("  simulated, emulated clocks", style="magenta")
    for domain, (mhz, limit) in board.clocks.items():
        limited = "" if math.isnan(limit) else f" (max {limit:.0f})"
        text.append(f"   {domain} {number(mhz, 0)} MHz{limited}")
    text.append(f"   {number(board.power_w, 2)} W   {number(board.temperature_degc)} °C")
    if board.throttling:
        text.append("   throttling", style="red")
    return text


def _head(t_s: float, seconds: float, upcoming: str) -> Table:
    """Return the first line: time and next event, or (before the start) what is waited for."""
    head = Table.grid(padding=(0, 2))
    if t_s < 0:
        head.add_row(Text("starting", style="bold"), Text(upcoming, style="dim"))
        return head
    head.add_row(
        Text(f"{t_s:5.1f} of {seconds:.0f} s", style="bold"),
        ProgressBar(total=seconds, completed=min(t_s, seconds), width=30),
        Text(f"next: {upcoming}" if upcoming else "", style="dim"),
    )
    return head


def view(snapshot: Snapshot, title: str, t_s: float, seconds: float, upcoming: str) -> Panel:
    """Return the whole screen; a negative `t_s` is before the start."""
    head = _head(t_s, seconds, upcoming)
    reasons = [
        Text(f"{name}: {app.reason}", style="dim", overflow="ellipsis", no_wrap=True)
        for name, app in sorted(snapshot.applications.items())
        if app.reason
    ]
    log = [Text(line, overflow="ellipsis", no_wrap=True) for line in snapshot.log]
    parts: list[RenderableType] = [
        head,
        Text(),
        application_table(snapshot),
        Text(),
        board_line(snapshot.board),
    ]
    if reasons:
        parts += [Text(), *reasons]
    parts += [Text(), *log]
    return Panel(Group(*parts), title=title, title_align="left", border_style="blue", padding=(0, 1))


def headless_line(snapshot: Snapshot, t_s: float) -> str:
    """Return the state in one line."""
    parts = [f"{t_s:5.1f} s"]
    for name, app in sorted(snapshot.applications.items()):
        if not app.results:
            continue
        parts.append(
            f"{name}: {app.results[-1].latency_ms:.1f} of {number(app.target_ms)} ms, {app.subnet}, "
            f"{number(100 * app.on_time, 0)} % on time, {number(100 * app.accuracy, 0)} % correct"
        )
    board = snapshot.board
    clocks = ", ".join(f"{domain} {number(mhz, 0)} MHz" for domain, (mhz, _) in board.clocks.items())
    label = " (emulated clocks)" if board.emulated_clocks else ""
    parts.append(f"{clocks}{label}, {number(board.power_w, 2)} W, {number(board.temperature_degc)} °C")
    return " | ".join(parts)
