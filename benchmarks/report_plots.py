"""Plots of the benchmark page, as SVG that is the same for the same results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from contenders import best_placement, label, shown_contenders

REFERENCE_COLOURS = {"ofa dynamic": "#c9ced8", "ofa extracted": "#8b93a3", "ofa channels_last": "#5c6675"}
PRECISION_COLOURS = {"fp32": "#3f72d8", "bf16": "#21a088", "fp16": "#93b23a", "int8": "#e38331"}
FRAME_COLOURS = {
    "dynofa": "#3f72d8",
    "opencv_area": "#8b93a3",
    "torch_reference": "#c9ced8",
    "without_kernel": "#93b23a",
}
FRAME_NAMES = {
    "dynofa": "dynofa_ros",
    "opencv_area": "OpenCV, area",
    "torch_reference": "torch (reference)",
    "without_kernel": "dynofa_ros without its kernel",
}
MARKERS = {"native": "P", "openvino": "o", "onnxruntime": "s", "torch": "^"}
LIMIT = "#c0392b"
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dynofa",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8b93a3",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e9ecf1",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}

Results = dict[str, Any]


def save_plots(results: dict[str, Results], folder: Path) -> list[Path]:
    """Draw what there are results for; returns the files."""
    mpl.use("Agg")
    drawn = []
    with mpl.rc_context(STYLE):
        for part, name, draw in (
            ("engine", "latency", _latency),
            ("engine", "gemm_share", _gemm_share),
            ("frame_path", "frame_path", _frame_path),
            ("switch", "switch", _switch),
            ("decision", "decision", _decision),
        ):
            if part in results:
                figure = draw(results[part])
                file = folder / f"benchmark_{name}.svg"
                figure.savefig(file, metadata={"Date": None}, facecolor="white")
                plt.close(figure)
                drawn.append(file)
    return drawn


def _most_threads(engine: Results) -> tuple[int, Results]:
    threads = max(engine["threads"], key=int)
    return int(threads), engine["threads"][threads]


def _style(name: str) -> dict[str, Any]:
    """Colour and marker of a contender."""
    if name in REFERENCE_COLOURS:
        return {"color": REFERENCE_COLOURS[name], "marker": "D"}
    _, backend, precision, _ = name.split("/")
    return {"color": PRECISION_COLOURS.get(precision, "#8f55c6"), "marker": MARKERS.get(backend, "v")}


def _latency(engine: Results) -> Any:
    """Median per sub-network and contender on a logarithmic axis, with a line up to p95."""
    threads, found = _most_threads(engine)
    figure, axes = plt.subplots(figsize=(8.2, 4.4))
    names, contenders = list(found["points"]), shown_contenders(found)
    spread = np.linspace(-0.27, 0.27, len(contenders))
    for offset, contender in zip(spread, contenders, strict=True):
        rows = [(i, found["points"][n]["contenders"].get(contender)) for i, n in enumerate(names)]
        at = np.array([i + offset for i, row in rows if row])
        median = np.array([row["median_ms"] for _, row in rows if row])
        p95 = np.array([row["p95_ms"] for _, row in rows if row])
        style = _style(contender)
        axes.vlines(at, median, p95, color=style["color"], linewidth=1.5)
        axes.plot(at, median, linestyle="", markersize=6, label=label(contender), **style)
    axes.set_yscale("log")
    ticks = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(names)), names)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("one inference [ms]: median, line to p95")
    figure.legend(loc="outside right upper", title=f"{threads} threads, batch 1", alignment="left")
    return figure


def _gemm_share(engine: Results) -> Any:
    """fp32: fraction of the machine's matrix product per sub-network, ours and the reference."""
    _, found = _most_threads(engine)
    figure, axes = plt.subplots(figsize=(7.2, 3.4))
    names = list(found["points"])
    contenders = ["ofa extracted", *filter(None, [best_placement(found, reduced=False)])]
    height = 0.38
    for index, contender in enumerate(reversed(contenders)):
        shares = [100 * found["points"][n]["contenders"][contender]["gemm_share"] for n in names]
        at = np.arange(len(names)) + (0.5 - index) * height
        bars = axes.barh(at, shares, height, color=_style(contender)["color"], label=label(contender))
        axes.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=9)
    axes.axvline(70, color=LIMIT, linewidth=1.2, linestyle="--", label="target for the largest")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, 100)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("multiply-adds per second, % of a 1024³ matrix product (fp32)")
    figure.legend(loc="outside upper left", ncols=3)
    return figure


