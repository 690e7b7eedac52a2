"""Per-entity load tracking: how the kernel sees the utilisation of a core, in closed form between events.

The kernel adds up running time in periods of 1024 us that lose half their weight in 32 periods:

    u(t + d) = r + (u(t) - r) * 2^(-d / 32.768 ms)

with r the share of the time that the task runs, 0..1. The closed form differs from the kernel's sums by less
than one period. Two kinds of frequency invariance:

    scaled time (Linux 5.1 and later): d runs at f / f_max while the task runs; it catches up when it stops
    scaled contribution (L4T 4.9): time runs as it is, r counts as r * f / f_max
"""

from __future__ import annotations

import math

PERIOD_S = 1024e-6
HALF_LIFE_S = 32 * PERIOD_S


class PeltSignal:
    """Utilisation of one core by one task, 0..1. Time in seconds; never goes back."""

    __slots__ = ("_behind_s", "aim", "half_life_s", "rate", "scaled_time", "seen_s", "speed", "util")

    def __init__(
        self, now_s: float = 0.0, scaled_time: bool = True, half_life_s: float = HALF_LIFE_S
    ) -> None:
        self.half_life_s = half_life_s
        self.util = 0.0
        self.rate = 0.0
        self.speed = 1.0
        self.scaled_time = scaled_time
        self.aim = self._behind_s = 0.0
        """`aim`: what the utilisation tends to."""
        self.seen_s = now_s

    def settle(self, now_s: float) -> float:
        """Utilisation at `now_s`."""
        passed_s = now_s - self.seen_s
        if passed_s > 0.0:
            self.seen_s = now_s
            if self.rate > 0.0:
                if self.scaled_time:
                    self._behind_s += passed_s * (1.0 - self.speed)
                    passed_s *= self.speed
                self.util = self.aim + (self.util - self.aim) * 2.0 ** (-passed_s / self.half_life_s)
            elif self.util > 0.0:
                self.util *= 2.0 ** (-passed_s / self.half_life_s)
        return self.util

    def change(self, now_s: float, rate: float, speed: float) -> None:
        """From `now_s` on the task runs for the share `rate` at `speed` = f / f_max."""
        self.settle(now_s)
        if self.rate > 0.0 and rate == 0.0 and self._behind_s > 0.0:
            self.util *= 2.0 ** (-self._behind_s / self.half_life_s)
            self._behind_s = 0.0
        self.rate, self.speed = rate, speed
        self.aim = rate if self.scaled_time else rate * speed

    def reaches_s(self, util: float) -> float:
        """Seconds from the last `settle` or `change` until `util` is crossed; inf: never as things are."""
        after = util - self.aim
        ratio = (self.util - self.aim) / after if after != 0.0 else 0.0
        if ratio < 1.0:
            return math.inf
        passed_s = self.half_life_s * math.log2(ratio)
        slowed = self.scaled_time and self.rate > 0.0
        return passed_s / self.speed if slowed else passed_s
