"""The measured sweep of an Orin Nano Super beside the repository; tests skip where it is absent."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

SWEEP = Path(__file__).parents[2] / "shared" / "data" / "orin_nano_super" / "latency_sweep.csv"
needs_sweep = pytest.mark.skipif(not SWEEP.is_file(), reason="needs the measured sweep, shared/data")


@dataclass(frozen=True)
class Row:
    model: str
    emc_mhz: float
    gpu_mhz: float
    period_ms: float
    time_ms: float
    power_w: float | None


def rows():
    with SWEEP.open(encoding="utf-8") as file:
        return [
            Row(
                row["model"],
                float(row["emc_mhz"]),
                float(row["gpu_mhz"]),
                float(row["period_ms"]),
                float(row["p50_ms"]),
                float(row["mean_vdd_in_mw"]) / 1e3 if row["mean_vdd_in_mw"] else None,
            )
            for row in csv.DictReader(file)
        ]


def samples(model):
    """Memory clock -> (GPU clock, time) pairs."""
    table = {}
    for row in rows():
        if row.model == model:
            table.setdefault(row.emc_mhz, []).append((row.gpu_mhz, row.time_ms))
    return table
