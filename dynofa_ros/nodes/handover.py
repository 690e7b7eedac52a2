"""From one subscription of a topic to another one of it, without a gap and without hearing anything twice."""

from __future__ import annotations

LONGEST_S = 1.0
"""By then the new subscription has found every publisher that it can hear [s]."""

Stamp = tuple[int, int]


class Handover:
    """The time in which both subscriptions hear. Messages are told apart by stamp; (0, 0) is none."""

    def __init__(self, now_s: float) -> None:
        self._until_s = now_s + LONGEST_S
        self._heard_by: dict[Stamp, int] = {}
        self._new_hears = False

    def repeats(self, stamp: Stamp, subscription: int, newest: int) -> bool:
        """Note a message of one of the numbered subscriptions; whether the other one has heard it already."""
        self._new_hears |= subscription == newest
        return stamp != (0, 0) and self._heard_by.setdefault(stamp, subscription) != subscription

    def over(self, now_s: float) -> bool:
        """Whether the old subscription has done its duty."""
        return self._new_hears or now_s >= self._until_s
