"""GPU: the published sub-networks at width 1.2, batch 1, against `ofa` in eager torch on the same GPU.

Runs where torch finds a CUDA device; elsewhere it writes that it did not run. Energy is the GPU's own counter
(NVML), for the whole GPU, over inferences back to back.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from bench_engine import random_image
from dynofa_ros.engine.backend import BackendUnavailable, CompiledNetwork
from dynofa_ros.engine.backends import available_placements, create_backend
from dynofa_ros.engine.placement import Placement
from dynofa_ros.supernet.family import Family
from harness import Part, Results, Target, at_least, contender_summary, interleave, round_ratios, speed_up
from ofa_contenders import OfaSupernet, relative_error
from published_family import published_family
from rounds import FloatArray, Work

OVER_OFA = 5.0
REFERENCES = ("ofa dynamic", "ofa extracted")
NO_GPU = "no GPU"
ROUNDS, QUICK_ROUNDS = 30, 6
BATCH, SETTLE = 8, 4
ENERGY_S, QUICK_ENERGY_S = 3.0, 0.5


def energy_counter() -> Callable[[], float] | None:
    """Energy that the first GPU has used [J]; None where NVML or its counter is missing."""
    try:
        import pynvml
    except ImportError:
        return None
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        return lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * 1e-3
    return None


def energy_per_call(work: Work, counter: Callable[[], float], duration_s: float) -> dict[str, float]:
    """Energy of one call back to back [mJ], and the mean power meanwhile [W]."""
    work()
    calls, start_j, start_s = 0, counter(), time.perf_counter()
    while time.perf_counter() - start_s < duration_s:
        work()
        calls += 1
    used_j, took_s = counter() - start_j, time.perf_counter() - start_s
    return {"mj_per_inference": 1e3 * used_j / calls, "mean_w": used_j / took_s}


def idle_power_w(counter: Callable[[], float], duration_s: float) -> float:
    """Mean power of the GPU while nothing runs on it [W]."""
    torch.cuda.synchronize()
    start_j, start_s = counter(), time.perf_counter()
    time.sleep(duration_s)
    return (counter() - start_j) / (time.perf_counter() - start_s)


class GpuPoint:
    """One sub-network on the GPU: references, placements, their logits and times."""

    def __init__(self, family: Family, supernet: OfaSupernet, name: str, placements: list[Placement]) -> None:
        image = random_image(family.member(name).spec.resolution)
        makers = (supernet.dynamic, supernet.extracted)
        references = [make(name, image) for make in makers]
        supernet.activate(name)
        self.reference_logits = references[1].logits()
        self.contenders: dict[str, Work] = {
            label: _synchronised(network) for label, network in zip(REFERENCES, references, strict=True)
        }
        self.networks: dict[str, CompiledNetwork] = {}
        self.refused: dict[str, str] = {}
        for placement in placements:
            backend = create_backend(placement.backend, placement.element, placement.precision)
            try:
                network = backend.compile(family.source(name), placement.threads)
            except BackendUnavailable as error:
                self.refused[str(placement)] = str(error)
                continue
            network.input[...] = image
            self.networks[str(placement)] = network
            self.contenders[str(placement)] = network.infer_input

    def errors(self) -> dict[str, float]:
        """Largest difference of the logits, relative to the reference's largest logit."""
        return {
            name: relative_error(network.infer_input(), self.reference_logits)
            for name, network in self.networks.items()
        }


def _synchronised(network: Callable[[], torch.Tensor]) -> Work:
    """A call that returns when the logits are in the host's memory, as every placement's does."""
    return lambda: network().cpu()


def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """All sub-networks, or a note that there is no GPU."""
    name = "best placement over ofa extracted on the same GPU, geometric mean"
    if not torch.cuda.is_available():
        return {"not_run": NO_GPU}, [at_least(name, None, OVER_OFA, "x", why=NO_GPU)]
    family = published_family()
    supernet = OfaSupernet(family, "cuda")
    found, missing = available_placements(1)
    placements = [placement for placement in found if placement.element == "gpu"]
    counter = energy_counter()
    rounds, energy_s = (QUICK_ROUNDS, QUICK_ENERGY_S) if options.quick else (ROUNDS, ENERGY_S)
    points: Results = {}
    ratios: dict[str, dict[str, FloatArray]] = {}
    for subnet in family.names:
        point = GpuPoint(family, supernet, subnet, placements)
        measured = interleave(point.contenders, rounds, BATCH, SETTLE, title=subnet)
        points[subnet] = {
            "contenders": {label: contender_summary(measured, label) for label in point.contenders},
            "logit_error": point.errors(),
            "refused": point.refused,
            "energy": _energies(point.contenders, counter, energy_s),
        }
        for placement in point.networks:
            for reference in REFERENCES:
                pair = f"{placement} over {reference}"
                ratios.setdefault(pair, {})[subnet] = round_ratios(measured, reference, placement)
    speed_ups = {pair: speed_up(r) for pair, r in ratios.items() if len(r) == len(family.names)}
    over_extracted = [figures["value"] for pair, figures in speed_ups.items() if pair.endswith(REFERENCES[1])]
    results = {
        "gpu": torch.cuda.get_device_name(),
        "cuda": torch.version.cuda,
        "points": points,
        "speed_ups": speed_ups,
        "not_available": missing,
        "idle_w": idle_power_w(counter, energy_s) if counter else None,
    }
    best = max(over_extracted, default=None)
    return results, [at_least(name, best, OVER_OFA, "x", why="no placement on the GPU runs here")]


def _energies(
    contenders: dict[str, Work], counter: Callable[[], float] | None, duration_s: float
) -> dict[str, Any]:
    """Energy of every contender; a note where the GPU has no counter or NVML is not there."""
    if counter is None:
        return {"not_run": "no NVML energy counter: install nvidia-ml-py"}
    return {label: energy_per_call(work, counter, duration_s) for label, work in contenders.items()}


part = Part("gpu", __doc__, measure)

if __name__ == "__main__":
    sys.exit(part.main())
