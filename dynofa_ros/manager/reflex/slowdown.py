"""Empirical tails of what inference costs beyond its profile: slow-down [1] and overhead [ms].

Empirical quantiles, because latencies on robots cluster and have heavy tails: mean + 3 sigma misses
its percentile by an order of magnitude on measured Jetson data (arXiv 2606.16106).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from functools import lru_cache

RECENT = 3
"""Samples of the fast tail: two slow ones among them count, one does not."""
USUAL = 0.95
"""Samples above this quantile of the window are slow."""
LEAP = 1.5
"""The larger of two slow samples counts up to this multiple of the other one."""
CHANCE = 0.005
"""Probability below which a fall of the samples is no accident."""
SETTLE = (16, 32)
"""Samples that may be enough to tell that a load has gone: few after a long load, more after a short one."""
WORTH = 1.03
"""Factor by which a load that has gone must have raised the tail."""
CHECK_EVERY = 4
"""Samples between two looks whether a load has gone."""
LEARNT = 16
"""Samples before slow frames are told from usual ones; as many after slow ones tell what follows."""
SPREADS, LEAST_EXCESS = 6.0, 1.03
"""A slow frame lies so many times as far above the median as the upper quartile, at least 3 % above it."""
LOAD = 16
"""So many slow frames in a row are no burst but a load: the window starts over with them."""
FREED = 8
"""So many frames in a row as far below the median: a load has gone, and the window starts over with them."""
AFTER_SLOW, LONG = 64, 1000
"""Frames remembered that followed a slow one, and of the long memory."""
RARE = 0.999
"""Quantile of the long memory."""
BURST, BURSTS_SEEN = 1.15, 256
"""Rare excess over the median that is assumed at least, and frames until it is not any more [1]."""
CONFIDENCE_Z = 1.645
"""Standard normal quantile of a two-sided 90 % interval."""


class TailEstimator:
    """Sliding-window quantiles that rise within two samples and forget slowly.

    With x_(1) >= x_(2) >= ... the n samples of the window, percentile p:

        quantile(p) = x_(k + 1),  k = max(1, floor((1 - p) * (n + 1)) - 1)
        tail(p)     = max(quantile(p), fast)     at least the prior until n (1 - min(p, 0.95)) >= 1 once
        fast        = median of the last 3; where two or three of them exceed quantile(0.95), the largest
                      of them, at most 1.5 times the second largest

    A new sample exceeds x_(k + 1) with probability (k + 1) / (n + 1), at most 1 - p; only a window too short
    for its percentile (n < 2 / (1 - p)) allows one outlier more, since one alone shall move nothing. A load
    that arrives while a frame runs slows that frame in part and the next one wholly: the larger tells.

    A load that has gone is not remembered for a whole window: with k older samples above all but one
    of the m newest (m = 16 or 32), the window starts over with those m once chance does not explain it,

        (1 - m / n)^k < 0.005      probability that k of n exchangeable samples all precede the newest m

    and where that lowers the tail by 3 % at least.
    """

    def __init__(self, *, prior: float, low: float, high: float, window: int = 128) -> None:
        """`prior` is assumed for want of samples; samples outside [low, high] are ignored and counted."""
        self.prior = prior
        self.ignored = 0
        self._low, self._high = low, high
        self._settle = tuple(min(m, window // 2) for m in SETTLE)
        self._window = window
        self._samples: list[float] = []
        """Oldest first; only the last `_count` are in the window, the others are cut off now and then."""
        self._count = self._updates = self._most = 0
        self._sorted: list[float] = []
        """The samples of the window, rising."""
        self._asked, self._tail = math.nan, prior
        """Percentile that the tail was asked for since the last sample, NaN for none, and that tail."""
        self._recent: deque[float] = deque(maxlen=RECENT)
        """The newest samples, in the window or not."""

    def __len__(self) -> int:
        return self._count

    def update(self, value: float) -> bool:
        """Take one sample. Returns False where it is NaN, infinite or absurd (ignored and counted)."""
        if not self._low <= value <= self._high:
            self.ignored += 1
            return False
        self._take(value)
        return True

    def _take(self, value: float) -> None:
        self._asked = math.nan
        samples, rising, window = self._samples, self._sorted, self._window
        self._recent.append(value)
        samples.append(value)
        insort(rising, value)
        if self._count == window:
            del rising[bisect_left(rising, samples[-window - 1])]
            if len(samples) > 4 * window:
                del samples[:-window]
        else:
            self._count += 1
            self._most = max(self._most, self._count)
        self._updates += 1
        if self._updates % CHECK_EVERY == 0:
            self._forget_gone_load()

    def drop_newest(self, count: int) -> None:
        """Take back the newest samples: they were judged by something that turned out wrong."""
        self._keep(self._samples[len(self._samples) - self._count :][: max(self._count - count, 0)])

    def reset(self) -> None:
        """Forget all samples (another profile, another machine state); the count of ignored ones stays."""
        self._most = 0
        self._keep([])

    def _keep(self, samples: list[float]) -> None:
        self._samples, self._count, self._sorted = samples, len(samples), sorted(samples)
        self._recent = deque(samples[-RECENT:], RECENT)
        self._asked = math.nan

    def median(self) -> float:
        """Median of the window; NaN before the first sample."""
        n = self._count
        return (self._sorted[(n - 1) // 2] + self._sorted[n // 2]) / 2.0 if n else math.nan

    def tail(self, percentile: float) -> float:
        """Value that a share `percentile` of the coming samples is expected to stay below."""
        if percentile != self._asked:
            self._asked, self._tail = percentile, self._new_tail(percentile)
        return self._tail

    def _new_tail(self, percentile: float) -> float:
        rank, usual_rank = _ranks(percentile, self._count)
        quantile = self._sorted[rank] if rank >= 0 else -math.inf
        usual = self._sorted[usual_rank] if usual_rank >= 0 else -math.inf
        fast = self._fast(usual)
        tail = fast if fast > quantile else quantile
        known = self._most * (1.0 - percentile if percentile < USUAL else 1.0 - USUAL) >= 1.0
        return tail if known else max(tail, self.prior)

    def interval(self, percentile: float) -> tuple[float, float]:
        """Between which values the true quantile lies with 90 % confidence; NaN before the first sample.

        Order statistics with ranks n p -+ 1.645 sqrt(n p (1 - p)), the normal approximation of the binomial
        count of samples below the quantile; beyond the largest sample the prior stands in.
        """
        n = self._count
        if n == 0:
            return math.nan, math.nan
        reach = CONFIDENCE_Z * math.sqrt(n * percentile * (1.0 - percentile))
        low, high = math.floor(n * percentile - reach), math.ceil(n * percentile + reach)
        top = self._sorted[high] if high < n else max(self._sorted[-1], self.prior)
        return self._sorted[max(low, 0)], top

    def _fast(self, usual: float) -> float:
        recent = sorted(self._recent)
        if len(recent) < RECENT:
            return self._fast_at_first(recent, usual)
        _, median, largest = recent
        two_are_slow = median > usual > -math.inf
        return max(median, min(largest, LEAP * median)) if two_are_slow else median

    def _fast_at_first(self, recent: list[float], usual: float) -> float:
        """The prior stands in for samples that are missing."""
        median = sorted([*recent, *[self.prior] * (RECENT - len(recent))])[RECENT // 2]
        slow = [value for value in recent if value > usual] if usual > -math.inf else []
        return max(median, min(slow[-1], LEAP * slow[-2])) if len(slow) > 1 else median

    def _quantile(self, percentile: float) -> float:
        rank = _rank(percentile, self._count)
        return self._sorted[rank] if rank >= 0 else -math.inf

    def _forget_gone_load(self) -> None:
        least, usual = self._settle[0], self._quantile(USUAL)
        if self._count <= least or (least > 2 and not usual > WORTH * sorted(self._samples[-3:])[1]):
            return  # the second largest of the newest m is at least that of the newest three
        for m in self._settle:
            if self._count > m and self._gone(m, usual):
                self._keep(self._samples[-m:])

    def _gone(self, m: int, usual: float) -> bool:
        """Whether more samples lie above the newest `m` than chance explains."""
        second, largest = sorted(self._samples[-m:])[-2:] if m > 1 else (self._samples[-1],) * 2
        above = self._count - bisect_right(self._sorted, second) - (largest > second)
        unlikely = above * math.log1p(-m / self._count) < math.log(CHANCE)
        return unlikely and usual > WORTH * second


@lru_cache(maxsize=4096)
def _rank(percentile: float, n: int) -> int:
    """Place of x_(k + 1) among n rising values, see `TailEstimator`; below 0 where there are too few."""
    return n - 1 - max(1, math.floor((1.0 - percentile) * (n + 1) + 1e-9) - 1)


@lru_cache(maxsize=4096)
def _ranks(percentile: float, n: int) -> tuple[int, int]:
    """The same, and that of what is usual."""
    return _rank(percentile, n), _rank(USUAL, n)


class _Memory:
    """The newest values, their order, and a quantile."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: float) -> None:
        if len(self._values) == self._size:
            del self._sorted[bisect_left(self._sorted, self._values.popleft())]
        self._values.append(value)
        insort(self._sorted, value)

    def drop_newest(self, count: int) -> None:
        for _ in range(min(count, len(self._values))):
            del self._sorted[bisect_left(self._sorted, self._values.pop())]

    def quantile(self, percentile: float) -> float:
        """As `TailEstimator`'s, but of a single value that value."""
        return self._sorted[max(_rank(percentile, len(self._sorted)), 0)]


