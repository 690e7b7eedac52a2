"""Figures from samples: quantiles, ratios round by round, geometric means with an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rounds import MIN_TURNS, FloatArray, Rounds

BOOTSTRAP_ROUNDS = 2000
LEVEL = (0.025, 0.975)

Numbers = dict[str, float]


def summary(values: Sequence[float] | FloatArray, unit: str = "ms") -> Numbers:
    """Median, tails, extremes and count; the names end in `unit`."""
    array = np.asarray(values, np.float64)
    if not array.size or not np.isfinite(array).all():
        raise ValueError(f"{array.size} samples, {np.count_nonzero(~np.isfinite(array))} of them not finite")
    median, p95, p99 = np.quantile(array, [0.5, 0.95, 0.99])
    numbers = {"median": median, "p95": p95, "p99": p99, "min": array.min(), "max": array.max()}
    return {**{f"{name}_{unit}": float(value) for name, value in numbers.items()}, "n": float(array.size)}


def contender_summary(measured: Rounds, name: str) -> dict[str, float | int | bool]:
    """The summary of a contender, how many of its turns were disturbed, and whether too many were."""
    return {
        **summary(measured.samples(name)),
        "turns": len(measured.disturbed[name]),
        "disturbed_turns": int(np.count_nonzero(measured.disturbed[name])),
        "mostly_disturbed": measured.is_mostly_disturbed(name),
    }


def round_ratios(measured: Rounds, slow: str, fast: str) -> FloatArray:
    """Time of `slow` over time of `fast`, for each round in which both were undisturbed.

    Where those are fewer than MIN_TURNS, all rounds count: the median of ratios bears some disturbed ones.
    """
    both = ~measured.disturbed[slow] & ~measured.disturbed[fast]
    if np.count_nonzero(both) < MIN_TURNS:
        both = np.ones(len(both), np.bool_)
    ratios: FloatArray = (measured.per_round(slow) / measured.per_round(fast))[both]
    return ratios


def geometric_mean(values: Sequence[float] | FloatArray) -> float:
    """The exponential of the mean logarithm."""
    return float(np.exp(np.mean(np.log(values))))


def speed_up(ratios: Mapping[str, FloatArray], seed: int = 0) -> Numbers:
    """Geometric mean over points of the median ratio, with a 95 % interval; `ratios` holds rounds per point.

    The interval is bootstrapped: rounds are drawn again within each point.
    """
    rng = np.random.default_rng(seed)
    logs = np.zeros(BOOTSTRAP_ROUNDS)
    for rounds in ratios.values():
        drawn = rng.integers(0, len(rounds), (BOOTSTRAP_ROUNDS, len(rounds)))
        logs += np.log(np.median(rounds[drawn], axis=1))
    low, high = np.exp(np.quantile(logs / len(ratios), LEVEL))
    value = geometric_mean([float(np.median(rounds)) for rounds in ratios.values()])
    return {"value": value, "low": float(low), "high": float(high)}
