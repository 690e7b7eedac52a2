"""The accuracy floor of a target, and how long it holds against late frames."""

from __future__ import annotations

from collections import deque

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.reflex.ladder import Ladder

PATIENCE = 5.0
"""Late frames of a window over what the percentile allows until the accuracy floor gives way, while a manager
decides: it answers what lasts."""


class AccuracyFloor:
    """The floor holds while the late frames that this costs are few enough, of a window of n frames:

        late <= patience (1 - q) n          q: percentile of the target
                                            patience = PATIENCE while a decision is valid, 1 otherwise

    A frame below the floor is worth no more than a late one.
    """

    def __init__(self, window: int) -> None:
        self.accuracy = 0.0
        """The floor; 0: there is none."""
        self._late: deque[bool] = deque(maxlen=window)
        self._window = window
        self._lates = 0

    def set(self, accuracy: float) -> None:
        """Another floor; NaN and what is no accuracy: none."""
        self.accuracy = accuracy if 0.0 < accuracy <= 1.0 else 0.0

    def judge(self, late: bool) -> None:
        """A frame was late, or it was not."""
        if len(self._late) == self._window:
            self._lates -= self._late[0]
        self._late.append(late)
        self._lates += late

    def forget(self) -> None:
        """Forget all late frames; the floor stays."""
        self._late.clear()
        self._lates = 0

    def keep(
        self, ladder: Ladder, current: OperatingPoint | None, percentile: float, decided: bool
    ) -> Ladder:
        """What of a ladder keeps the floor; all of it where the floor does not hold, or not now any more."""
        above = ladder.above(self.accuracy)
        allowed = (PATIENCE if decided else 1.0) * (1.0 - percentile) * self._window
        holds = self._lates <= allowed and (current is None or current.key in above.ranks)
        return above if holds else ladder
