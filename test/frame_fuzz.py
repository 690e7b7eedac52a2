"""Hundreds of thousands of image messages whose fields do not fit each other, through the frame path.

    python test/frame_fuzz.py [COUNT] [SEED]

Prints JSON: how many were prepared, and how many refused by which reason. Every message's bytes end at an
unreadable page, and so does every result: reading or writing one byte too many ends the process.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from dynofa_ros.engine.image import ImageFrame, to_rgb
from dynofa_ros.engine.image_layout import LAYOUTS
from dynofa_ros.engine.preprocess import prepare
from dynofa_ros.errors import InvalidImage
from frame_samples import reference
from guarded_memory import guarded

STRANGE = ("", "BGR8", "bgr8\0", "\x1b[31m", "rgb8 ", "\ud800", "é" * 300, "32FC1", "bayer", "8UC5")
RESOLUTIONS = (1, 2, 7, 16)
CHECKED = 400
"""One frame in so many is compared with the reference."""


def frames(count: int, seed: int) -> Iterator[ImageFrame]:
    """Mostly a consistent header with at most one field changed, sometimes five random fields."""
    rng = np.random.default_rng(seed)
    memory = guarded(1 << 16)
    memory[:] = rng.integers(0, 256, memory.size, np.uint8)
    sizes = rng.integers(1, 48, (count, 2)) * rng.choice([1, 1, 1, 2], (count, 2))
    padding = rng.choice([0, 0, 1, 3, 64], count)
    change = rng.integers(0, 16, count)
    values = rng.integers(-3, 70, (count, 5))
    names = rng.choice(list(LAYOUTS), count).tolist()
    for row in zip(sizes.tolist(), padding.tolist(), change.tolist(), values.tolist(), names, strict=True):
        yield _frame(memory, *row)


def _frame(
    memory: np.ndarray, size: list[int], padding: int, change: int, value: list[int], name: str
) -> ImageFrame:
    """`change` picks the field that `value` replaces or shifts; beyond the fields nothing is changed."""
    height, width = size
    layout = LAYOUTS[name]
    step = width * layout.channels * layout.itemsize + padding
    length = step * layout.rows(height)
    if change == 0:
        width, height, step, length = value[0], value[1], value[2] * 3, value[3] * value[4]
    elif change == 1:
        width += value[0]
    elif change == 2:
        height += value[0]
    elif change == 3:
        step += value[0]
    elif change == 4:
        length += value[0]
    elif change == 5:
        name = STRANGE[value[0] % len(STRANGE)]
    elif change == 6:
        width, height = (1 << (8 + value[0] % 25), 1 << (8 + value[1] % 25))
    length = min(max(length, 0), memory.size)
    return ImageFrame(width, height, name, step, bool(value[1] % 2), memory[memory.size - length :])


def run(count: int, seed: int) -> Counter[str]:
    """Prepare `count` frames; how each ended."""
    ends: Counter[str] = Counter()
    outputs = {r: guarded(r * r * 3).reshape(1, r, r, 3) for r in RESOLUTIONS}
    for index, frame in enumerate(frames(count, seed)):
        resolution = RESOLUTIONS[index % len(RESOLUTIONS)]
        try:
            got = prepare(frame, resolution, outputs[resolution])
        except InvalidImage as refused:
            assert str(refused).isprintable()
            assert str(refused).isascii()
            ends[refused.reason] += 1
            continue
        ends["prepared"] += 1
        if index % CHECKED == 0:
            assert np.abs(got[0] - reference(to_rgb(frame), resolution)).max() <= 8
            ends["compared"] += 1
    return ends


if __name__ == "__main__":
    arguments = [int(text) for text in sys.argv[1:3]]
    print(json.dumps(run(*(arguments + [100_000, 1][len(arguments) :]))))
