"""What the machine can do at most: fp32 matrix products and memory traffic, measured with torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

from ratios import contender_summary
from rounds import interleave

GEMM_SIDE = 1024
GEMM_SIDES = (512, 768, 1024, 1536, 2048)
ARRAY_BYTES = 256 * 2**20
STREAMS = {"copy": 2, "triad": 3}
"""Arrays that each kernel reads and writes; a = b, and a = b + 3 c, as in STREAM."""


def gemm_flop(side: int) -> float:
    """Floating-point operations of a product of two square matrices."""
    return 2.0 * side**3


def gemm(side: int, device: str = "cpu") -> Callable[[], object]:
    """A product of two (side, side) float32 matrices into a third."""
    a, b = (torch.rand(side, side, device=device) for _ in range(2))
    out = torch.empty(side, side, device=device)
    return lambda: torch.mm(a, b, out=out)


def streams(array_bytes: int) -> dict[str, Callable[[], object]]:
    """Copy and triad over float32 arrays of `array_bytes` each."""
    n = array_bytes // 4
    a, b, c = torch.empty(n), torch.ones(n), torch.ones(n)
    return {"copy": lambda: a.copy_(b), "triad": lambda: torch.add(b, c, alpha=3.0, out=a)}


def usable_array_bytes() -> int:
    """ARRAY_BYTES, or a sixteenth of the memory where that is less."""
    return min(ARRAY_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 16)


def measure_peaks(threads: int, rounds: int) -> dict[str, Any]:
    """GFLOP/s by matrix side and GB/s by kernel with `threads` threads of torch."""
    torch.set_num_threads(threads)
    sides = interleave(
        {str(side): gemm(side) for side in GEMM_SIDES}, rounds, title=f"GEMM, {threads} threads"
    )
    array_bytes = usable_array_bytes()
    traffic = interleave(streams(array_bytes), rounds, title=f"memory, {threads} threads")
    gflops = {
        side: gemm_flop(int(side)) / _median_ms(contender_summary(sides, side)) * 1e-6
        for side in sides.times_ms
    }
    gbytes = {
        name: arrays * array_bytes / _median_ms(contender_summary(traffic, name)) * 1e-6
        for name, arrays in STREAMS.items()
    }
    return {
        "gemm_gflop_per_s": gflops,
        "best_gemm_gflop_per_s": max(gflops.values()),
        "gbyte_per_s": gbytes,
        "best_gbyte_per_s": max(gbytes.values()),
        "array_bytes": array_bytes,
    }


def _median_ms(figures: dict[str, float | int | bool]) -> float:
    return float(figures["median_ms"])
