"""Inference: the published sub-networks at width 1.2 on every placement, against `ofa` in eager torch.

Batch 1, random weights (the same in all contenders), one interleaved run per sub-network and thread count, in
which a 1024^3 matrix product takes part as the machine's own measure. Times are steady: two calls that do not
count precede each batch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from contenders import REFERENCES, best_placement
from dynofa_ros.engine.backend import BackendUnavailable, CompiledNetwork
from dynofa_ros.engine.backends import available_placements, create_backend
from dynofa_ros.engine.placement import Placement, usable_cores
from dynofa_ros.supernet.family import Family
from harness import (
    Part,
    Results,
    Target,
    at_least,
    at_most,
    contender_summary,
    interleave,
    round_ratios,
    speed_up,
)
from layer_times import layer_times
from ofa_contenders import Image, OfaNetwork, OfaSupernet, relative_error
from peaks import GEMM_SIDE, gemm, gemm_flop, measure_peaks
from published_family import published_family
from rounds import FloatArray, Rounds

GEMM = f"GEMM {GEMM_SIDE}^3"
ROUNDS, QUICK_ROUNDS = 20, 6
BATCH, SETTLE, PAUSE_S = 4, 2, 0.01

WEIGHT_BYTES = {"bf16": 2, "fp16": 2, "int8": 1}
"""By precision; 4 otherwise."""

FP32_TOLERANCE = 1e-3
FP32_OVER_EXTRACTED = 3.2
FP32_OVER_DYNAMIC = 3.7
REDUCED_OVER_EXTRACTED = 6.5
GEMM_SHARE = 0.70


def random_image(side: int, seed: int = 0) -> Image:
    """Noise, uint8 (1, side, side, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (1, side, side, 3), np.uint8)


class Point:
    """One sub-network with one number of threads: all contenders, their logits and their times."""

    def __init__(self, family: Family, supernet: OfaSupernet, name: str, placements: list[Placement]) -> None:
        self.family, self.name = family, name
        self.macs = family.member(name).macs
        self.image = random_image(family.member(name).spec.resolution)
        self.references: dict[str, OfaNetwork] = dict(
            zip(
                REFERENCES,
                (
                    make(name, self.image)
                    for make in (supernet.dynamic, supernet.extracted, supernet.channels_last)
                ),
                strict=True,
            )
        )
        supernet.activate(name)
        self.networks: dict[str, CompiledNetwork] = {}
        self.refused: dict[str, str] = {}
        for placement in placements:
            self._compile(placement)

    def _compile(self, placement: Placement) -> None:
        backend = create_backend(placement.backend, placement.element, placement.precision)
        try:
            network = backend.compile(self.family.source(self.name), placement.threads)
        except BackendUnavailable as error:
            self.refused[str(placement)] = str(error)
            return
        network.input[...] = self.image
        self.networks[str(placement)] = network

    def errors(self) -> dict[str, float]:
        """Largest difference of the logits from the reference's, relative to its largest logit."""
        reference = self.references["ofa extracted"].logits()
        own = {
            name: relative_error(network.infer_input(), reference) for name, network in self.networks.items()
        }
        return {**{name: relative_error(n.logits(), reference) for name, n in self.references.items()}, **own}

    def measure(self, rounds: int, threads: int) -> Rounds:
        """Interleaved times of all contenders."""
        torch.set_num_threads(threads)
        own = {name: network.infer_input for name, network in self.networks.items()}
        contenders: dict[str, Callable[[], object]] = {**self.references, **own, GEMM: gemm(GEMM_SIDE)}
        title = f"{self.name}, {threads} threads"
        return interleave(contenders, rounds, BATCH, SETTLE, PAUSE_S, title)

    def describe(self, measured: Rounds, bandwidth: float) -> Results:
        """Figures of every contender; `bandwidth` in GB/s."""
        network = self.family.network(self.name)
        n_weights = network.parameters()
        contenders = {}
        for name in measured.times_ms:
            contenders[name] = contender_summary(measured, name)
            if name != GEMM:
                contenders[name] |= self._rates(measured, name, n_weights, bandwidth)
        errors = self.errors()
        return {
            "macs": self.macs,
            "weights": n_weights,
            "contenders": contenders,
            "logit_error": errors,
            "refused": self.refused,
        }

    def _rates(self, measured: Rounds, name: str, n_weights: int, bandwidth: float) -> dict[str, Any]:
        """Work per time, as fractions of the machine's, and speed-ups over the references.

        The least that must come from memory is every weight once; activations may stay in the caches.
        """
        weight_bytes = next((size for mark, size in WEIGHT_BYTES.items() if mark in name), 4)
        median_s = float(np.median(measured.samples(name))) * 1e-3
        gemm_share = round_ratios(measured, GEMM, name) * 2 * self.macs / gemm_flop(GEMM_SIDE)
        rates: dict[str, Any] = {
            "gflop_per_s": 2 * self.macs / median_s * 1e-9,
            "gemm_share": float(np.median(gemm_share)),
            "bandwidth_share": n_weights * weight_bytes / median_s * 1e-9 / bandwidth,
        }
        for reference in REFERENCES:
            rates[f"over {reference}"] = float(np.median(round_ratios(measured, reference, name)))
        return rates


