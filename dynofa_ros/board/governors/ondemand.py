"""ondemand, the CPU's sampling governor.

    load = 100 * busy / total        of the busiest core, over one interval
    load > 95: f = f_max;            else f = f_min + load * (f_max - f_min) / 100, the clock next to it

f_min and f_max are the ends of the table; 95 is its threshold where the kernel counts idle time exactly.
"""

from __future__ import annotations

from dynofa_ros.board.governors.base import SampledGovernor

UP_THRESHOLD = 95.0


class Ondemand(SampledGovernor):
    """The equations above, every 10 ms."""

    name = "ondemand"
    of_devices = False
    poll_s = 0.010

    def sample(self, now_s: float, current: int, busy: float, low: int, high: int) -> int:
        """See `SampledGovernor.sample`."""
        load = 100.0 * busy
        if load > UP_THRESHOLD:
            self.wanted = len(self.table_mhz) - 1
        else:
            first, last = self.table_mhz[0], self.table_mhz[-1]
            self.wanted = self.closest(first + load * (last - first) / 100.0)
        return self.wanted
