"""The simulated Orin Nano Super against what was measured on a real one: docs/simulated_board.md.

python benchmarks/validate_board.py [--data FOLDER] [--docs FOLDER]

Needs orin_nano_super/latency_sweep.csv below --data (default: the folder that DYNOFA_DATA names, else
../shared/data beside the repository); says so and ends well where it is absent.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from board_page import write_page
from board_trials import Trial, periodic, pinned, timed_events
from dynofa_ros.board.options import BoardOptions
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import BoardSpec, find_spec
from dynofa_ros.board.workload import LatencyLaw, network_points
from dynofa_ros.manager.models.latency_model import LatencyFit
from dynofa_ros.manager.operating_point import OperatingPoint
from harness import FOLDER, compose, write_json
from latency_sweep import FILE, SweepRow, fit, groups, read_sweep
from targets import Target, at_least, at_most, show

BOARD = "jetson_orin_nano_super"
ROOT = Path(__file__).resolve().parent.parent
IN_FILE = {"mobilenet": "mobilenet_v2", "proxy": "memory_bound"}
"""Models of the sweep that the board file has as networks."""
SATURATED = (
    # GPU MHz, memory MHz, power mode whose CPU cap holds, measured W
    (1020.0, 3199.0, "MAXN_SUPER", 17.0),
    (918.0, 3199.0, "25W", 14.4),
    (612.0, 2133.0, "15W", 10.5),
)
HOG = (("mobilenet_v2", 4.70, 5.3), ("memory_bound", 6.55, 8.72))
HOG_GBPS = 19.7
Results = dict[str, Any]
Fits = dict[tuple[str, float], LatencyFit]
"""By network and memory clock [MHz]."""


def default_data() -> Path:
    """Where the measured data lie unless --data says otherwise."""
    return Path(os.environ.get("DYNOFA_DATA", ROOT.parent / "shared" / "data"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Validate, write results and page; 0 also where there are no data."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=default_data(), help="folder with the measured data")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page goes")
    parser.add_argument("--out", type=Path, default=FOLDER / "board.json", help="results file")
    options = parser.parse_args(arguments)
    if not (options.data / FILE).is_file():
        print(f"skipped: {options.data / FILE} is absent; name its folder with --data or DYNOFA_DATA")
        return 0
    results = validate(options.data)
    targets = [target.document() for target in judged(results)]
    document = compose("board", {"board": BOARD}, results, judged(results))
    write_json(options.out, document)
    show("board", targets)
    print(f"{write_page(document, options.docs)}: written")
    return 0


def validate(data: Path) -> Results:
    """Everything that the page shows."""
    rows, spec = read_sweep(data), find_spec(BOARD)
    points = {point.subnet: point for point in network_points(spec) if point.element == "gpu"}
    fits = {key: fit(group) for key, group in groups(rows).items()}
    podgov = periodic(spec, points["mobilenet_v2"], 10.0, 60.0, "25W")
    return {
        "latency": [_latency(row, fits, spec, points) for row in rows],
        "fits": [_coefficients(model, emc_mhz, law) for (model, emc_mhz), law in fits.items()],
        "file": _file_tables(points),
        "power": [_power(row, fits, rows, spec) for row in rows if not math.isnan(row.vdd_in_w)],
        "saturated": [_saturated(spec, *case) for case in SATURATED],
        "podgov": _podgov(spec, points["mobilenet_v2"], podgov),
        "governed": _governed(spec, points["mobilenet_v2"], podgov),
        "hog": [_hog(spec, points[name], *case) for name, *case in HOG],
        "actuation": [_actuation(spec, domain.name) for domain in spec.domains],
        "checks": _checks(spec, points["mobilenet_v2"]),
        "speed": _speed(spec, points["mobilenet_v2"]),
    }


def judged(results: Results) -> list[Target]:
    """What the model has to reach."""
    held_out = [row["fit_error"] for row in results["latency"] if row["held_out"]]
    shipped = [row["file_error"] for row in results["latency"] if row["file_error"] is not None]
    power = [abs(row["model_w"] - row["measured_w"]) for row in results["power"]]
    shares = results["podgov"]["shares"]
    return [
        at_most("latency of held-out points, mean error", 100 * fmean(map(abs, held_out)), 3.0, "%"),
        at_most("latency of the board file's networks, mean error", 100 * fmean(map(abs, shipped)), 3.0, "%"),
        at_most("board power, mean error over the sweep", fmean(power), 0.4, "W"),
        at_least("frames at 510 MHz under nvhost_podgov", 100 * shares.get("510", 0.0), 95.0, "%"),
        at_most("one event of the board", results["speed"]["event_us"], 10.0, "us"),
    ]


def _coefficients(model: str, emc_mhz: float, law: LatencyFit) -> Results:
    return {"model": model, "emc_mhz": emc_mhz, "k": law.k_ms_ghz, "b": law.fixed_ms, "m": law.floor_ms}


def _latency(
    row: SweepRow,
    fits: dict[tuple[str, float], LatencyFit],
    spec: BoardSpec,
    points: dict[str, OperatingPoint],
) -> Results:
    found = fits.get((row.model, row.emc_mhz))
    fit_ms = found.time_ms(row.gpu_mhz) if found else None
    point = points.get(IN_FILE.get(row.model, ""))
    in_file = point is not None and _emc(spec, row) >= point.memory_mhz[0]
    clocks = {"gpu": row.gpu_mhz, "emc": _emc(spec, row)}
    file_ms = LatencyLaw(spec).time_ms(point, clocks) if point and in_file else None
    return {
        "model": row.model,
        "emc_mhz": row.emc_mhz,
        "gpu_mhz": row.gpu_mhz,
        "measured_ms": row.p50_ms,
        "held_out": found is not None and not row.fitted,
        "fit_ms": fit_ms,
        "fit_error": None if fit_ms is None else fit_ms / row.p50_ms - 1.0,
        "file_ms": file_ms,
        "file_error": None if file_ms is None else file_ms / row.p50_ms - 1.0,
    }


def _file_tables(points: dict[str, OperatingPoint]) -> list[Results]:
    return [
        {
            "name": name,
            "emc_mhz": emc_mhz,
            "k": point.clocked_ms[j] * point.reference_mhz / 1e3,
            "b": point.fixed_ms[j],
            "m": point.floor_ms[j],
        }
        for name, point in points.items()
        for j, emc_mhz in enumerate(point.memory_mhz)
    ]


def _emc(spec: BoardSpec, row: SweepRow) -> float:
    """The memory clock of the board file that the sweep rounds."""
    table = next(domain.available_mhz for domain in spec.domains if domain.name == "emc")
    return min(table, key=lambda mhz: abs(mhz - row.emc_mhz))


def _power(row: SweepRow, fits: Fits, rows: list[SweepRow], spec: BoardSpec) -> Results:
    """The row played on the simulated board, its measured time split by the nearest fit of its model.

    A model measured at one GPU clock only counts as clocked for the shortest time it took at any memory
    clock.
    """
    nearest = min((e for m, e in fits if m == row.model), key=lambda e: abs(e - row.emc_mhz), default=None)
    if nearest is not None:
        clocked_ms = min(fits[row.model, nearest].k_ms_ghz / (row.gpu_mhz / 1e3), row.p50_ms)
    else:
        clocked_ms = min(other.p50_ms for other in rows if other.model == row.model)
    point = OperatingPoint(
        row.model,
        element="gpu",
        latency_ms=row.p50_ms,
        clock_domain="gpu",
        clocked_fraction=clocked_ms / row.p50_ms,
        reference_mhz=row.gpu_mhz,
    )
    trial = periodic(pinned(spec, _emc(spec, row)), point, row.period_ms, 60.0, governors="performance")
    return {
        "model": row.model,
        "emc_mhz": row.emc_mhz,
        "busy": row.p50_ms / row.period_ms,
        "split_known": nearest is not None,
        "fitted_to": row.model in IN_FILE,
        "measured_w": row.vdd_in_w,
        "model_w": trial.power_w,
        "measured_core_w": row.vdd_cpu_gpu_cv_w,
        "model_core_w": trial.core_w,
    }


def _saturated(spec: BoardSpec, gpu_mhz: float, emc_mhz: float, mode: str, measured_w: float) -> Results:
    board = SimulatedBoard(spec, BoardOptions(power_mode=mode, governors="performance"))
    board.occupy("gpu", "saturating", 1.0, 1.0)
    assert (board.mhz("gpu"), board.mhz("emc")) == (gpu_mhz, emc_mhz)
    watts = {voltage: _with_load(spec, mode, voltage).power_w() for voltage in ("flat", "nominal", "steep")}
    return {"gpu_mhz": gpu_mhz, "emc_mhz": emc_mhz, "mode": mode, "measured_w": measured_w, "model_w": watts}


def _with_load(spec: BoardSpec, mode: str, voltage: Any) -> SimulatedBoard:
    board = SimulatedBoard(spec, BoardOptions(power_mode=mode, governors="performance", voltage=voltage))
    board.occupy("gpu", "saturating", 1.0, 1.0)
    return board


def _podgov(spec: BoardSpec, point: OperatingPoint, trial: Trial) -> Results:
    whole = periodic(spec, point, 10.0, 60.0, "25W", fixed_part_counts=True)
    return {
        "shares": {f"{mhz:g}": share for mhz, share in trial.gpu_mhz.items()},
        "whole_shares": {f"{mhz:g}": share for mhz, share in whole.gpu_mhz.items()},
        "trace": [(round(now_s, 4), mhz) for now_s, mhz in trial.trace if now_s < 2.0],
    }


def _governed(spec: BoardSpec, point: OperatingPoint, governed: Trial) -> list[Results]:
    held = periodic(spec, point, 10.0, 60.0, "25W", governors="performance")
    light = periodic(spec, point, 125.0, 60.0, "25W", governors="performance")
    return [
        {"case": "nvhost_podgov, schedutil, 100 Hz", "measured_w": 4.76, "model_w": governed.power_w},
        {"case": "clocks pinned, 100 Hz", "measured_w": 6.63, "model_w": held.power_w},
        {"case": "clocks pinned, 8 Hz", "measured_w": None, "model_w": light.power_w},
    ]


def _hog(spec: BoardSpec, point: OperatingPoint, alone_ms: float, beside_ms: float) -> Results:
    clocks, law = {"gpu": 1020.0, "emc": 2133.0}, LatencyLaw(spec)
    return {
        "network": point.subnet,
        "measured_ms": [alone_ms, beside_ms],
        "model_ms": [law.time_ms(point, clocks), law.time_ms(point, clocks, bandwidth_gbps=HOG_GBPS)],
    }


def _actuation(spec: BoardSpec, domain: str) -> Results:
    board = SimulatedBoard(spec, BoardOptions(seed=1))
    delays = sorted(board.actuation_ms(domain, index) for index in range(10_000))
    return {"domain": domain, "p50_ms": median(delays), "p95_ms": delays[9_500]}


def _checks(spec: BoardSpec, point: OperatingPoint) -> list[Results]:
    """Single figures with the range that was measured."""
    idle = {emc: SimulatedBoard(pinned(spec, emc)).power_w() for emc in (665.6, 2133.0, 3199.0)}
    full = SimulatedBoard(pinned(spec, 2133.0), BoardOptions(governors="performance"))
    idle_w = full.power_w()
    full.occupy("cpu", "stress", 1.0)
    stressed_w = full.power_w() - idle_w
    energy_mj = spec.power.energy_mj(point, full.clocks())
    heated, start_degc = SimulatedBoard(spec), SimulatedBoard(spec).temperature_degc()
    heated.set_power("heater", 10.0)
    heated.advance(1000.0)
    rise = (heated.temperature_degc() - start_degc) / 10.0
    steady_degc = heated.temperature_degc() - rise * heated.power_w()
    return [
        _check("idle, governors, EMC 665 MHz", idle[665.6], 3.0, 4.8, "W"),
        _check("idle, governors, EMC 2133 MHz", idle[2133.0], 3.0, 4.8, "W"),
        _check(
            "idle, governors, EMC 3199 MHz (measured: memory clock not stated)", idle[3199.0], 3.0, 4.8, "W"
        ),
        _check("idle, clocks pinned, EMC 2133 MHz", idle_w, 5.7, 5.7, "W"),
        _check("stress on all CPU cores adds", stressed_w, 3.3, 3.5, "W"),
        _check("one MobileNetV2 inference, 1020 MHz, EMC 2133 MHz", energy_mj, 29.0, 29.0, "mJ"),
        _check("junction temperature per watt", rise, 1.36, 1.52, "degC/W"),
        _check("junction temperature at no power, 25 degC ambient", steady_degc, 39.8, 42.7, "degC"),
    ]


def _check(name: str, simulated: float, low: float, high: float, unit: str) -> Results:
    return {"name": name, "simulated": simulated, "measured": [low, high], "unit": unit}


def _speed(spec: BoardSpec, point: OperatingPoint) -> Results:
    """Fastest of nine runs: what an event costs, and how much faster than the clock the board runs alone."""
    walls, events = zip(*(timed_events(spec, point, 30.0, 20.0) for _ in range(9)), strict=True)
    best_s = min(walls)
    return {"event_us": 1e6 * best_s / events[0], "real_time_factor": 20.0 / best_s}


if __name__ == "__main__":
    raise SystemExit(main())
