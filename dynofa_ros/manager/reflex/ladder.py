"""The points that the reflex may use now, and where each of them stands."""

from __future__ import annotations

from collections.abc import Sequence

from dynofa_ros.manager.operating_point import OperatingPoint, PointKey


class Ladder:
    """Operating points by rising merit; `top` is the one that was decided, the last where not given.

    Everything that is looked up before a frame is laid out ready.
    """

    __slots__ = ("_above", "keys", "points", "ranks", "top")

    def __init__(self, points: Sequence[OperatingPoint], top: OperatingPoint | None = None) -> None:
        self.points = tuple(points)
        self.keys: tuple[PointKey, ...] = tuple(point.key for point in self.points)
        self.ranks = {key: rank for rank, key in enumerate(self.keys)}
        """Place of each point, 0 the lowest."""
        self.top = top or (self.points[-1] if self.points else None)
        self._above: tuple[float, Ladder] = (0.0, self)

    def above(self, min_accuracy: float) -> Ladder:
        """Without the points below an accuracy floor; unchanged where the decided one is below it."""
        if self._above[0] != min_accuracy:
            kept = [point for point in self.points if point.accuracy >= min_accuracy]
            self._above = (min_accuracy, Ladder(kept, self.top) if self.top in kept else self)
        return self._above[1]