def _frame_path(frame_path: Results) -> Any:
    """bgr8 to 224 pixels: median per image size and contender."""
    rows = {title: row for title, row in frame_path["bgr8"].items() if title.endswith(" 224")}
    figure, axes = plt.subplots(figsize=(7.2, 0.8 + 1.5 * len(rows)))
    limits = {"bgr8 640x480 to 224": 0.5, "bgr8 1920x1080 to 224": 1.5}
    titles = list(rows)
    contenders = [name for name in FRAME_COLOURS if all(name in row for row in rows.values())]
    height = 0.8 / len(contenders)
    for index, contender in enumerate(contenders):
        at = np.arange(len(titles)) + (index - (len(contenders) - 1) / 2) * height
        values = [rows[title][contender]["median_ms"] for title in titles]
        colour, name = FRAME_COLOURS[contender], FRAME_NAMES[contender]
        bars = axes.barh(at, values, 0.92 * height, color=colour, label=name)
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=9)
    for index, title in enumerate(titles):
        if title in limits:
            axes.vlines(limits[title], index - 0.45, index + 0.45, color=LIMIT, linestyle="--", linewidth=1.2)
    axes.plot([], [], color=LIMIT, linestyle="--", label="target")
    axes.set_yticks(range(len(titles)), [title.removeprefix("bgr8 ") for title in titles])
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("crop, resize, colours on one thread: median [ms]")
    figure.legend(loc="outside upper left", ncols=3)
    return figure


def _switch(switch: Results) -> Any:
    """How long a decision takes until it is in force."""
    families = switch["decision_to_ready"]
    figure, axes = plt.subplots(figsize=(7.2, 3.2))
    for (family, row), colour in zip(families.items(), ("#3f72d8", "#e38331"), strict=False):
        edges, counts = np.array(row["histogram"]["edges_us"]), np.array(row["histogram"]["counts"])
        text = f"{family}: p50 {row['median_us']:.0f}, p99 {row['p99_us']:.0f} µs"
        axes.stairs(100 * counts / counts.sum(), edges, linewidth=1.6, color=colour, label=text)
    axes.axvline(50, color=LIMIT, linewidth=1.2, linestyle="--", label="target for p99: 50 µs")
    axes.set_xscale("log")
    axes.set_xlim(1, 1000)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("decision received to in force for the next frame [µs]")
    axes.set_ylabel("decisions [%]")
    axes.legend(loc="upper right")
    return figure


def _decision(decision: Results) -> Any:
    """Time of a decision against the number of combinations: median, line to p99, and how many are exact."""
    figure, (axes, below) = plt.subplots(
        2, 1, figsize=(7.2, 4.6), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    runs = (
        ("default", "#3f72d8", f"at most {decision['node_budget']:,} partial choices (default)"),
        ("unlimited", "#e38331", "until the best is proven"),
    )
    for (key, colour, text), offset in zip(runs, (0.85, 1.18), strict=True):
        rows = [row[key] for row in decision["growth"]]
        at = offset * np.array([row["combinations"] for row in rows])
        median = np.array([row["decision"]["median_ms"] for row in rows])
        p99 = np.array([row["decision"]["p99_ms"] for row in rows])
        axes.vlines(at, median, p99, color=colour, linewidth=1.5)
        axes.plot(at, median, linestyle="", marker="o", markersize=6, color=colour, label=text)
        exact = [100 * row["exact_share"] for row in rows]
        below.plot(at, exact, marker="o", markersize=4, linewidth=1, color=colour)
    axes.axhline(2.0, color=LIMIT, linewidth=1.2, linestyle="--", label="target for p99 at 4 x 50 x 640")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator([0.2, 0.5, 1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("decision [ms]: median, line to p99")
    below.set_ylabel("exact [%]")
    below.set_ylim(-5, 105)
    below.set_xlabel("combinations of points and clock settings")
    figure.legend(loc="outside upper left", ncols=1)
    return figure
