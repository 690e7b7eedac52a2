"""The plots of a report, one panel for each run side by side on the same axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np

from dynofa_ros.simulation import metrics
from dynofa_ros.simulation.records import Event, Frame, Run
from dynofa_ros.simulation.report_style import DOMAIN_COLOURS, subnet_colours
from dynofa_ros.simulation.svg import Plot, label_height, nice_ceiling

LATENCY_HEADROOM = 2.0  # where the latency axis ends, in largest targets; outliers become triangles
Painter = Callable[[Run], Plot]


def plots(runs: Sequence[Run]) -> str:
    """Return all plots as HTML; panels that nothing was measured for are left out."""
    rows = [_latency_row(runs, app) for app in _applications(runs)]
    rows += [_clock_row(runs), _power_row(runs), _temperature_row(runs), _accuracy_row(runs)]
    return subnet_legend(runs) + "".join(rows)


def _applications(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(app for run in runs for app in run.applications))


def _span(runs: Sequence[Run]) -> tuple[float, float]:
    return 0.0, max(max(run.duration_s for run in runs), 1e-3)


def _labels(events: Iterable[Event]) -> list[tuple[float, str]]:
    return [(event.t_s, event.label) for event in events]


def _row(title: str, runs: Sequence[Run], painter: Painter, legend: str = "") -> str:
    cards = []
    for run in runs:
        badges = []
        if run.simulated:
            badges.append("simulated board")
        if run.emulated_clocks:
            badges.append("emulated clocks")
        badge = f'<span class="badge">{", ".join(badges)}</span>' if badges else ""
        heading = f"{title}, {run.name}"
        cards.append(
            f'<section class="card"><header><h3>{escape(heading)}</h3>{badge}</header>'
            f"{painter(run).render(heading)}</section>"
        )
    return f'{legend}<div class="columns">{"".join(cards)}</div>'


def all_subnets(runs: Sequence[Run]) -> list[str]:
    """Return the sub-networks of the runs, smallest first; those used but not announced come last."""
    announced = [name for run in runs for name in run.subnets]
    used = sorted({f.subnet for run in runs for f in run.frames if f.inferred})
    return list(dict.fromkeys([*announced, *used]))


def swatch(shape: str) -> str:
    """Return a small SVG for a legend."""
    return f'<svg viewBox="0 0 22 12" aria-hidden="true">{shape}</svg>'


def subnet_legend(runs: Sequence[Run]) -> str:
    """Return the legend of the latency plots: a colour per sub-network that was used, and the marks."""
    used = {f.subnet for run in runs for f in run.frames if f.inferred}
    colours = subnet_colours(all_subnets(runs))
    used_in_order = [name for name in colours if name in used]
    dots = []
    for name in used_in_order:
        mark = swatch(f'<circle cx="11" cy="6" r="4.5" style="fill:{colours[name]}"/>')
        dots.append(f"<span>{mark}{escape(name)}</span>")
    marks = [
        (swatch('<path class="target" d="M1 6H21"/>'), "target"),
        (swatch('<circle class="missed" cx="11" cy="6" r="3.4" style="fill:var(--card)"/>'), "late"),
        (swatch('<path class="missed" d="M7 9h8l-4 -7z"/>'), "beyond the axis"),
        (swatch('<path class="cross" d="M8 3l6 6m0 -6l-6 6"/>'), "no result (dropped or lost)"),
        (swatch('<path class="event" d="M11 0V12"/>'), "event"),
    ]
    return f'<div class="legend">{"".join(dots)}{"".join(f"<span>{s}{w}</span>" for s, w in marks)}</div>'


def _latency_row(runs: Sequence[Run], application: str) -> str:
    colours = subnet_colours(all_subnets(runs))
    ceiling = _latency_ceiling([f for run in runs for f in run.of(application)])

    def paint(run: Run) -> Plot:
        events = _labels(run.events)
        top = label_height(events, _span(runs))
        plot = Plot(_span(runs), (0.0, ceiling), "latency [ms]", height=235.0 + top, top=top)
        steps = _target_steps(run, application)
        plot.area(steps, "target-area")
        plot.events(events)
        for frame in run.of(application):
            _mark(plot, frame, colours)
        plot.line(steps, "target", step=True)
        return plot

    return _row(f"{application}: latency against target", runs, paint)


def _mark(plot: Plot, frame: Frame, colours: dict[str, str]) -> None:
    if not frame.inferred:
        plot.cross(frame.t_s, f"{frame.t_s:.2f} s: no result")
        return
    hint = (
        f"{frame.t_s:.2f} s: {frame.latency_ms:.1f} ms of {frame.target_ms:.1f} ms, {frame.subnet}, "
        f"inference {frame.inference_ms:.1f} ms, clock stretch {frame.stretch:.2f}"
    )
    css = "met" if frame.on_time else "missed"
    plot.dot(frame.t_s, frame.latency_ms, colours[frame.subnet], css, hint)


def _latency_ceiling(frames: Sequence[Frame]) -> float:
    targets = [f.target_ms for f in frames if math.isfinite(f.target_ms)]
    latencies = [f.latency_ms for f in frames if f.inferred]
    if not latencies:
        return nice_ceiling(max(targets, default=1.0))
    if not targets:
        return nice_ceiling(1.1 * float(np.percentile(latencies, 99.5)))
    highest = min(max(latencies), LATENCY_HEADROOM * max(targets))
    return nice_ceiling(1.05 * max(highest, max(targets)))


def _target_steps(run: Run, application: str) -> list[tuple[float, float]]:
    frames = run.of(application)
    if not frames:
        return []
    steps = [(max(t_s, 0.0), ms) for t_s, ms in run.targets.get(application, ())]
    if not steps:
        steps = [(frame.t_s, frame.target_ms) for frame in frames]
    steps = [step for step in steps if step[0] <= frames[-1].t_s]
    return [*steps, (frames[-1].t_s, steps[-1][1])] if steps else []


def _plain(runs: Sequence[Run], run: Run, y_range: tuple[float, float], unit: str, height: float) -> Plot:
    plot = Plot(_span(runs), y_range, unit, height=height)
    plot.events([(event.t_s, "") for event in run.events])
    return plot


def _series_legend(names: Sequence[str], dashed: str = "") -> str:
    parts = []
    for name, colour in zip(names, DOMAIN_COLOURS, strict=False):
        mark = swatch(f'<path class="series" style="stroke:{colour}" d="M1 6H21"/>')
        parts.append(f"<span>{mark}{escape(name)}</span>")
    if dashed:
        mark = swatch('<path class="limit" style="stroke:var(--soft)" d="M1 6H21"/>')
        parts.append(f"<span>{mark}{escape(dashed)}</span>")
    return f'<div class="legend">{"".join(parts)}</div>'


def _clock_row(runs: Sequence[Run]) -> str:
    moving = _moving_domains(runs)
    values = [s.clocks_mhz[d] for run in runs for s in run.board for d in moving if d in s.clocks_mhz]
    if not any(map(math.isfinite, values)):
        return ""
    ceiling = nice_ceiling(1.05 * max(filter(math.isfinite, values)))

    def paint(run: Run) -> Plot:
        plot = _plain(runs, run, (0.0, ceiling), "clock [MHz]", 180.0)
        for domain, colour in zip(moving, DOMAIN_COLOURS, strict=False):
            limits = [(s.t_s, s.limits_mhz.get(domain, math.nan)) for s in run.board]
            plot.line(_inside(limits, runs), "limit", colour, step=True)
            clocks = [(s.t_s, s.clocks_mhz.get(domain, math.nan)) for s in run.board]
            plot.line(_inside(clocks, runs), "series", colour, step=True)
        return plot

    return _row("Clocks", runs, paint, _series_legend(moving, "upper limit in force"))


def _moving_domains(runs: Sequence[Run]) -> list[str]:
    """Return the clock domains that changed in any run, or the first one if none did."""
    seen: dict[str, set[float]] = {}
    for run in runs:
        for sample in run.board:
            for domain, mhz in sample.clocks_mhz.items():
                seen.setdefault(domain, set()).add(mhz)
    return [domain for domain, values in seen.items() if len(values) > 1] or list(seen)[:1]


def _inside(points: list[tuple[float, float]], runs: Sequence[Run]) -> list[tuple[float, float]]:
    low, high = _span(runs)
    return [point for point in points if low <= point[0] <= high]


def _power_row(runs: Sequence[Run]) -> str:
    values = [s.power_w for run in runs for s in run.board if math.isfinite(s.power_w)]
    if not values:
        return ""
    ceiling = nice_ceiling(1.05 * max(values))

    def paint(run: Run) -> Plot:
        plot = _plain(runs, run, (0.0, ceiling), "power [W]", 165.0)
        points = _inside([(s.t_s, s.power_w) for s in run.board], runs)
        plot.line(points, "series", DOMAIN_COLOURS[0])
        return plot

    return _row("Board power", runs, paint)


def _temperature_row(runs: Sequence[Run]) -> str:
    zones = list(dict.fromkeys(z for run in runs for s in run.board for z in s.temperatures_degc))
    values = [v for run in runs for s in run.board for v in s.temperatures_degc.values() if math.isfinite(v)]
    if not values:
        return ""
    low, high = math.floor(min(values) - 1.0), math.ceil(max(values) + 1.0)

    def paint(run: Run) -> Plot:
        plot = _plain(runs, run, (float(low), float(high)), "temperature [°C]", 165.0)
        for zone, colour in zip(zones, DOMAIN_COLOURS, strict=False):
            points = [(s.t_s, s.temperatures_degc.get(zone, math.nan)) for s in run.board]
            plot.line(_inside(points, runs), "series", colour)
        return plot

    return _row("Temperature", runs, paint, _series_legend(zones))


def _accuracy_row(runs: Sequence[Run]) -> str:
    apps = _applications(runs)
    rolling = {
        (run.name, app): [(t, 100.0 * share) for t, share in metrics.rolling_accuracy(run.of(app))]
        for run in runs
        for app in apps
    }
    values = [share for points in rolling.values() for _, share in points]
    if not values:
        return ""
    floor = 10.0 * math.floor(min([*values, 90.0]) / 10.0)

    def paint(run: Run) -> Plot:
        plot = _plain(runs, run, (floor, 100.0), "correct [%]", 165.0)
        for app, colour in zip(apps, DOMAIN_COLOURS, strict=False):
            points = rolling[(run.name, app)]
            plot.line(points, "series", colour)
        return plot

    return _row("Accuracy on the stream (last 3 s)", runs, paint, _series_legend(apps))
