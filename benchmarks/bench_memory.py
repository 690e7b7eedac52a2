"""Memory: a fresh process with all six published sub-networks at width 1.2 resident and warmed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from dynofa_ros.engine.placement import Placement, usable_cores
from harness import Part, Results, Target, at_most
from published_family import PUBLISHED
from resident import BYTES_PER_WEIGHT, cpu_placements, n_weights, start_resident

WEIGHTS_FACTOR, ALLOWANCE_BYTES = 1.5, 200e6
MEGABYTE = 1e6
BACKENDS = ("native", "openvino", "onnxruntime")
TARGET = ("openvino", "fp32")
"""The full-precision placement that needs the most."""


def describe(placement: Placement, weights: int, cache_folder: Path) -> Results:
    """One placement: memory of a process that compiles, and of one that reads compiled artefacts."""
    results: Results = {"weight_bytes": weights * BYTES_PER_WEIGHT[placement.precision]}
    try:
        for name, folder in (
            ("uncached", None),
            ("filling the cache", cache_folder),
            ("cached", cache_folder),
        ):
            report = start_resident(placement, folder)
            results[name] = {**report["memory"], "not_resident": report["not_resident"]}
            if report["reference_libraries"]:
                raise RuntimeError(f"the engine imported {', '.join(report['reference_libraries'])}")
    except RuntimeError as error:
        return {"not_run": str(error)}
    return results


def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """Every CPU placement, each in its own processes."""
    weights = n_weights()
    placements = cpu_placements(options.threads, BACKENDS)
    if options.quick:
        placements = [p for p in placements if (p.backend, p.precision) == TARGET]
    results: Results = {}
    for placement in tqdm(placements, desc="processes", unit="placement"):
        with tempfile.TemporaryDirectory() as folder:
            results[str(placement)] = describe(placement, weights, Path(folder))
    return {"family": PUBLISHED, "weights": weights, "placements": results}, _targets(
        results, weights, options.threads
    )


def _targets(results: Results, weights: int, threads: int) -> list[Target]:
    backend, precision = TARGET
    found = results[str(Placement("cpu", backend, precision, threads))]
    limit_mb = (WEIGHTS_FACTOR * weights * BYTES_PER_WEIGHT[precision] + ALLOWANCE_BYTES) / MEGABYTE
    targets = []
    for kind, start in (("cached", "cached start"), ("filling the cache", "first start")):
        name = f"resident memory, six sub-networks, {precision}, {start}"
        targets.append(at_most(name, found[kind]["rss_bytes"] / MEGABYTE, limit_mb, "MB"))
    return targets


part = Part("memory", __doc__, measure)
part.parser.add_argument("--threads", type=int, default=min(2, len(usable_cores())))

if __name__ == "__main__":
    sys.exit(part.main())
