"""When a reflex calls for the manager, which answers it with a decision at once."""

from __future__ import annotations

import math

WORSE = 0.1
"""Share of the limit by which a point that does not fit must get slower to be told of again."""
LEAP = 1.1
"""Factor on the slow-down that is told of even while the point fits: others there may have to move."""


class Strain:
    """What the best point left needs beyond the limit, and whether the manager was called for it.

    It is called for a move down, and where a point ceases to fit, of a single slow frame not yet: after the
    frame that shows it, or where nothing left fits before one. Again only where the strain grew by WORSE of
    the limit; one call does for a frame and the move after it. It is called for a leap of the slow-down, too.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._known_ms = 0.0
        """The strain when the manager last heard of it."""
        self._told = False
        """Whether it called after the last frame."""
        self._slowdown = math.inf
        """The least slow-down since the last call for a leap, or the one then called for [1]."""

    def after_frame(self, strain_ms: float, limit_ms: float, slowdown: float) -> None:
        """Strain of the point that just ran, below 0 where it fits, and the slow-down after it."""
        leapt = slowdown > LEAP * self._slowdown
        if leapt or slowdown < self._slowdown:
            self._slowdown = slowdown
        self._told = self._note(strain_ms, limit_ms)
        if leapt and not self._told:
            self.calls += 1
            self._told = True

    def before_frame(self, strain_ms: float, limit_ms: float, moves_down: bool) -> None:
        """Strain of the best point left."""
        self._note(strain_ms, limit_ms)
        if moves_down and not self._told:
            self.calls += 1
        self._told = False

    def _note(self, strain_ms: float, limit_ms: float) -> bool:
        """Returns whether it called."""
        known_ms = self._known_ms
        if not strain_ms > 0.0:
            self._known_ms = 0.0
        elif strain_ms > known_ms + (WORSE * limit_ms if known_ms > 0.0 else 0.0):
            self._known_ms = strain_ms
            self.calls += 1
            return True
        return False
