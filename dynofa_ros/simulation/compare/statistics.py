"""Means of paired differences with 95 % intervals.

    mean +- t(0.975, n - 1) * s / sqrt(n)        Student's t; s the standard deviation of the differences

of n seeds, the same for both policies of a pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

T_QUANTILES = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""t(0.975, 1) to t(0.975, 30)."""
Z = 1.959964


class Interval(NamedTuple):
    """A mean and the half width of its 95 % interval; half is NaN with fewer than two values."""

    mean: float
    half: float
    size: int
    """How many values."""

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies above or below 0, else 0. A spread of 0 makes the mean certain."""
        if not self.size or math.isnan(self.half):
            return 0
        return (self.low > 0.0) - (self.high < 0.0)


def interval(values: Sequence[float]) -> Interval:
    """Mean and interval of values; NaN without any."""
    count = len(values)
    if not count:
        return Interval(math.nan, math.nan, 0)
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, math.nan, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return Interval(mean, t_quantile(count - 1) * math.sqrt(variance / count), count)


def t_quantile(freedom: int) -> float:
    """t(0.975, freedom); beyond 30 by the expansion of Cornish and Fisher."""
    if freedom <= len(T_QUANTILES):
        return T_QUANTILES[freedom - 1]
    return Z + (Z**3 + Z) / (4.0 * freedom) + (5.0 * Z**5 + 16.0 * Z**3 + 3.0 * Z) / (96.0 * freedom**2)
