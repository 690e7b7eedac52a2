"""Accuracy of static sub-networks on rendered images, with an interval over handwriting scans."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from .extraction import StaticNetwork
from .static_forward import StaticForward
from .train import to_input
from .train_data import ImagePool

BATCH = 100
BOOTSTRAP_ROUNDS = 2000


def correct_answers(
    network: StaticNetwork, pool: ImagePool, device: torch.device, progress: bool = False
) -> npt.NDArray[np.bool_]:
    """Whether each image of `pool` is classified rightly."""
    forward = StaticForward(network, device)
    answers = []
    starts = range(0, len(pool.labels), BATCH)
    for start in tqdm(starts, desc=network.spec.name, unit="batch", disable=not progress, leave=False):
        images = pool.images[start : start + BATCH]
        with torch.inference_mode():
            answers.append(forward(to_input(images, network.resolution, device)).argmax(1).cpu().numpy())
    return np.asarray(np.concatenate(answers) == pool.labels)


def bootstrap_interval(
    correct: npt.NDArray[np.bool_], scans: npt.NDArray[np.int64], seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the accuracy when whole scans (all images of one handwriting) are resampled."""
    kinds, group = np.unique(scans, return_inverse=True)
    hits = np.bincount(group, weights=correct)
    counts = np.bincount(group)
    drawn = np.random.default_rng(seed).integers(0, len(kinds), (BOOTSTRAP_ROUNDS, len(kinds)))
    low, high = np.quantile(hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)
