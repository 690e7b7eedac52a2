"""docs/simulated_board.md and its plots, from the results of validate_board.py."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from dynofa_ros.manager.models.latency_model import LatencyFit
from harness import machine_name
from report_plots import STYLE
from targets import limit_text, number, verdict

Results = dict[str, Any]
EMC_COLOURS = {204.0: "#c0392b", 665.0: "#e38331", 2133.0: "#21a088", 3199.0: "#3f72d8"}
TITLES = {
    "mobilenet": "MobileNetV2 (mobilenet)",
    "proxy": "memory-bound (proxy)",
    "cproxyv2": "compute-bound mixture (cproxyv2)",
}
PREFACE = """# The simulated board

How far the simulated Jetson Orin Nano Super agrees with measurements on a real one. Everything called
*simulated* on this page comes from the model; the measured figures are those of the latency sweep of
[jetson-latency-lab](https://github.com/dankang21/jetson-latency-lab) (Apache-2.0, arXiv 2606.16106).
Written by `python benchmarks/validate_board.py`. The Xavier NX has no such data: all its figures are
extrapolated.

The model: clocks chosen by the kernel's own governors inside the limits; inference time
`T = xi * max(k / f + x_m * b, x_m * m)` with k, b, m per memory clock; power
`base + memory + sum over elements of V(f)^2 f * (idle + use * active)`; two thermal time constants;
energy and temperature integrated exactly between events. The equations stand in the docstrings of
`dynofa_ros/board/{workload,element_use,pelt,simulated}.py`, `dynofa_ros/board/governors/*.py` and
`dynofa_ros/manager/{power_model,thermal_model}.py`, the figures with their sources in
`config/boards/*.yaml`."""


def write_page(document: Results, docs: Path) -> Path:
    """Draw the plots and write the page into `docs`; returns the page."""
    results = document["results"]
    docs.mkdir(parents=True, exist_ok=True)
    save_plots(results, docs)
    parts = [
        PREFACE,
        f"**Machine of the simulation.** {machine_name(document['machine'])}.",
        _targets(document["targets"]),
        _latency(results),
        _power(results),
        _governors(results),
        _others(results),
    ]
    page = docs / "simulated_board.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


def save_plots(results: Results, folder: Path) -> None:
    """Latency, power and governor, as SVG that is the same for the same results."""
    mpl.use("Agg")
    with mpl.rc_context(STYLE):
        for name, draw in (("latency", _draw_latency), ("power", _draw_power), ("podgov", _draw_podgov)):
            figure = draw(results)
            figure.savefig(folder / f"simulated_board_{name}.svg", metadata={"Date": None}, facecolor="white")
            plt.close(figure)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _targets(targets: list[Results]) -> str:
    rows = [[t["name"], f"{number(t['value'])} {t['unit']}", limit_text(t), verdict(t)] for t in targets]
    return "## Targets\n\n" + _table(["target", "simulated", "limit", ""], rows)


def _latency(results: Results) -> str:
    rows = []
    for found in results["fits"]:
        mine = [
            row
            for row in results["latency"]
            if (row["model"], row["emc_mhz"]) == (found["model"], found["emc_mhz"])
        ]
        rows.append([found["model"], f"{found['emc_mhz']:g}", *_coefficients(found), *_errors(mine)])
    head = ["network", "EMC MHz", "k ms GHz", "b ms", "m ms", "fitted: mean error", "held out: mean", "worst"]
    return "\n\n".join(
        [
            "## Latency against clocks",
            "Each network and memory clock was fitted on 306, 510, 714 and 1020 MHz only; 408, 612, 816 and "
            "918 MHz are held out and predicted. Measured: median of the sweep.",
            "![Latency: measured, fitted, predicted](simulated_board_latency.svg)",
            _table(head, rows),
            "The compute-bound mixture at EMC 3199 was slower at 1020 than at 918 MHz on the real board; the "
            "model has nothing for that.",
            "The board file carries k, b, m fitted over all clocks of the two networks that it names:",
            _file_table(results),
            "### Every measured point",
            _points(results),
        ]
    )


def _coefficients(found: Results) -> list[str]:
    return [f"{found['k']:.3f}", f"{found['b']:.3f}", f"{found['m']:.2f}" if found["m"] else "-"]


def _errors(rows: list[Results]) -> list[str]:
    fitted = [100 * abs(row["fit_error"]) for row in rows if not row["held_out"]]
    held_out = [100 * abs(row["fit_error"]) for row in rows if row["held_out"]]
    return [f"{fmean(fitted):.1f} %", f"{fmean(held_out):.1f} %", f"{max(held_out):.1f} %"]


def _file_table(results: Results) -> str:
    names = {"mobilenet_v2": "mobilenet", "memory_bound": "proxy"}
    rows = []
    for table in results["file"]:
        errors = [
            100 * abs(row["file_error"])
            for row in results["latency"]
            if row["model"] == names[table["name"]]
            and abs(row["emc_mhz"] - table["emc_mhz"]) < 1.0
            and row["file_error"] is not None
        ]
        head = [table["name"], f"{table['emc_mhz']:g}", *_coefficients(table)]
        worst = [f"{fmean(errors):.1f} %", f"{max(errors):.1f} %"] if errors else ["-", "-"]
        rows.append([*head, str(len(errors)), *worst])
    return _table(["network", "EMC MHz", "k ms GHz", "b ms", "m ms", "points", "mean error", "worst"], rows)


def _points(results: Results) -> str:
    def cell(value: float | None, error: float | None) -> str:
        return "-" if value is None or error is None else f"{value:.2f} ({100 * error:+.1f} %)"

    rows = [
        [
            row["model"],
            f"{row['emc_mhz']:g}",
            f"{row['gpu_mhz']:g}",
            f"{row['measured_ms']:.2f}",
            cell(row["fit_ms"], row["fit_error"]),
            "held out" if row["held_out"] else "fitted" if row["fit_ms"] is not None else "one clock only",
            cell(row["file_ms"], row["file_error"]),
        ]
        for row in results["latency"]
    ]
    head = ["network", "EMC MHz", "GPU MHz", "measured ms", "simulated ms", "", "board file, simulated ms"]
    return _table(head, rows)


def _power(results: Results) -> str:
    rows = [
        [
            row["model"],
            f"{row['emc_mhz']:g}",
            f"{100 * row['busy']:.1f} %",
            f"{row['measured_w']:.2f}",
            f"{row['model_w']:.2f}",
            f"{row['measured_core_w']:.2f}",
            f"{row['model_core_w']:.2f}",
            _role(row),
        ]
        for row in results["power"]
    ]
    head = ["network", "EMC MHz", "busy", "VDD_IN W", "simulated", "VDD_CPU_GPU_CV W", "simulated", ""]
    saturated = [
        [
            f"{row['gpu_mhz']:g}",
            f"{row['emc_mhz']:g}",
            row["mode"],
            f"{row['measured_w']:.1f}",
            *(f"{row['model_w'][voltage]:.1f}" for voltage in ("flat", "nominal", "steep")),
        ]
        for row in results["saturated"]
    ]
    return "\n\n".join(
        [
            "## Power",
            "All rows of the sweep with traced power: GPU at 1020 MHz, all clocks pinned, played period by "
            "period on the simulated board.",
            "![Board power: measured and simulated](simulated_board_power.svg)",
            _table(head, rows),
            "Saturated GPU, board total, under three assumptions on V(f), equal at full clock:",
            _table(["GPU MHz", "EMC MHz", "mode", "measured W", "flat", "nominal", "steep"], saturated),
        ]
    )


def _role(row: Results) -> str:
    if row["fitted_to"]:
        return "fitted to"
    return "held out" if row["split_known"] else "held out, split estimated"


def _governors(results: Results) -> str:
    def shares(found: dict[str, float]) -> str:
        return ", ".join(f"{100 * share:.1f} % at {mhz} MHz" for mhz, share in found.items() if share > 0.005)

    rows = [
        [
            row["case"],
            "-" if row["measured_w"] is None else f"{row['measured_w']:.2f}",
            f"{row['model_w']:.2f}",
        ]
        for row in results["governed"]
    ]
    governed, held = results["governed"][:2]
    measured_saving = held["measured_w"] - governed["measured_w"]
    saving = held["model_w"] - governed["model_w"]
    return "\n\n".join(
        [
            "## nvhost_podgov",
            "MobileNetV2 released at 100 Hz in 25W mode leaves the real board's GPU at 510 MHz. Simulated, "
            f"60 s, frames: {shares(results['podgov']['shares'])}. Were the fixed part b busy GPU time too: "
            f"{shares(results['podgov']['whole_shares'])}.",
            "![GPU clock under nvhost_podgov, simulated](simulated_board_podgov.svg)",
            "Board power in 25W mode:",
            _table(["case", "measured W", "simulated W"], rows),
            f"The governor saves {measured_saving:.2f} W measured, {saving:.2f} W simulated. The absolute "
            "figures do not fit the sweep: there, idle with pinned clocks at EMC 3199 already draws 6.7 W "
            "and an inference 30 mJ, which makes 3 W at 100 Hz. They come from another run, whose memory "
            "clock and base load are not known; the model follows the sweep.",
        ]
    )


def _others(results: Results) -> str:
    hog = [
        [
            row["network"],
            *(f"{value:.2f}" for value in row["measured_ms"]),
            *(f"{value:.2f}" for value in row["model_ms"]),
        ]
        for row in results["hog"]
    ]
    delays = [[row["domain"], f"{row['p50_ms']:.2f}", f"{row['p95_ms']:.2f}"] for row in results["actuation"]]
    checks = [
        [row["name"], _range(row["measured"], row["unit"]), f"{row['simulated']:.2f} {row['unit']}"]
        for row in results["checks"]
    ]
    speed = results["speed"]
    return "\n\n".join(
        [
            "## Memory contention",
            "Beside a hog of 19.7 GB/s, GPU 1020 MHz, EMC 2133 (the coefficient is fitted to these):",
            _table(["network", "alone ms", "beside ms", "alone, simulated", "beside, simulated"], hog),
            "## Time to effect of a clock change",
            "10 000 simulated changes; measured p50 / p95: CPU 1.0-1.4 / 1.65, GPU 4.8-5.3 / 6.3, "
            "EMC 7.5-8.7 / 9.7 ms.",
            _table(["domain", "p50 ms", "p95 ms"], delays),
            "## Single figures",
            _table(["figure", "measured", "simulated"], checks),
            "## Cost",
            f"One event of the board takes {speed['event_us']:.1f} us; alone, with frames at 30 Hz, it runs "
            f"{speed['real_time_factor']:.0f} times faster than the clock.",
        ]
    )


def _range(ends: list[float], unit: str) -> str:
    low, high = ends
    return f"{low:g} {unit}" if low == high else f"{low:g} to {high:g} {unit}"


def _draw_latency(results: Results) -> Any:
    figure, panels = plt.subplots(1, 3, figsize=(11.0, 3.8))
    for axes, model in zip(panels, TITLES, strict=True):
        for found in results["fits"]:
            if found["model"] == model:
                _draw_fit(axes, found, results["latency"])
        axes.set_title(TITLES[model], fontsize=10)
        axes.set_xlabel("GPU clock [MHz]")
        axes.set_ylim(bottom=0.0)
    panels[0].set_ylabel("inference time [ms]")
    panels[0].legend(title="EMC clock; hollow: held out", fontsize=8, title_fontsize=8)
    return figure


def _draw_fit(axes: Any, found: Results, latency: list[Results]) -> None:
    colour = EMC_COLOURS[found["emc_mhz"]]
    mine = [row for row in latency if (row["model"], row["emc_mhz"]) == (found["model"], found["emc_mhz"])]
    law = LatencyFit(found["k"], found["b"], found["m"])
    clocks = list(range(300, 1031, 5))
    axes.plot(
        clocks, [law.time_ms(mhz) for mhz in clocks], color=colour, linewidth=1.2,
        label=f"{found['emc_mhz']:g} MHz",
    )  # fmt: skip
    for held_out, face in ((False, colour), (True, "white")):
        shown = [row for row in mine if row["held_out"] == held_out]
        axes.plot(
            [row["gpu_mhz"] for row in shown], [row["measured_ms"] for row in shown],
            linestyle="", marker="o", markersize=5, markeredgecolor=colour, markerfacecolor=face,
        )  # fmt: skip


def _draw_power(results: Results) -> Any:
    figure, axes = plt.subplots(figsize=(5.0, 4.2))
    for fitted_to, face in ((True, "#3f72d8"), (False, "white")):
        shown = [row for row in results["power"] if row["fitted_to"] == fitted_to]
        axes.plot(
            [row["measured_w"] for row in shown], [row["model_w"] for row in shown],
            linestyle="", marker="o", markeredgecolor="#3f72d8", markerfacecolor=face,
            label="sweep, fitted to" if fitted_to else "sweep, held out",
        )  # fmt: skip
    saturated = results["saturated"]
    axes.plot(
        [row["measured_w"] for row in saturated], [row["model_w"]["nominal"] for row in saturated],
        linestyle="", marker="D", color="#e38331", label="saturated GPU",
    )  # fmt: skip
    axes.plot([5.0, 18.0], [5.0, 18.0], color="#8b93a3", linewidth=0.8)
    axes.set_xlabel("measured board power [W]")
    axes.set_ylabel("simulated [W]")
    axes.legend()
    return figure


def _draw_podgov(results: Results) -> Any:
    figure, axes = plt.subplots(figsize=(7.0, 2.8))
    trace = results["podgov"]["trace"]
    axes.step([now_s for now_s, _ in trace], [mhz for _, mhz in trace], where="post", color="#3f72d8")
    axes.axhline(510.0, color="#c0392b", linewidth=0.8, linestyle="--", label="settled on the real board")
    axes.set_xlabel("time [s], simulated")
    axes.set_ylabel("GPU clock [MHz]")
    axes.set_ylim(250.0, 700.0)
    axes.legend()
    return figure
