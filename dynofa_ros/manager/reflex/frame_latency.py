"""Predicted latency of the next frame, from what was just measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from dynofa_ros.manager.operating_point import OperatingPoint, PointKey
from dynofa_ros.manager.reflex.ladder import Ladder
from dynofa_ros.manager.reflex.slowdown import OverheadEstimator, SlowdownEstimator

LEAST_WAIT_MS = 0.1
"""Shorter waiting for an element is no other application's doing, e.g. a change of sub-network [ms]."""


class FrameLatency:
    """Predicted latency of point p at the target's percentile q:

        L_q(p) = overhead_q + waiting_q + slowdown_q * latency_ms(p) * stretch(f)

    where latency_ms(p) * stretch(f) is what `expected_ms` holds. Slow-downs are kept per element, and
    forgotten after a window of frames that ran elsewhere: then those that the manager expects count. After a
    slow frame the tail of its element is that of frames that followed slow ones.
    """

    def __init__(self, expected_ms: Mapping[PointKey, float], window: int) -> None:
        self.overhead = OverheadEstimator(window=window)
        self.waiting = OverheadEstimator(prior=0.0, window=window)
        """Overhead that other applications cause, in no other estimate."""
        self.slowdowns: dict[str, SlowdownEstimator] = {}
        """By element."""
        self._told: dict[str, float] = {}
        """Slow-downs that the manager expects, by element."""
        self.element = ""
        """Where the last frame was sent: its newest slow-down tells of the next one there."""
        self._expected_ms = expected_ms
        self._window = window
        self._fixed_for, self._fixed_ms = math.nan, 0.0
        """Percentile that `fixed_ms` was asked for since the last frame, NaN for none, and its value."""
        self._ran: dict[str, int] = {}
        """Number of the last frame that an element ran."""
        self._frames = 0
        self._surprised = False

    def set_elements(self, elements: Iterable[str]) -> None:
        """Elements that frames can run on. Forgets all measurements."""
        self.slowdowns = {element: SlowdownEstimator(window=self._window) for element in elements}
        self._told = {}
        self.element = ""
        self._ran = dict.fromkeys(self.slowdowns, 0)
        self._frames = 0
        self._surprised = False
        self._fixed_for = math.nan
        self.overhead.reset()
        self.waiting.reset()

    # What it learns

    def expect(self, tails: Mapping[str, float]) -> None:
        """Slow-downs that the manager expects of elements at the percentile [1]; absurd ones are left out."""
        self._told = {element: tail for element, tail in tails.items() if 0.0 < tail < math.inf}

    def take_overhead(
        self, overhead_ms: float, queued_ms: float, waited_ms: float, percentile: float
    ) -> None:
        """Overhead of a frame, and what of it was spent in the queue and behind other applications [ms].

        Time in the queue does not count after a frame that was slow by surprise.
        """
        waited_ms = waited_ms if waited_ms >= LEAST_WAIT_MS else 0.0
        excused_ms = queued_ms if self._surprised and 0.0 < queued_ms <= overhead_ms else 0.0
        self.overhead.update(overhead_ms - excused_ms - waited_ms)
        if waited_ms > 0.0 or len(self.waiting):
            self.waiting.update(waited_ms)
        self._fixed_for = math.nan
        self.fixed_ms(percentile)  # looked up now, so that the next choice finds all ready

    def take_inference(
        self, point: OperatingPoint, inference_ms: float, queued_ms: float, percentile: float
    ) -> bool:
        """Inference time of a frame, and the time it was queued [ms]. Returns False where it is absurd."""
        slowdown = self.slowdowns[point.element]
        self._forget_elsewhere(point.element)
        ratio = inference_ms / self._expected_ms[point.key]
        self._surprised = ratio > slowdown.tail(percentile) or (self._surprised and queued_ms > 0.0)
        counts = slowdown.update(ratio)
        slowdown.tail(percentile)  # looked up now, too
        return counts

    def take_back(self, frames: Mapping[str, int]) -> None:
        """Forget the newest slow-downs, so many of each element: they were judged by wrong times."""
        for element, count in frames.items():
            self.slowdowns[element].drop_newest(count)

    def _forget_elsewhere(self, running: str) -> None:
        """What another element suffered a window ago says nothing any more: it may be tried again."""
        self._frames += 1
        self._ran[running] = self._frames
        if len(self._ran) == 1:
            return
        for element, frame in self._ran.items():
            if self._frames - frame == self._window:
                self.slowdowns[element].reset()

    # What it predicts

    def fixed_ms(self, percentile: float) -> float:
        """What comes beside inference: overhead and waiting [ms]."""
        if percentile != self._fixed_for:
            self._fixed_ms = self.overhead.tail(percentile) + self.waiting.tail(percentile)
            self._fixed_for = percentile
        return self._fixed_ms

    def slowdown_tail(self, element: str, percentile: float) -> float:
        """Slow-down of the next frame; where the last one was sent, what it tells counts."""
        if element == self.element and len(self.slowdowns[element]):
            return self.slowdowns[element].next_tail(percentile)
        return self.usual_tail(element, percentile)

    def usual_tail(self, element: str, percentile: float) -> float:
        """Slow-down after a usual frame; as the manager expects it where none was measured."""
        estimator = self.slowdowns[element]
        if not len(estimator) and element in self._told:
            return self._told[element]
        return estimator.tail(percentile)

    def inference_ms(self, point: OperatingPoint, percentile: float) -> float:
        """Inference time of the next frame [ms]."""
        return self.slowdown_tail(point.element, percentile) * self._expected_ms[point.key]

    def highest(self, ladder: Ladder, left_ms: float, percentile: float) -> int:
        """Rank of the highest point whose inference fits `left_ms`; of the fastest now where none does."""
        expected_ms = self._expected_ms
        tails: dict[str, float] = {}
        for rank in range(len(ladder.points) - 1, -1, -1):
            element = ladder.points[rank].element
            if element not in tails:
                tails[element] = self.slowdown_tail(element, percentile)
            if tails[element] * expected_ms[ladder.keys[rank]] <= left_ms:
                return rank
        need_ms = [tails[p.element] * expected_ms[k] for p, k in zip(ladder.points, ladder.keys, strict=True)]
        return need_ms.index(min(need_ms))

    def keeping_up(self, ladder: Ladder, rank: int, period_ms: float) -> int:
        """The highest rank up to `rank` whose inference usually ends within the period, 0 where none does."""
        while rank > 0:
            median = self.slowdowns[ladder.points[rank].element].median()
            if not median * self._expected_ms[ladder.keys[rank]] > period_ms:
                break
            rank -= 1
        return rank
