"""The points that the reflex may use now, and where each of them stands."""

from __future__ import annotations

from collections.abc import Sequence

from dynofa_ros.manager.operating_point import OperatingPoint, PointKey


class Ladder:
    """Operating points by rising merit; `top` is the one that was decided, the last where not given.

    Everything that is looked up before a frame is laid out ready.
    """

    __slots__ = ("keys", "points", "ranks", "top")

    def __init__(self, points: Sequence[OperatingPoint], top: OperatingPoint | None = None) -> None:
        self.points = tuple(points)
        self.keys: tuple[PointKey, ...] = tuple(point.key for point in self.points)
        self.ranks = {key: rank for rank, key in enumerate(self.keys)}
        self.top = top or (self.points[-1] if self.points else None)

    def rank(self, point: OperatingPoint) -> int | None:
        """Place of a point, 0 the lowest; None where it is not on the ladder."""
        return self.ranks.get((point.subnet, point.placement))
