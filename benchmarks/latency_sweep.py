"""The measured latency sweep of the Orin Nano Super, and the latency model fitted to parts of it."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from dynofa_ros.manager.models.latency_model import LatencyFit, fit_latency

FILE = Path("orin_nano_super") / "latency_sweep.csv"
FITTED_MHZ = (306.0, 510.0, 714.0, 1020.0)
"""Clocks that fits use; the others are held out."""


@dataclass(frozen=True)
class SweepRow:
    """One measured point; NaN: no power was traced."""

    model: str
    emc_mhz: float
    gpu_mhz: float
    period_ms: float
    p50_ms: float
    p99_ms: float
    vdd_in_w: float
    vdd_cpu_gpu_cv_w: float

    @property
    def fitted(self) -> bool:
        """Whether fits may use it."""
        return self.gpu_mhz in FITTED_MHZ


def read_sweep(folder: Path) -> list[SweepRow]:
    """All rows. OSError where the file is absent, ValueError where a field is no number."""
    with (folder / FILE).open(newline="", encoding="utf-8") as file:
        return [_row(record) for record in csv.DictReader(file)]


def _row(record: dict[str, str]) -> SweepRow:
    def watts(name: str) -> float:
        return float(record[name]) / 1e3 if record[name] else math.nan

    return SweepRow(
        model=record["model"],
        emc_mhz=float(record["emc_mhz"]),
        gpu_mhz=float(record["gpu_mhz"]),
        period_ms=float(record["period_ms"]),
        p50_ms=float(record["p50_ms"]),
        p99_ms=float(record["p99_ms"]),
        vdd_in_w=watts("mean_vdd_in_mw"),
        vdd_cpu_gpu_cv_w=watts("mean_vdd_cpu_gpu_cv_mw"),
    )


def groups(rows: list[SweepRow]) -> dict[tuple[str, float], list[SweepRow]]:
    """Rows by model and memory clock, where several GPU clocks were measured."""
    found: dict[tuple[str, float], list[SweepRow]] = {}
    for row in rows:
        found.setdefault((row.model, row.emc_mhz), []).append(row)
    return {key: group for key, group in found.items() if len({row.gpu_mhz for row in group}) > 2}


def fit(rows: list[SweepRow]) -> LatencyFit:
    """The model of one network at one memory clock, fitted to the clocks that are not held out."""
    return fit_latency((row.gpu_mhz, row.p50_ms) for row in rows if row.fitted)