def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """All sub-networks with every number of threads."""
    family = published_family()
    rounds = QUICK_ROUNDS if options.quick else options.rounds
    supernet = OfaSupernet(family)
    results: Results = {"threads": {}}
    for threads in options.threads:
        results["threads"][str(threads)] = _measure_threads(family, supernet, threads, rounds, options)
    most = max(options.threads)
    return results, _targets(results["threads"][str(most)], most)


def _measure_threads(
    family: Family, supernet: OfaSupernet, threads: int, rounds: int, options: argparse.Namespace
) -> Results:
    """All sub-networks with one number of threads."""
    peaks = measure_peaks(threads, rounds)
    available, missing = available_placements(threads)
    placements = [placement for placement in available if placement.element == "cpu"]
    names = family.names[::5] if options.quick else family.names
    points: Results = {}
    ratios: dict[str, dict[str, FloatArray]] = {}
    for name in names:
        point = Point(family, supernet, name, placements)
        measured = point.measure(rounds, threads)
        points[name] = point.describe(measured, peaks["best_gbyte_per_s"])
        for contender in (*point.networks, *REFERENCES):
            for reference in REFERENCES:
                pair = f"{contender} over {reference}"
                ratios.setdefault(pair, {})[name] = round_ratios(measured, reference, contender)
    family.release_tensors()
    complete = {pair: rounds for pair, rounds in ratios.items() if len(rounds) == len(names)}
    speed_ups = {pair: speed_up(rounds) for pair, rounds in complete.items()}
    largest = layer_times(family.source(names[-1]), threads, rounds)
    return {
        "peaks": peaks,
        "points": points,
        "speed_ups": speed_ups,
        "largest_by_layer": largest,
        "not_available": missing,
    }


def _targets(found: Results, threads: int) -> list[Target]:
    """The targets, which hold for the largest number of threads measured."""
    full, reduced = best_placement(found, reduced=False), best_placement(found, reduced=True)
    what = f"geometric mean, {threads} threads"

    def over(name: str | None, reference: str, limit: float) -> Target:
        value = found["speed_ups"][f"{name} over {reference}"]["value"] if name else None
        kind = "best reduced precision" if limit == REDUCED_OVER_EXTRACTED else "fp32"
        why = "no such placement runs every sub-network here"
        return at_least(f"{kind} over {reference}, {what}", value, limit, "x", why)

    points = found["points"].values()
    errors = [error for p in points for name, error in p["logit_error"].items() if "/fp32/" in name]
    share = list(points)[-1]["contenders"][full]["gemm_share"] if full else None
    return [
        over(full, "ofa extracted", FP32_OVER_EXTRACTED),
        over(full, "ofa dynamic", FP32_OVER_DYNAMIC),
        at_most("fp32 logits, largest error relative to ofa's", max(errors, default=None), FP32_TOLERANCE),
        at_least(
            f"largest sub-network, fp32, fraction of {GEMM}", share, GEMM_SHARE, why="no fp32 placement"
        ),
        over(reduced, "ofa extracted", REDUCED_OVER_EXTRACTED),
    ]


def default_threads() -> list[int]:
    """All usable cores, at most two as in the targets; and one."""
    return sorted({min(2, len(usable_cores())), 1}, reverse=True)


def _threads(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


part = Part("engine", __doc__, measure)
part.parser.add_argument(
    "--threads", type=_threads, default=default_threads(), help="numbers of threads, e.g. 2,1"
)
part.parser.add_argument("--rounds", type=int, default=ROUNDS)

if __name__ == "__main__":
    sys.exit(part.main())
