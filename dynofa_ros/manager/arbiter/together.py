"""How long an inference waits behind several others that leave it no room only together.

    waiting of a       max over S of W_S
    W_S                min over b in S of max(0, t_b - A_S T_b / P_b)
    A_S                (1 - q_a) / number of sets of |S| out of n

S: two or three others (LARGEST) that all fit beside a, but not all at once, while without any one of them
there is room. P_b: how often all of S but b are at work; the others as in waiting.py. That all of S are at
work, b for longer than w, befalls P_b (t_b - w) / T_b of the frames where phases are unrelated; a waits until
the first of S ends. None of these sets is part of another, nor holds one that leaves no room by itself, so
their A_S add up to at most 1 - q_a with those of waiting.py (inequality of Lubell, Yamamoto and Meshalkin).

    P_b                U_c of the other one; of two others U_c U_d, min(U_c, U_d) where these keep their phase
    U_c                min(1, t_c / T_c); 1 where c keeps its phase to a or b

Where b keeps its phase to a, its part is that of waiting.py, and P_b = 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dynofa_ros.manager.arbiter.settings import IndexArray
from dynofa_ros.manager.arbiter.tables import BoolArray
from dynofa_ros.manager.arbiter.waiting import FITS, LARGEST, Allowances
from dynofa_ros.manager.models.power_model import FloatArray


@dataclass(frozen=True)
class Together:
    """Choices as far as waiting goes; arrays have shape (applications, choices)."""

    allowances: Allowances
    element: IndexArray
    share: FloatArray
    """Of the element, that an inference occupies."""
    time_ms: FloatArray
    """Of an inference."""

    def waiting_ms(self, a: int, others: Sequence[int]) -> FloatArray:
        """How long `a` waits behind sets of these others, shape (choices,)."""
        longest = np.zeros(self.element.shape[1])
        for size in range(2, LARGEST + 1):
            for those in combinations(others, size):
                blocked = self._blocked(a, those)
                if blocked.any():
                    np.maximum(longest, np.where(blocked, self._behind_ms(a, those), 0.0), out=longest)
        return longest

    def _blocked(self, a: int, those: tuple[int, ...]) -> BoolArray:
        """Whether those leave no room to `a`, but would without any one of them."""
        blocked = ~self._fits(a, those)
        for b in those:
            blocked &= self.element[b] == self.element[a]
            blocked &= self._fits(a, [c for c in those if c != b])
        return blocked

    def _fits(self, a: int, those: Sequence[int]) -> BoolArray:
        total = self.share[a]
        for b in those:
            total = total + self.share[b]
        return np.asarray(total <= FITS)

    def _behind_ms(self, a: int, those: tuple[int, ...]) -> FloatArray:
        """W_S."""
        waits = []
        for b in those:
            allowance_ms = self.allowances.ms[len(those) - 1, a, b, self.element[a]]
            if self.allowances.period_ms[a, b] > 0.0:
                allowance_ms = allowance_ms / self._often(a, b, [c for c in those if c != b])
            waits.append(np.maximum(self.time_ms[b] - allowance_ms, 0.0))
        return np.asarray(np.min(waits, axis=0))

    def _often(self, a: int, b: int, rest: Sequence[int]) -> FloatArray:
        """P_b, for the `rest` of S."""
        often = self._at_work(a, b, rest[0])
        for c in rest[1:]:
            use = self._at_work(a, b, c)
            unrelated = self.allowances.period_ms[rest[0], c] > 0.0
            often = often * use if unrelated else np.minimum(often, use)
        return often

    def _at_work(self, a: int, b: int, c: int) -> FloatArray:
        """U_c."""
        period_ms = min(self.allowances.period_ms[a, c], self.allowances.period_ms[b, c])
        time_ms = self.time_ms[c]
        use = np.divide(time_ms, period_ms, out=np.ones_like(time_ms), where=time_ms < period_ms)
        return np.asarray(use)
