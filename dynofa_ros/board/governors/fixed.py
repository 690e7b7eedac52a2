"""performance and powersave: the highest and the lowest clock that the limits allow."""

from __future__ import annotations

from dynofa_ros.board.governors.base import Governor


class Performance(Governor):
    """f = maximum limit."""

    name = "performance"


class Powersave(Governor):
    """f = minimum limit."""

    name = "powersave"

    def __init__(self, table_mhz: tuple[float, ...]) -> None:
        super().__init__(table_mhz)
        self.wanted = 0
