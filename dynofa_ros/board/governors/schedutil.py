"""schedutil, the CPU's governor: the clock follows the utilisation that PELT sees.

    f_next = 1.25 * f_max * util / max       the lowest clock of the table not below it

util is that of the busiest core of the policy. A change waits until the rate limit since the last change is
over: 10 ms in Linux up to 6.8, 2 ms from 6.9; NVIDIA's L4T 4.9 waits 0.5 ms upwards and 2 ms downwards.
L4T also takes the higher of util_avg and a faster util_fast_avg; its half-life is not published, a quarter of
the usual one is an assumption.
"""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

from dynofa_ros.board.governors.base import UtilGovernor
from dynofa_ros.board.pelt import HALF_LIFE_S

HEADROOM = 1.25


class Schedutil(UtilGovernor):
    """Linux up to 6.8."""

    name: ClassVar[str] = "schedutil"
    up_limit_s: ClassVar[float] = 0.010
    down_limit_s: ClassVar[float] = 0.010

    def __init__(self, table_mhz: tuple[float, ...]) -> None:
        super().__init__(table_mhz)
        self._changed_s = -math.inf
        self._full_mhz = HEADROOM * table_mhz[-1]
        levels = [-math.inf, *(mhz / self._full_mhz for mhz in table_mhz[:-1]), math.inf]
        self._bands = tuple(itertools.pairwise(levels))

    def update(self, now_s: float, util: float) -> float:
        """See `UtilGovernor.update`."""
        index = self.at_least(self._full_mhz * util)
        if index == self.wanted:
            return math.inf
        allowed_s = self._changed_s + (self.up_limit_s if index > self.wanted else self.down_limit_s)
        if now_s < allowed_s - 1e-9:
            return allowed_s
        self.wanted, self._changed_s = index, now_s
        return math.inf

    def band(self) -> tuple[float, float]:
        """See `UtilGovernor.band`."""
        return self._bands[self.wanted]


class SchedutilLinux69(Schedutil):
    """Linux from 6.9."""

    name = "schedutil_6.9"
    up_limit_s = 0.002
    down_limit_s = 0.002


class SchedutilL4t(Schedutil):
    """NVIDIA L4T 4.9 (Xavier NX with JetPack 4)."""

    name = "schedutil_l4t"
    up_limit_s = 0.0005
    down_limit_s = 0.002
    scaled_time = False
    fast_half_life_s = HALF_LIFE_S / 4
