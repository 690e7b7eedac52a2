"""What a reflex did last, in words."""

from __future__ import annotations

import math
from typing import NamedTuple

from dynofa_ros.manager.operating_point import OperatingPoint


class Move(NamedTuple):
    """A move, put into words only when somebody asks: there is one before every switch."""

    verb: str
    point: OperatingPoint
    need_ms: float
    limit_ms: float
    slowdown: float

    def __str__(self) -> str:
        what = f"{self.verb} {full_name(self.point)}"
        if self.limit_ms == 0.0:
            return f"{what}: camera period not known yet"
        limit = f" of {self.limit_ms:.1f}" if self.limit_ms < math.inf else ""
        return f"{what}: {self.need_ms:.1f}{limit} ms, slow-down {self.slowdown:.2f}"


def full_name(point: OperatingPoint) -> str:
    """The sub-network, and its placement where that has a name."""
    return f"{point.subnet} ({point.placement})" if point.placement else point.subnet
