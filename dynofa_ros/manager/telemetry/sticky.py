"""Values that follow a measurement in steps, so that noise alone decides nothing anew."""

from __future__ import annotations

import math


class Sticky:
    """Stays at least as large as what it follows and at most `slack` (a share of it, and `least`) larger."""

    __slots__ = ("_least", "_slack", "value")

    def __init__(self, slack: float, least: float = 0.0) -> None:
        self.value = math.nan
        self._slack, self._least = slack, least

    def follow(self, measured: float, least: float = 0.0) -> float:
        """The value after a measurement; NaN: as it was. `least`: more room than usual."""
        room = max(self._slack * abs(measured), self._least, least)
        if not math.isnan(measured) and not measured <= self.value <= measured + room:
            self.value = measured + room / 3.0
        return self.value
