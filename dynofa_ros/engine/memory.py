"""How much memory an operating point takes: estimated before it is compiled, measured after."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path

from dynofa_ros.supernet.space import OfaMbv3Space
from dynofa_ros.supernet.subnet_spec import SubnetSpec

MEGABYTE = 1e6
BYTES_PER_WEIGHT = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}
COPIES = 1.5
"""Of the weights in a resident network: packed for the processor, and what the library keeps beside."""
PLANES = 4
"""Activations alive at a time, in units of the largest one."""


def estimated_bytes(space: OfaMbv3Space, spec: SubnetSpec, precision: str) -> float:
    """Memory of one resident sub-network [bytes]: its weights in `precision`, and its activations (fp32)."""
    weights = n_weights(space, spec) * BYTES_PER_WEIGHT.get(precision, 4) * COPIES
    first = space.first_block()
    widest = max(block.mid_channels for block in space.blocks(spec)[:3])
    plane = (spec.resolution // 2) ** 2 * max(first.mid_channels, widest) * 4
    return weights + PLANES * plane


def n_weights(space: OfaMbv3Space, spec: SubnetSpec) -> int:
    """Weights of convolutions, squeeze-and-excitation and classifier of one sub-network."""
    widths = space.widths
    total = 27 * widths[0]
    for block in space.blocks(spec):
        total += block.in_channels * block.mid_channels if block.expands else 0
        total += block.weights() + 2 * block.mid_channels * block.se_channels
    return total + widths[6] * widths[7] + widths[7] * widths[8] + widths[8] * space.n_classes


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """Memory that this process holds now [bytes]."""
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Return what was freed to the system: compiling frees more than the networks keep."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory that the machine could give without swapping [bytes]."""
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
