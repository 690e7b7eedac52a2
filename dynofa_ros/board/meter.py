"""Supply rails as an INA3221 shows them: the mean over the last finished averaging interval."""

from __future__ import annotations

AVERAGED_S = 0.430


class RailMeter:
    """Exact energy of one rail, and its mean power over intervals of 430 ms.

    The board adds power_w * time to `energy_j` between events.
    """

    __slots__ = ("_from_j", "_from_s", "energy_j", "power_w", "shown_w")

    def __init__(self) -> None:
        self.energy_j = self._from_j = self._from_s = 0.0
        self.power_w = self.shown_w = 0.0

    def finish(self, now_s: float) -> None:
        """An averaging interval ends."""
        passed_s = now_s - self._from_s
        if passed_s > 0.0:
            self.shown_w = (self.energy_j - self._from_j) / passed_s
        self._from_j, self._from_s = self.energy_j, now_s
