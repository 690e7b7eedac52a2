"""How fast a reflex moves: what a move up waits for."""

from __future__ import annotations

import math

from dynofa_ros.manager.operating_point import OperatingPoint

TRUST_S = 0.1
"""A decision for another element is followed for so long at least: clocks there are read only after it."""


class Pace:
    """A move up waits `calm_s` after any move and `dwell_s` after the last one up, and needs `margin`.

    Not the first one, nor the first after a decision that relaxes the target or finds nothing held back.
    """

    def __init__(self, dwell_s: float, calm_s: float, margin: float) -> None:
        self.trusted_until_s = self.moved_s = self.rose_s = -math.inf
        self._dwell_s, self._calm_s, self._margin = dwell_s, calm_s, margin

    def forget(self) -> None:
        """Start over."""
        self.trusted_until_s = self.moved_s = self.rose_s = -math.inf

    def free(self) -> None:
        """The next move waits for nothing."""
        self.moved_s = self.rose_s = -math.inf

    def follow(
        self,
        now_s: float,
        current: OperatingPoint | None,
        before: OperatingPoint | None,
        top: OperatingPoint | None,
        relaxed: bool,
    ) -> None:
        """A decision came for `top`, after one for `before`; `relaxed`: for a longer target."""
        changed = before is not top
        if current is None or (changed and top is not None and top.element != current.element):
            self.trusted_until_s = now_s + TRUST_S
        if current is None or (changed and (relaxed or current is before)):
            self.free()

    def waits(self, now_s: float) -> bool:
        """Whether it is too early for a move up."""
        return now_s - self.moved_s < self._calm_s or now_s - self.rose_s < self._dwell_s

    @property
    def margin(self) -> float:
        """Share of the limit that a move up must leave free [1]."""
        return 0.0 if self.moved_s == -math.inf else self._margin
