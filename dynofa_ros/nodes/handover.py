"""From one subscription of a topic to another one of it, without a gap and without hearing anything twice."""

from __future__ import annotations

from collections import deque
from typing import Any

LONGEST_S = 1.0
"""By then the new subscription has found every publisher that it can hear [s]."""
REMEMBERED = 5
"""Messages by which one of them may be ahead of the other."""


class Handover:
    """The time in which both subscriptions hear: each message counts the first time, its equal on the other
    side does not.
    """

    def __init__(self, now_s: float) -> None:
        self._until_s = now_s + LONGEST_S
        self._old: deque[Any] = deque(maxlen=REMEMBERED)
        self._new: deque[Any] = deque(maxlen=REMEMBERED)
        self._new_hears = False

    def repeats(self, message: Any, by_new: bool) -> bool:
        """Note a message; whether the other subscription has heard it already."""
        self._new_hears |= by_new
        own, other = (self._new, self._old) if by_new else (self._old, self._new)
        for heard in other:
            if heard == message:
                other.remove(heard)
                return True
        own.append(message)
        return False

    def over(self, now_s: float) -> bool:
        """Whether the old subscription has done its duty."""
        return self._new_hears or now_s >= self._until_s