class SlowdownEstimator(TailEstimator):
    """Slow-down: measured inference time / expected inference time at the clocks in force [1].

    Slow frames cluster: P(slow | slow) is up to 0.74 where P(slow) is 2 % (arXiv 2606.16106). With median m
    and upper quartile q of the window a frame x is slow where

        x > m + 6 max(q - m, 0.005 m)

    and what follows a slow frame is kept apart, as x / m: `tail` is that of a frame after a usual one,
    `next_tail` that of the frame that comes now. `burst_tail` is the 0.999 quantile of x / m over the last
    1000 frames, times m. 16 slow frames in a row are a load, 8 as far below m one that has gone: the window
    starts over with them, and what was learnt of bursts stays.
    """

    def __init__(self, *, prior: float = 1.15, window: int = 128) -> None:
        super().__init__(prior=prior, low=0.05, high=200.0, window=window)
        self._run: list[float] = []
        """The slow frames in a row that came last."""
        self._freed = 0
        """Frames in a row that came last far below the median."""
        self._after_slow, self._long = _Memory(AFTER_SLOW), _Memory(LONG)
        self._rare = BURST
        """The rare excess over the median as it was before the slow frames that came last [1]."""

    def _fast_at_first(self, recent: list[float], usual: float) -> float:
        alone = len(recent) == 1 and recent[0] > LEAP * self.prior
        return recent[0] if alone else super()._fast_at_first(recent, usual)

    def next_tail(self, percentile: float) -> float:
        """As `tail`, for the frame that comes now: after a slow one what followed slow ones so far."""
        tail = self.tail(percentile)
        if not self._run:
            return tail
        if tail > self._rare * self.median():
            return tail * self._rare
        if len(self._after_slow) < LEARNT:
            return max(tail, min(self._run[-1], LEAP * tail))
        return max(tail, self._after_slow.quantile(percentile) * self.median())

    def burst_tail(self, percentile: float = USUAL) -> float:
        """What only one frame in a thousand exceeds, bursts included; at least `tail`.

        Where the tail is above any burst so far a load has come: its bursts are as large as those before it.
        """
        tail = self.tail(percentile)
        if not self._count:
            return tail
        if tail > self._rare * self.median():
            return tail * self._rare
        return max(tail, self._excess() * self.median())

    def _excess(self) -> float:
        """What only one frame in a thousand exceeds, over the median."""
        excess = self._long.quantile(RARE) if len(self._long) else 1.0
        return max(excess, BURST) if len(self._long) < BURSTS_SEEN else excess

    def drop_newest(self, count: int) -> None:
        """Take back the newest samples: they were judged by something that turned out wrong."""
        apart = min(count, max(len(self._run) - 1, 0))
        self._after_slow.drop_newest(apart)
        self._long.drop_newest(count)
        del self._run[len(self._run) - apart :]
        if count > apart:
            self._run.clear()
        super().drop_newest(count - apart)

    def reset(self) -> None:
        """Forget all samples (another profile, another machine state); the count of ignored ones stays."""
        super().reset()
        self._run.clear()
        self._after_slow, self._long = _Memory(AFTER_SLOW), _Memory(LONG)

    def _take(self, value: float) -> None:
        if self._count < LEARNT:
            super()._take(value)
            return
        middle = self._sorted[self._count // 2]
        reach = max(SPREADS * (self._sorted[3 * self._count // 4] - middle), (LEAST_EXCESS - 1.0) * middle)
        slow, before = value > middle + reach, bool(self._run)
        if slow and not before:
            self._rare = self._excess()
        self._long.add(value / middle)
        if before:
            self._after_slow.add(value / middle)
        self._freed = self._freed + 1 if value < middle - reach else 0
        if slow:
            self._run.append(value)
        else:
            self._run.clear()
        if not (slow and before):
            super()._take(value)
        elif len(self._run) < LOAD:
            self._asked = math.nan
            self._recent.append(value)
        else:
            self._adopt_load()
        if self._freed == FREED:
            self._long.drop_newest(FREED)
            self._keep(self._samples[-FREED:])

    def _adopt_load(self) -> None:
        self._after_slow.drop_newest(len(self._run) - 1)
        self._long.drop_newest(len(self._run))
        self._keep(self._run[:])
        self._run.clear()

    def _keep(self, samples: list[float]) -> None:
        super()._keep(samples)
        self._freed = 0


class OverheadEstimator(TailEstimator):
    """Overhead: latency minus inference time, i.e. transport, queue, decoding and publishing [ms]."""

    def __init__(self, *, prior: float = 4.0, window: int = 128) -> None:
        super().__init__(prior=prior, low=0.0, high=60_000.0, window=window)
