"""The measured latency sweep of the Orin Nano Super, and fits of T = max(k / f + b, m) to parts of it."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILE = Path("orin_nano_super") / "latency_sweep.csv"
FITTED_MHZ = (306.0, 510.0, 714.0, 1020.0)
"""Clocks that fits use; the others are held out."""
FLAT = 0.03
"""Two clocks of one memory clock whose times differ by less than this lie on the floor m."""


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


@dataclass(frozen=True)
class Fit:
    """T[ms] = max(k / f[GHz] + b, m)."""

    k: float
    b: float
    m: float

    def time_ms(self, gpu_mhz: float) -> float:
        """T at a clock."""
        return max(self.k / (gpu_mhz / 1e3) + self.b, self.m)


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


def fit(rows: list[SweepRow]) -> Fit:
    """Least squares over the clocks that are not held out.

    The floor m is the time at the highest clock where the one before it is hardly slower; points on it take
    no part in k and b. A slope that comes out negative is none.
    """
    used = sorted((row.gpu_mhz, row.p50_ms) for row in rows if row.fitted)
    times = {mhz: [t for other, t in used if other == mhz] for mhz, _ in used}
    top, below = sorted(times, reverse=True)[:2]
    floor_ms = float(np.mean(times[top]))
    on_floor = max(times[below]) < floor_ms * (1.0 + FLAT)
    sloped = [(mhz, t) for mhz, t in used if not on_floor or t > floor_ms * (1.0 + FLAT)]
    if len({mhz for mhz, _ in sloped}) < 2:
        sloped, on_floor = used, False
    inverse = np.array([1e3 / mhz for mhz, _ in sloped])
    design = np.stack([inverse, np.ones_like(inverse)], axis=1)
    (k, b), *_ = np.linalg.lstsq(design, np.array([t for _, t in sloped]), rcond=None)
    return Fit(max(float(k), 0.0), max(float(b), 0.0), floor_ms if on_floor else 0.0)
