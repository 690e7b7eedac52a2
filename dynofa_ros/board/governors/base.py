"""What the simulated board asks of a governor. Clocks are indices into the domain's rising table [MHz]."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import ClassVar

ROUNDING_MHZ = 1e-6


class Governor:
    """Wants one clock of the table; the board keeps it inside the limits and adds the actuation delay."""

    name: ClassVar[str] = ""
    of_cpus: ClassVar[bool] = True
    of_devices: ClassVar[bool] = True

    def __init__(self, table_mhz: tuple[float, ...]) -> None:
        self.table_mhz = table_mhz
        self.wanted = self._last = len(table_mhz) - 1

    def at_least(self, mhz: float) -> int:
        """Index of the lowest clock not below `mhz`; the highest where there is none."""
        index = bisect_left(self.table_mhz, mhz - ROUNDING_MHZ)
        return index if index < self._last else self._last

    def at_most(self, mhz: float) -> int:
        """Index of the highest clock not above `mhz`; the lowest where there is none."""
        return max(bisect_right(self.table_mhz, mhz + ROUNDING_MHZ) - 1, 0)

    def closest(self, mhz: float) -> int:
        """Index of the clock next to `mhz`, the lower one where two are."""
        upper = self.at_least(mhz)
        lower = max(upper - 1, 0)
        return lower if mhz - self.table_mhz[lower] <= self.table_mhz[upper] - mhz else upper


class SampledGovernor(Governor):
    """Looks every `poll_s` at the busy share of the interval that just ended."""

    poll_s: ClassVar[float] = 0.0

    def sample(self, now_s: float, current: int, busy: float, low: int, high: int) -> int:
        """The wanted index after an interval with share `busy` at clock index `current`.

        `low` and `high` are the indices of the limits in force.
        """
        raise NotImplementedError


class UtilGovernor(Governor):
    """Follows the utilisation of the busiest core whenever the scheduler updates it."""

    of_devices: ClassVar[bool] = False
    scaled_time: ClassVar[bool] = True
    fast_half_life_s: ClassVar[float] = 0.0
    """Half-life of a faster utilisation that counts where it is higher; 0: there is none."""
    tick_s: ClassVar[float] = 0.004

    def update(self, now_s: float, util: float) -> float:
        """Take the utilisation 0..1 at `now_s`; `wanted` follows.

        Returns when a change that the rate limit forbids now may be tried again [s], else inf.
        """
        raise NotImplementedError

    def next_tick_s(self, at_s: float) -> float:
        """The first scheduler tick after `at_s`."""
        return (math.floor(at_s / self.tick_s) + 1.0) * self.tick_s

    def band(self) -> tuple[float, float]:
        """(low, high]: the utilisations that lead to the clock wanted now."""
        raise NotImplementedError
