"""The antialiased bilinear filter of Pillow and torchvision: its taps, and a resize with them in numpy.

Source: `precompute_coeffs` of Pillow's Resample.c and torch's `upsample_bilinear2d_aa`: pixels are centred at
half, the triangle reaches `scale` source pixels to either side when shrinking and one when enlarging, and
weights are normalised after cutting the triangle at the border.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_BLOCK = 16
"""Output rows that share one matrix product: their taps overlap almost entirely."""


@dataclass(frozen=True, eq=False)
class Taps:
    """For each of r output pixels: `count` source pixels from `first` on, weighted.

    `first`, `count`: int32 (r,). `weights`: float64 (r, taps), zero beyond `count`. `fractions`: the same as
    uint16, in 1/65536 (65535 for 1).
    """

    first: npt.NDArray[np.int32]
    count: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float64]
    fractions: npt.NDArray[np.uint16]


@lru_cache(maxsize=64)
def triangle_taps(side: int, resolution: int) -> Taps:
    """Taps that resize `side` pixels to `resolution` pixels."""
    scale = side / resolution
    support = max(scale, 1.0)
    centre = (np.arange(resolution) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.int32), 0)
    count = np.minimum((centre + support + 0.5).astype(np.int32), side) - first
    taps = np.arange(int(count.max()))
    weights = np.maximum(0.0, 1.0 - np.abs(first[:, None] + taps + 0.5 - centre[:, None]) / support)
    weights[taps[None, :] >= count[:, None]] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return Taps(first, count.astype(np.int32), weights, _fractions(weights))


def _fractions(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    """In 1/65536; each row still sums to 1: what rounding leaves goes to the largest weight."""
    rounded = np.rint(weights * 65536.0).astype(np.int64)
    largest = weights.argmax(axis=1)
    rounded[np.arange(len(rounded)), largest] += 65536 - rounded.sum(axis=1)
    return np.minimum(rounded, 65535).astype(np.uint16)


def resize_square(square: npt.NDArray[np.uint8], resolution: int) -> npt.NDArray[np.uint8]:
    """A square uint8 (s, s, 3) resized to uint8 (resolution, resolution, 3), without the compiled kernel."""
    side = square.shape[0]
    rows = _banded(square.reshape(side, -1), resolution)
    columns = rows.reshape(resolution, side, 3).transpose(1, 0, 2).reshape(side, -1)
    small = _banded(columns, resolution).reshape(resolution, resolution, 3).transpose(1, 0, 2)
    return np.asarray(np.rint(small), np.uint8)


def _banded(matrix: npt.NDArray[np.uint8] | Floats, resolution: int) -> Floats:
    """Weighted sums of the rows of `matrix` (s, n): float32 (resolution, n)."""
    result = np.empty((resolution, matrix.shape[1]), np.float32)
    for at, (start, weights) in zip(
        range(0, resolution, _BLOCK), _bands(len(matrix), resolution), strict=True
    ):
        band = matrix[start : start + weights.shape[1]].astype(np.float32, copy=False)
        np.matmul(weights, band, out=result[at : at + _BLOCK])
    return result


@lru_cache(maxsize=16)
def _bands(side: int, resolution: int) -> tuple[tuple[int, Floats], ...]:
    """The taps as small dense matrices, one per block of output rows, each with its first source row."""
    taps = triangle_taps(side, resolution)
    bands = []
    for at in range(0, resolution, _BLOCK):
        block = range(at, min(at + _BLOCK, resolution))
        start, end = int(taps.first[block[0]]), int(taps.first[block[-1]] + taps.count[block[-1]])
        dense = np.zeros((len(block), end - start), np.float32)
        for row, i in enumerate(block):
            begin = int(taps.first[i]) - start
            dense[row, begin : begin + int(taps.count[i])] = taps.weights[i, : taps.count[i]]
        bands.append((start, dense))
    return tuple(bands)
