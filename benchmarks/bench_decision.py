"""The arbiter's decisions: how long one takes on one core, whether it is exact, and how both grow with the
number of combinations. Random questions (`decisions.py`), each asked again and again with other slow-downs,
then once after a cap took the highest clocks, and once after another application came for the last one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from decisions import combinations, later, question
from disturbance import waited_s
from dynofa_ros.manager.arbiter import arbiter_kernel
from dynofa_ros.manager.arbiter.arbiter import NODE_BUDGET, arbitrate
from dynofa_ros.manager.arbiter.problem import ArbiterInput, ArbiterResult
from harness import Part, Results, Target, at_least, at_most, summary

LARGE_MS, ONE_MS = 2.0, 0.2
CAPPED_CLOCKS = 3
"""Clocks of each domain that a cap takes away."""
NO_BUDGET = 10**9
DISTURBED = 0.02
"""A decision that waited for a core for more than this share of its time is left out."""
LARGE = {"applications": 4, "points": 50, "cpu_clocks": 32, "gpu_clocks": 20}
CASES: dict[str, dict[str, Any]] = {
    "1 application x 6 points x 176 settings": {
        "applications": 1, "points": 6, "cpu_clocks": 22, "gpu_clocks": 8,
    },
    "1 application x 24 points x 176 settings": {
        "applications": 1, "points": 24, "cpu_clocks": 22, "gpu_clocks": 8,
    },
    "2 applications x 24 points x 176 settings": {
        "applications": 2, "points": 24, "cpu_clocks": 22, "gpu_clocks": 8,
    },
    "4 applications x 50 points x 640 settings": LARGE,
    "the same, waiting for each other's inferences": {**LARGE, "exclusive": True},
}  # fmt: skip
GROWTH = (
    (1, 8, 4, 3), (1, 24, 22, 8), (2, 12, 12, 8), (2, 24, 22, 8), (3, 16, 16, 16), (4, 10, 10, 10),
    (4, 24, 22, 8), (4, 50, 32, 20), (5, 50, 32, 20), (6, 50, 32, 20),
)  # fmt: skip
"""Applications, points of each, clocks of the CPU and of the GPU."""


class Clock:
    """Times decisions; those that had to wait for a core are left out."""

    def __init__(self, budget: int, compiled: bool) -> None:
        self.budget, self.compiled = budget, compiled
        self.took_ms: dict[str, list[float]] = {}
        self.disturbed = 0

    def time(self, kind: str, asked: ArbiterInput) -> ArbiterResult:
        """One decision."""
        waited = waited_s()
        start_s = time.perf_counter()
        result = arbitrate(asked, self.budget, self.compiled)
        elapsed_s = time.perf_counter() - start_s
        if waited_s() - waited > DISTURBED * elapsed_s:
            self.disturbed += 1
        else:
            self.took_ms.setdefault(kind, []).append(1e3 * elapsed_s)
        return result


def ask(sizes: dict[str, Any], questions: int, repeats: int, budget: int, compiled: bool) -> Results:
    """Time decisions; those whose tables are laid out anew are reported by themselves."""
    clock = Clock(budget, compiled)
    results = []
    for seed in range(questions):
        asked, rng = question(seed, **sizes), np.random.default_rng(seed)
        clock.time("first", asked)
        for _ in range(repeats):
            asked = later(asked, rng)
            results.append(clock.time("decision", asked))
        clock.time("capped", _capped(asked))
        clock.time("joined", _joined(asked, question(questions + seed, **sizes)))
    nodes = [result.nodes for result in results]
    return {
        "combinations": combinations(asked),
        **{kind: summary(took_ms) for kind, took_ms in clock.took_ms.items()},
        "disturbed": clock.disturbed,
        "exact_share": float(np.mean([result.exact for result in results])),
        "feasible_share": float(np.mean([result.feasible for result in results])),
        "nodes_median": float(np.median(nodes)),
        "nodes_max": int(max(nodes)),
    }


def _capped(asked: ArbiterInput) -> ArbiterInput:
    """The same question without the highest clocks."""
    kept = [table.available_mhz[:-CAPPED_CLOCKS] or table.available_mhz[:1] for table in asked.clocks]
    pairs = zip(asked.clocks, kept, strict=True)
    return replace(asked, clocks=tuple(replace(table, available_mhz=mhz) for table, mhz in pairs))


def _joined(asked: ArbiterInput, other: ArbiterInput) -> ArbiterInput:
    """The same question with an application of another one in place of the last."""
    return replace(asked, applications=(*asked.applications[:-1], other.applications[0]))


@contextmanager
def one_core() -> Iterator[None]:
    """This thread on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usable)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


@one_core()
def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """All cases with the default budget, then growth with it and without."""
    questions, repeats = (10, 3) if options.quick else (options.questions, 10)
    compiled = arbiter_kernel.load() is not None
    cases = {
        name: ask(sizes, questions, repeats, NODE_BUDGET, compiled)
        for name, sizes in tqdm(CASES.items(), desc="cases")
    }
    growth = []
    for applications, points, cpu_clocks, gpu_clocks in tqdm(GROWTH, desc="growth"):
        sizes = {
            "applications": applications, "points": points,
            "cpu_clocks": cpu_clocks, "gpu_clocks": gpu_clocks,
        }  # fmt: skip
        row = {"default": ask(sizes, questions // 2, 3, NODE_BUDGET, compiled)}
        row["unlimited"] = ask(sizes, questions // 5, 1, NO_BUDGET, compiled)
        growth.append({**sizes, **row})
    results = {
        "search": arbiter_kernel.describe(),
        "node_budget": NODE_BUDGET,
        "cases": cases,
        "growth": growth,
    }
    large, one = list(cases.values())[3], list(cases.values())[1]
    return results, [
        at_most("decision, 4 x 50 x 640, p99", large["decision"]["p99_ms"], LARGE_MS, "ms"),
        at_least("decision, 4 x 50 x 640, share that is exact", large["exact_share"], 0.95, ""),
        at_most("decision, 1 x 24 x 176, median", one["decision"]["median_ms"], ONE_MS, "ms"),
    ]


part = Part("decision", __doc__, measure)
part.parser.add_argument("--questions", type=int, default=200, help="random questions per case")

if __name__ == "__main__":
    sys.exit(part.main())
