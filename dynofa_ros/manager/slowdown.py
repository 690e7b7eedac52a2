"""Empirical tails of what inference costs beyond its profile: slow-down [1] and overhead [ms].

Empirical quantiles, because latencies on robots cluster and have heavy tails: mean + 3 sigma misses
its percentile by an order of magnitude on measured Jetson data (arXiv 2606.16106).
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

import numpy as np

RECENT = 3
"""The fast tail is the median of this many samples: two slow ones in succession count, one does not."""
CHANCE = 0.005
"""Probability below which a fall of the samples is no accident."""


class TailEstimator:
    """Sliding-window quantiles that rise within two samples and forget slowly.

    With x_(1) >= x_(2) >= ... the n samples of the window, percentile p:

        quantile(p) = x_(k + 1),  k = max(1, floor((1 - p) * (n + 1)) - 1)
        tail(p)     = max(quantile(p), median of the last 3)    at least the prior while n (1 - p) < 1

    A new sample exceeds x_(k + 1) with probability (k + 1) / (n + 1), at most 1 - p; only a window too short
    for its percentile (n < 2 / (1 - p)) allows one outlier more, since one alone shall move nothing.

    A load that has gone is not remembered for a whole window: with k older samples above all but one
    of the m = `settle` newest, the window starts over with those m once chance does not explain it,

        (1 - m / n)^k < 0.005      probability that k of n exchangeable samples all precede the newest m
    """

    def __init__(self, *, prior: float, low: float, high: float, window: int = 128, settle: int = 32) -> None:
        """`prior` is assumed for want of samples; samples outside [low, high] are ignored and counted."""
        self.prior = prior
        self.ignored = 0
        self._low, self._high = low, high
        self._settle = min(settle, window // 2)
        self._window = window
        self._samples: deque[float] = deque()
        self._sorted: list[float] = []
        """The same samples, rising."""
        self._tails: dict[float, float] = {}
        """Tails known since the last sample, by percentile: they are looked up before every frame."""

    def __len__(self) -> int:
        return len(self._samples)

    def update(self, value: float) -> bool:
        """Take one sample. Returns False where it is NaN, infinite or absurd (ignored and counted)."""
        if not self._low <= value <= self._high:
            self.ignored += 1
            return False
        self._tails.clear()
        self._samples.append(value)
        insort(self._sorted, value)
        if len(self._samples) > self._window:
            del self._sorted[bisect_left(self._sorted, self._samples.popleft())]
        self._forget_gone_load()
        return True

    def reset(self) -> None:
        """Forget all samples (another profile, another machine state); the count of ignored ones stays."""
        self._samples.clear()
        self._sorted.clear()
        self._tails.clear()

    def median(self) -> float:
        """Median of the window; NaN before the first sample."""
        n = len(self._sorted)
        return (self._sorted[(n - 1) // 2] + self._sorted[n // 2]) / 2.0 if n else math.nan

    def tail(self, percentile: float) -> float:
        """Value that a share `percentile` of the coming samples is expected to stay below."""
        known = self._tails.get(percentile)
        if known is not None:
            return known
        tail = max(self._fast(), self._quantile(percentile))
        if len(self._samples) * (1.0 - percentile) < 1.0:
            tail = max(tail, self.prior)
        self._tails[percentile] = tail
        return tail

    def _fast(self) -> float:
        recent = [self._samples[-1 - i] for i in range(min(RECENT, len(self._samples)))]
        return sorted([*recent, *[self.prior] * (RECENT - len(recent))])[RECENT // 2]

    def _quantile(self, percentile: float) -> float:
        n = len(self._samples)
        allowed = max(1, math.floor((1.0 - percentile) * (n + 1) + 1e-9) - 1)
        if n <= allowed:
            return -math.inf
        return self._sorted[n - 1 - allowed]

    def _forget_gone_load(self) -> None:
        n, m = len(self._samples), self._settle
        if n <= m:
            return
        samples = np.asarray(self._samples)
        newest = samples[-m:]
        above = int(np.count_nonzero(samples[:-m] > np.partition(newest, m - 2)[m - 2]))
        if above * math.log1p(-m / n) < math.log(CHANCE):
            self._samples = deque(newest.tolist())
            self._sorted = sorted(self._samples)


class SlowdownEstimator(TailEstimator):
    """Slow-down: measured inference time / expected inference time at the clocks in force [1]."""

    def __init__(self, *, prior: float = 1.15, window: int = 128, settle: int = 32) -> None:
        super().__init__(prior=prior, low=0.05, high=200.0, window=window, settle=settle)


class OverheadEstimator(TailEstimator):
    """Overhead: latency minus inference time, i.e. transport, queue, decoding and publishing [ms]."""

    def __init__(self, *, prior: float = 4.0, window: int = 128, settle: int = 32) -> None:
        super().__init__(prior=prior, low=0.0, high=60_000.0, window=window, settle=settle)
