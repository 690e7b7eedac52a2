"""simple_ondemand, devfreq's governor (upthreshold 90, downdifferential 5).

    load = busy / total
    load > 90 %: f = f_max;   load > 85 %: keep;   else f = load * f_cur * 100 / 88

The last is rounded up to the table.
"""

from __future__ import annotations

from dynofa_ros.board.governors.base import SampledGovernor

UP = 0.90
DOWN = 0.85
DIVISOR = 88.0


class SimpleOndemand(SampledGovernor):
    """The equations above, every 50 ms."""

    name = "simple_ondemand"
    of_cpus = False
    poll_s = 0.050

    def sample(self, now_s: float, current: int, busy: float, low: int, high: int) -> int:
        """See `SampledGovernor.sample`."""
        if busy > UP:
            self.wanted = len(self.table_mhz) - 1
        elif busy > DOWN:
            self.wanted = current
        else:
            self.wanted = self.at_least(busy * self.table_mhz[current] * 100.0 / DIVISOR)
        return self.wanted
