"""Measures a profile: all sub-networks in turn, round after round, so that drift hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.fingerprint import machine_fingerprint
from dynofa_ros.engine.profile import Profile, SubnetTiming

COARSE_ROUNDS = 60
COARSE_BUDGET_S = 3.0
MIN_ROUNDS = 5

Progress = Callable[[int, int], None]
"""Called with rounds done and rounds in all."""


def ignore_progress(done: int, total: int) -> None:
    """For callers that show nothing."""
    del done, total


def profile_bank(
    bank: SubnetBank,
    rounds: int = COARSE_ROUNDS,
    budget_s: float = COARSE_BUDGET_S,
    progress: Progress = ignore_progress,
    clock_s: Callable[[], float] = time.perf_counter,
) -> Profile:
    """Median and 95th percentile of each resident sub-network.

    A round infers every sub-network twice in a row, in an order that alternates; the second inference counts,
    as a running application repeats its sub-network. Stops early, after at least MIN_ROUNDS, when `budget_s`
    is spent.
    """
    images = _images(bank)
    samples: dict[str, list[float]] = {name: [] for name in bank.names}
    start = clock_s()
    for done in range(1, rounds + 1):
        for name in bank.names if done % 2 else reversed(bank.names):
            samples[name].append(_measure_ms(bank, name, images[bank.resolution(name)], clock_s))
        progress(done, rounds)
        if done >= MIN_ROUNDS and clock_s() - start > budget_s:
            break
    return Profile(machine_fingerprint(bank), {name: _timing(values) for name, values in samples.items()})


def _images(bank: SubnetBank) -> dict[int, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """One random image per resolution: the content does not change the time, but zeros might."""
    rng = np.random.default_rng(0)
    sides = {bank.resolution(name) for name in bank.names}
    return {side: rng.integers(0, 256, (1, side, side, 3), np.uint8) for side in sorted(sides)}


def _measure_ms(
    bank: SubnetBank,
    name: str,
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    clock_s: Callable[[], float],
) -> float:
    """Time of one inference after another of the same sub-network [ms]."""
    bank.infer(name, image)
    start = clock_s()
    bank.infer(name, image)
    return (clock_s() - start) * 1e3


def _timing(values_ms: list[float]) -> SubnetTiming:
    median, p95 = np.quantile(values_ms, [0.5, 0.95])
    return SubnetTiming(float(median), float(p95), len(values_ms))
