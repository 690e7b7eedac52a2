"""Questions for the arbiter, as random as robots are: families on a board's elements, targets, budgets.

Every application has as many sub-networks as its points allow, each on the GPU and with one, two and four
threads on the CPU (times and accuracies along one curve, so that none dominates another); its target, floor,
budget, objective and priority are drawn. Board figures are those of the Xavier NX file: two clock domains.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dynofa_ros.board.spec import find_spec
from dynofa_ros.manager.arbiter.problem import (
    ArbiterApplication,
    ArbiterElement,
    ArbiterInput,
    ClockTable,
    HeatLimit,
)
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective

PLACEMENTS = (("gpu", 0), ("cpu", 1), ("cpu", 2), ("cpu", 4))
PERIODS_MS = (33.3, 50.0, 66.7, 100.0)
NAN = math.nan

Generator = np.random.Generator


def question(
    seed: int, applications: int, points: int, cpu_clocks: int, gpu_clocks: int, exclusive: bool = False
) -> ArbiterInput:
    """A random question; the same for the same arguments. With `exclusive` inferences wait for each other."""
    rng = np.random.default_rng(seed)
    spec = find_spec("jetson_xavier_nx")
    tables = {domain.name: domain.available_mhz for domain in spec.domains}
    clocks = [_table(rng, "cpu0", tables["cpu0"], cpu_clocks), _table(rng, "gpu", tables["gpu"], gpu_clocks)]
    return ArbiterInput(
        tuple(_application(rng, f"app{i}", points) for i in range(applications)),
        clocks=tuple(clocks),
        elements=(
            ArbiterElement("cpu", 6, float(rng.uniform(0.0, 0.2)), exclusive),
            ArbiterElement("gpu", 0, 0.0, exclusive),
        ),
        power=spec.models().power,
        other_clocks={"emc": tables["emc"][-1]},
        heat=HeatLimit(45.0, 1.0, float(rng.choice([62.0, 85.0]))),
    )


def later(asked: ArbiterInput, rng: Generator) -> ArbiterInput:
    """The same question some time later: every measured slow-down has moved."""
    return replace(
        asked,
        applications=tuple(
            replace(app, slowdown_tail=app.slowdown_tail * float(rng.uniform(0.95, 1.05)))
            for app in asked.applications
        ),
    )


def combinations(asked: ArbiterInput) -> float:
    """How many choices there are."""
    settings = math.prod(len(table.available_mhz) for table in asked.clocks)
    return float(settings) * math.prod(float(len(app.points)) for app in asked.applications)


def _table(rng: Generator, domain: str, mhz: tuple[float, ...], count: int) -> ClockTable:
    """As many clocks as asked for between the table's ends; one of them is in force."""
    available = tuple(np.linspace(mhz[0], mhz[-1], count).tolist()) if count > 1 else (mhz[-1],)
    return ClockTable(domain, available, mhz[-1], available[int(rng.integers(count))])


def _application(rng: Generator, name: str, points: int) -> ArbiterApplication:
    period_ms = float(rng.choice(PERIODS_MS))
    return ArbiterApplication(
        name,
        tuple(_points(rng, points)),
        latency_ms=period_ms * float(rng.uniform(0.5, 1.2)),
        min_accuracy=float(rng.choice([NAN, 0.72, 0.75])),
        max_power_w=float(rng.choice([NAN, NAN, 12.0, 16.0])),
        objective=int(rng.choice([Objective.MAX_ACCURACY, Objective.MIN_ENERGY])),
        priority=int(rng.integers(3)),
        slowdown_tail=float(rng.uniform(1.05, 1.5)),
        slowdown=1.02,
        overhead_ms=3.0,
        period_ms=period_ms,
        current=int(rng.integers(points)),
        margin=0.05,
    )


def _points(rng: Generator, count: int) -> list[OperatingPoint]:
    per_placement = math.ceil(count / len(PLACEMENTS))
    points = []
    for index in range(count):
        element, threads = PLACEMENTS[index // per_placement]
        size = (index % per_placement + float(rng.uniform(0.0, 0.5))) / per_placement
        on_gpu_ms = (4.0 + 16.0 * size**1.3) * float(rng.uniform(0.97, 1.03))
        time_ms = on_gpu_ms if element == "gpu" else 6.0 * on_gpu_ms / threads**0.8
        points.append(
            OperatingPoint(
                f"s{index % per_placement}",
                f"{element}/x/fp16/{max(threads, 1)}",
                element=element,
                threads=threads,
                macs=1e8 * (1.0 + 4.0 * size),
                accuracy=0.70 + 0.12 * size**0.6,
                latency_ms=time_ms,
                clock_domain="gpu" if element == "gpu" else "cpu0",
                clocked_fraction=0.75 if element == "gpu" else 0.9,
                reference_mhz=1109.25 if element == "gpu" else 1907.2,
            )
        )
    return points
