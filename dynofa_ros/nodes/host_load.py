"""Load of a simulated board's CPU: what really computes on this machine, as busy cores of that board.

Inference under an emulated clock computes for `measured` and then waits out the stretch; on the real board
it would compute all that time, so the waiting counts as busy too. No ROS in here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from dynofa_ros.engine.emulation import stretch

STATS_VALID_S = 2.0


@dataclass(frozen=True)
class _Emulated:
    busy: float
    seen_s: float


class HostLoad:
    """Busy share of the simulated CPU, 0..1."""

    def __init__(self, host_load: Callable[[], float], host_cores: int) -> None:
        """`host_load` gives the busy share of all `host_cores` since its last call; NaN: not known."""
        self._host_load = host_load
        self._host_cores = max(1, host_cores)
        self._placement: dict[str, tuple[int, float]] = {}
        self._stats: dict[str, _Emulated] = {}

    def on_application(self, name: str, threads: int, clocked_fraction: float) -> None:
        """How the application `name` computes."""
        self._placement[name] = (max(1, threads), clocked_fraction)

    def on_stats(self, name: str, busy: float, now_s: float) -> None:
        """Share of the time, 0..1, in which `name` infers, stretch included; NaN counts as idle."""
        self._stats[name] = _Emulated(0.0 if math.isnan(busy) else busy, now_s)

    def share(self, board_cores: int, f_mhz: float, f_max_mhz: float, now_s: float) -> float:
        """Busy share of `board_cores` cores at clock `f_mhz` [MHz]; NaN: the host's load is not known."""
        really = self._host_load() * self._host_cores
        waiting = sum(self._waiting(name, f_mhz, f_max_mhz, now_s) for name in self._stats)
        share = (really + waiting) / max(1, board_cores)
        return share if math.isnan(share) else min(1.0, share)

    def _waiting(self, name: str, f_mhz: float, f_max_mhz: float, now_s: float) -> float:
        """Cores that an application would keep busy while it waits out the stretch."""
        stats, (threads, clocked_fraction) = self._stats[name], self._placement.get(name, (1, 0.0))
        if now_s - stats.seen_s > STATS_VALID_S or not 0.0 < f_mhz <= f_max_mhz:
            return 0.0
        return stats.busy * threads * (1.0 - 1.0 / stretch(clocked_fraction, f_mhz, f_max_mhz))
