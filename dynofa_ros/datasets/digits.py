"""Handwritten digits as a robot's camera would see signs.

The digits are the 1,797 scans of 8x8 pixels of the UCI data set "Optical Recognition of Handwritten
Digits" (E. Alpaydin, C. Kaynak, 1998, doi.org/10.24432/C50P49, CC BY 4.0), in the form and order of
scikit-learn's `load_digits`. `render` draws one of them at a random place, scale, rotation and
perspective in random colours on a cluttered background, partly covered, blurred and with sensor noise.
All content lies in the image's central square, so cutting that square loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

ImageArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

SPLITS = ("train", "validation", "test")
SPLIT_FRACTIONS = (0.60, 0.15, 0.25)
SPLIT_SEED = 1797
LABELS = tuple(str(digit) for digit in range(10))

MASK_SIDE = 64
MASK_MARGIN = 8
ROTATION_RANGE_DEG = 20.0
PERSPECTIVE = 0.08
NOISE_RANGE = (1.0, 11.0)
NOISE_TILE_SIDE = 512
NOISE_UNIT = 32.0


@dataclass(frozen=True)
class Style:
    """How hard the images are.

    `size` is the digit's height as a share of the image's shorter side, `contrast` how much brighter or
    darker it is than its surroundings, `shapes` the number of lines and shapes behind it (upper bound
    excluded), `occlusion` the share of digits that are partly covered.
    """

    size: tuple[float, float] = (0.42, 0.80)
    contrast: tuple[float, float] = (0.42, 0.90)
    shapes: tuple[int, int] = (1, 5)
    occlusion: float = 0.12


STANDARD = Style()
EASY = Style(size=(0.6, 0.85), contrast=(0.45, 0.9), shapes=(0, 2), occlusion=0.0)


@lru_cache(maxsize=1)
def scans() -> tuple[ImageArray, ImageArray]:
    """Scans (1797, 8, 8) with values 0..16, and their labels (1797,)."""
    with np.load(Path(__file__).with_name("digits_scans.npz"), allow_pickle=False) as archive:
        return archive["images"], archive["labels"]


@lru_cache(maxsize=1)
def _splits() -> dict[str, npt.NDArray[np.int64]]:
    labels = scans()[1]
    rng = np.random.default_rng(SPLIT_SEED)
    parts: dict[str, list[npt.NDArray[np.int64]]] = {split: [] for split in SPLITS}
    for label in range(len(LABELS)):
        members = rng.permutation(np.flatnonzero(labels == label))
        bounds = np.round(np.cumsum(SPLIT_FRACTIONS)[:-1] * len(members)).astype(int)
        for split, part in zip(SPLITS, np.split(members, bounds), strict=True):
            parts[split].append(part)
    return {split: np.sort(np.concatenate(part)) for split, part in parts.items()}


def scan_indices(split: str) -> npt.NDArray[np.int64]:
    """Indices of the scans of "train", "validation" or "test", rising; equal shares of each digit.

    Raises ValueError for another name.
    """
    if split not in SPLITS:
        raise ValueError(f"split: {split!r} is not one of {', '.join(SPLITS)}")
    return _splits()[split]


def scene(
    split: str, seed: int, frame: int, width: int, height: int, style: Style = STANDARD
) -> tuple[ImageArray, int, int]:
    """Image number `frame` of the endless sequence (`split`, `seed`), its digit and its scan index.

    The image is (height, width, 3) uint8 RGB. Equal arguments give equal images.
    """
    rng = np.random.default_rng([SPLITS.index(split), seed, frame])
    scan = int(rng.choice(scan_indices(split)))
    return render(scan, rng, width, height, style), int(scans()[1][scan]), scan


def render(
    index: int, rng: np.random.Generator, width: int, height: int, style: Style = STANDARD
) -> ImageArray:
    """Draw scan `index` as a sign: (height, width, 3) uint8 RGB; all randomness comes from `rng`."""
    side = min(width, height)
    image = _background(rng, width, height)
    _draw_clutter(image, rng, side, style)
    mask, box = _placed_mask(index, rng, style, width, height)
    left, top, right, bottom = box
    _paint(image[top:bottom, left:right], mask, rng, style)
    if rng.random() < style.occlusion:
        _occlude(image, rng, box)
    image = _blur(image, rng, side)
    return _expose(image, rng)


@lru_cache(maxsize=2048)
def _scan_mask(index: int) -> FloatArray:
    """Ink of a scan, smoothly enlarged to MASK_SIDE with an empty margin; about 0 to 1."""
    inner = MASK_SIDE - 2 * MASK_MARGIN
    ink = scans()[0][index].astype(np.float32) / 16.0
    large = cv2.resize(ink, (inner, inner), interpolation=cv2.INTER_CUBIC)
    padded = np.pad(large, MASK_MARGIN)
    return np.asarray(cv2.GaussianBlur(padded, (0, 0), 1.0), dtype=np.float32)


def _background(rng: np.random.Generator, width: int, height: int) -> ImageArray:
    """Low-contrast colour gradient."""
    base = rng.uniform(45, 205) + rng.uniform(-25, 25, 3)
    cells = base + rng.uniform(-1, 1, (3, 4, 3)) * rng.uniform(5, 30)
    cells = np.clip(cells, 10, 245).astype(np.uint8)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _near_colour(image: ImageArray, point: tuple[int, int], rng: np.random.Generator) -> tuple[int, ...]:
    """A colour that differs moderately from the image at `point` (x, y)."""
    here = image[point[1], point[0]].astype(float)
    shift = rng.uniform(12, 45) * rng.choice((-1, 1)) + rng.uniform(-18, 18, 3)
    return tuple(int(value) for value in np.clip(here + shift, 0, 255))


def _random_point(rng: np.random.Generator, image: ImageArray, side: int) -> tuple[int, int]:
    """A point (x, y) in the central square."""
    height, width = image.shape[:2]
    x, y = rng.integers(0, side, 2)
    return int(x) + (width - side) // 2, int(y) + (height - side) // 2


def _draw_clutter(image: ImageArray, rng: np.random.Generator, side: int, style: Style) -> None:
    """A few lines, rectangles and ellipses."""
    for _ in range(rng.integers(*style.shapes)):
        point = _random_point(rng, image, side)
        colour = _near_colour(image, point, rng)
        kind = rng.integers(0, 3)
        size = rng.uniform(0.08, 0.45, 2) * side
        if kind == 0:
            end = _random_point(rng, image, side)
            cv2.line(image, point, end, colour, max(1, round(rng.uniform(0.005, 0.03) * side)), cv2.LINE_AA)
        elif kind == 1:
            corner = (point[0] + int(size[0]), point[1] + int(size[1]))
            cv2.rectangle(image, point, corner, colour, cv2.FILLED)
        else:
            axes = (max(1, int(size[0] / 2)), max(1, int(size[1] / 2)))
            cv2.ellipse(image, point, axes, rng.uniform(0, 180), 0, 360, colour, cv2.FILLED, cv2.LINE_AA)


def _placed_mask(
    index: int, rng: np.random.Generator, style: Style, width: int, height: int
) -> tuple[FloatArray, tuple[int, int, int, int]]:
    """Warped ink (0..1) and the box (left, top, right, bottom) of the image that it covers."""
    side = min(width, height)
    size = side * np.exp(rng.uniform(*np.log(style.size))) * MASK_SIDE / (MASK_SIDE - 2 * MASK_MARGIN)
    angle = np.deg2rad(rng.uniform(-ROTATION_RANGE_DEG, ROTATION_RANGE_DEG))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.5
    corners = corners * (1.0, 1.0 / rng.uniform(0.8, 1.1)) * (rng.uniform(0.85, 1.0), 1.0)
    corners += rng.uniform(-PERSPECTIVE, PERSPECTIVE, (4, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    quad = (corners @ turn.T) * size
    low, high = quad.min(axis=0), quad.max(axis=0)
    room = side - (high - low)
    origin = ((width - side) // 2, (height - side) // 2)
    quad = quad - low + origin + np.where(room > 0, rng.uniform(0, 1, 2), 0.5) * room
    left, top = np.maximum(np.floor(quad.min(axis=0)).astype(int), origin)
    limit = ((width + side) // 2, (height + side) // 2)
    right, bottom = np.minimum(np.ceil(quad.max(axis=0)).astype(int) + 1, limit)
    source = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * MASK_SIDE
    matrix = cv2.getPerspectiveTransform(source, (quad - (left, top)).astype(np.float32))
    warped = cv2.warpPerspective(_scan_mask(index), matrix, (int(right - left), int(bottom - top)))
    threshold, slope = rng.uniform(0.38, 0.58), rng.uniform(3.0, 6.0)
    ink = np.clip(
        (np.asarray(warped, dtype=np.float32) - np.float32(threshold)) * np.float32(slope) + 0.5, 0, 1
    )
    return ink.astype(np.float32), (int(left), int(top), int(right), int(bottom))


def _paint(region: ImageArray, ink: FloatArray, rng: np.random.Generator, style: Style) -> None:
    """Colour the inked pixels at least style.contrast[0] brighter or darker than their surroundings."""
    surroundings = np.array(cv2.mean(region)[:3])
    level = float(surroundings.mean())
    contrast = rng.uniform(*style.contrast)
    brighter = level * (1 + contrast) < 250 and (level < 80 or rng.random() < 0.5)
    target = level * (1 + contrast) + 12 if brighter else level * (1 - contrast) - 8
    colour = target + rng.uniform(-1, 1, 3) * 0.12 * level + 0.3 * (surroundings - level)
    painted = np.empty_like(region)
    painted[:] = np.clip(np.round(colour), 0, 255)
    region[:] = cv2.blendLinear(painted, region, ink, 1.0 - ink)


def _occlude(image: ImageArray, rng: np.random.Generator, box: tuple[int, int, int, int]) -> None:
    """Cover a part of the sign by a bar or a patch."""
    left, top, right, bottom = box
    extent = max(right - left, bottom - top)
    x, y = int(rng.integers(left, right)), int(rng.integers(top, bottom))
    colour = _near_colour(image, (x, y), rng)
    if rng.random() < 0.5:
        reach = np.array([np.cos(a := rng.uniform(0, np.pi)), np.sin(a)]) * extent
        ends = [(int(x + sign * reach[0]), int(y + sign * reach[1])) for sign in (-1, 1)]
        thickness = max(1, round(rng.uniform(0.015, 0.05) * extent))
        cv2.line(image, ends[0], ends[1], colour, thickness, cv2.LINE_AA)
    else:
        half = rng.uniform(0.04, 0.12, 2) * extent
        low, high = (int(x - half[0]), int(y - half[1])), (int(x + half[0]), int(y + half[1]))
        cv2.rectangle(image, low, high, colour, cv2.FILLED)


def _blur(image: ImageArray, rng: np.random.Generator, side: int) -> ImageArray:
    """Defocus, or motion along a random direction, or neither."""
    kind = rng.random()
    if kind < 0.35:
        result: Any = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.002, 0.008) * side)
    elif kind < 0.6:
        length = max(2, round(rng.uniform(0.008, 0.028) * side))
        half = length // 2 + 1
        kernel = np.zeros((2 * half + 1,) * 2, np.uint8)
        reach = length * np.array([np.cos(a := rng.uniform(0, np.pi)), np.sin(a)]) / 2
        centre = np.array([half, half])
        first, last = (tuple(int(v) for v in np.round(centre + sign * reach)) for sign in (-1, 1))
        cv2.line(kernel, first, last, 1)
        result = cv2.filter2D(image, -1, kernel.astype(np.float32) / kernel.sum())
    else:
        result = image
    return np.asarray(result, dtype=np.uint8)


@lru_cache(maxsize=1)
def _noise_tile() -> ImageArray:
    """Normal noise (NOISE_TILE_SIDE, NOISE_TILE_SIDE, 3), drawn once: mean 128, deviation NOISE_UNIT."""
    shape = (NOISE_TILE_SIDE, NOISE_TILE_SIDE, 3)
    noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    return np.clip(np.round(128 + NOISE_UNIT * noise), 0, 255).astype(np.uint8)


def _expose(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Add sensor noise."""
    height, width = image.shape[:2]
    y, x = rng.integers(0, NOISE_TILE_SIDE, 2)
    rows, columns = (np.arange(n) + start for n, start in ((height, y), (width, x)))
    tile = _noise_tile().take(rows, axis=0, mode="wrap").take(columns, axis=1, mode="wrap")
    gain = rng.uniform(*NOISE_RANGE) / NOISE_UNIT
    return np.asarray(cv2.addWeighted(image, 1.0, tile, gain, -128.0 * gain), dtype=np.uint8)
