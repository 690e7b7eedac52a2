"""nvhost_podgov, the Jetson GPU's governor (load_max 900, target 700, bias 80, smooth 10, damp 7).

    rt_load    = 1000 * busy / total
    cycles_avg = (10 * cycles_avg + f * busy / total) / 11
    busyness   = 1000 * cycles_avg / f
    rt_load > 900: boost = f_max / 3, d = 10
    else           boost = min(80 * f * (busyness - 700) / (100 * 700), f_max / 3), d = 7
    res = f + boost;  freq_avg = (10 * freq_avg + res) / 11;  res = (d * res + (10 - d) * freq_avg) / 10

clamped to the limits and rounded up to the table; within 50 ms of its last change it keeps the clock.
"""

from __future__ import annotations

import math

from dynofa_ros.board.governors.base import SampledGovernor

LOAD_MAX = 900.0
LOAD_TARGET = 700.0
BIAS = 80.0
SMOOTH = 10.0
DAMP = 7.0
WINDOW_S = 0.050


class NvhostPodgov(SampledGovernor):
    """The equations above, every 25 ms."""

    name = "nvhost_podgov"
    of_cpus = False
    poll_s = 0.025

    def __init__(self, table_mhz: tuple[float, ...]) -> None:
        super().__init__(table_mhz)
        self.wanted = 0
        self.cycles_avg = 0.0
        self.freq_avg = 0.0
        self._changed_s = -math.inf

    def sample(self, now_s: float, current: int, busy: float, low: int, high: int) -> int:
        """See `SampledGovernor.sample`."""
        f_mhz = self.table_mhz[current]
        self.cycles_avg = (SMOOTH * self.cycles_avg + f_mhz * busy) / (SMOOTH + 1.0)
        if now_s - self._changed_s < WINDOW_S - 1e-9:
            return self.wanted
        wanted = self._scaled(f_mhz, 1000.0 * busy, self.table_mhz[high])
        wanted = min(max(wanted, low), high)
        if wanted != current:
            self._changed_s = now_s
        self.wanted = wanted
        return wanted

    def _scaled(self, f_mhz: float, rt_load: float, full_mhz: float) -> int:
        busyness = 1000.0 * self.cycles_avg / f_mhz
        damp, boost = 10.0, full_mhz / 3.0
        if rt_load <= LOAD_MAX:
            damp = DAMP
            boost = min(BIAS * f_mhz * (busyness - LOAD_TARGET) / (100.0 * LOAD_TARGET), boost)
        res = f_mhz + boost
        self.freq_avg = (SMOOTH * self.freq_avg + res) / (SMOOTH + 1.0)
        return self.at_least((damp * res + (10.0 - damp) * self.freq_avg) / 10.0)
