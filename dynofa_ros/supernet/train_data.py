"""Training images: rendered ahead in parallel into one file, then drawn by (seed, step)."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from dynofa_ros.datasets import digits

ImageArray = npt.NDArray[np.uint8]
LabelArray = npt.NDArray[np.int64]

RENDER_SIDES = (160, 240, 320)
STYLES = {"standard": digits.STANDARD, "easy": digits.EASY}
CHUNK = 250

RenderJob = tuple[str, str, str, int, int, int, int]


@dataclass(frozen=True)
class ImagePool:
    """`images` (n, side, side, 3) uint8 RGB, `labels` (n,), `scans` (n,)."""

    images: ImageArray
    labels: LabelArray
    scans: LabelArray


def render_square(
    split: str, seed: int, frame: int, side: int, style: digits.Style = digits.STANDARD
) -> tuple[ImageArray, int, int]:
    """Scene `frame` as the engine would see it: rendered larger or equal, reduced by area averaging."""
    larger = [size for size in RENDER_SIDES if size >= side] or [side]
    rendered = larger[frame % len(larger)]
    image, label, scan = digits.scene(split, seed, frame, rendered, rendered, style)
    return resize_area(image, side), label, scan


def resize_area(image: ImageArray, side: int) -> ImageArray:
    """Square image reduced to `side` pixels by area averaging."""
    if image.shape[0] == side:
        return image
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _render_chunk(job: RenderJob) -> tuple[int, list[int], list[int]]:
    path, style, split, seed, start, stop, side = job
    cv2.setNumThreads(1)
    images = np.load(path, mmap_mode="r+")
    labels, scans = [], []
    for frame in range(start, stop):
        images[frame], label, scan = render_square(split, seed, frame, side, STYLES[style])
        labels.append(label)
        scans.append(scan)
    images.flush()
    return start, labels, scans


def load_pool(
    directory: Path, split: str, seed: int, size: int, side: int, workers: int, style: str = "standard"
) -> ImagePool:
    """`size` scenes of `split`, `side` pixels square; rendered once, then read from `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    stem = directory / f"{split}-{style}-{seed}-{size}-{side}"
    images_path, index_path = stem.with_suffix(".images.npy"), stem.with_suffix(".index.npy")
    if not index_path.exists():
        _render_pool(images_path, index_path, (split, style, seed, size, side), workers)
    labels, scans = np.load(index_path)
    return ImagePool(np.load(images_path, mmap_mode="r"), labels, scans)


def _render_pool(
    images_path: Path, index_path: Path, content: tuple[str, str, int, int, int], workers: int
) -> None:
    split, style, seed, size, side = content
    np.lib.format.open_memmap(images_path, mode="w+", dtype=np.uint8, shape=(size, side, side, 3)).flush()
    index = np.zeros((2, size), np.int64)
    jobs = [
        (str(images_path), style, split, seed, start, min(start + CHUNK, size), side)
        for start in range(0, size, CHUNK)
    ]
    with tqdm(total=size, desc=f"rendering {split} ({style})", unit="image") as progress:
        for start, labels, scans in _run_jobs(jobs, workers):
            index[:, start : start + len(labels)] = labels, scans
            progress.update(len(labels))
    partial = index_path.with_name(f"partial-{index_path.name}")
    np.save(partial, index)
    partial.replace(index_path)


def _run_jobs(jobs: list[RenderJob], workers: int) -> Any:
    if workers < 2 or len(jobs) < 2:
        yield from map(_render_chunk, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(_render_chunk, jobs)


def draw_batch(pool: ImagePool, rng: np.random.Generator, batch: int) -> tuple[list[ImageArray], LabelArray]:
    """`batch` images of the pool with random gain, offset and order of colours, and their labels."""
    chosen = rng.choice(len(pool.labels), batch, replace=len(pool.labels) < batch)
    return [_vary(pool.images[i], rng) for i in chosen], pool.labels[chosen]


def _vary(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    gain, offset = np.float32(rng.uniform(0.8, 1.2)), np.float32(rng.uniform(-12, 12))
    levels = np.clip(np.arange(256, dtype=np.float32) * gain + offset, 0, 255).astype(np.uint8)
    return np.asarray(levels[image[:, :, rng.permutation(3)]], dtype=np.uint8)
