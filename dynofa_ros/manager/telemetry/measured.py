"""What was measured of one application, as decisions rest on it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from dynofa_ros.manager.application import StatsView
from dynofa_ros.manager.operating_point import PointKey
from dynofa_ros.manager.telemetry.sticky import Sticky

REPORTS = 3
LEAP = 1.2
SLACK = 0.01
"""Share by which a value that decisions rest on may exceed what was measured."""
OVERHEAD_STEP_MS = 0.1
LEAST_SLOWDOWN, LARGEST_SLOWDOWN, LARGEST_MS = 0.05, 200.0, 60_000.0
BURST, LARGEST_BURST, BURST_SLACK = 1.25, 3.0, 0.03
"""Long tail of the slow-down over its tail: until it is known, at most, and the room of its steps [1]."""
CONTESTED_S = 5.0
ELSEWHERE_S, LONGEST_ELSEWHERE_S = 10.0, 160.0
"""What an element suffered longer ago says nothing any more: it may be tried again; twice as long after each
try that ended within SHORT_STAY_S [s]."""
SHORT_STAY_S = 3.0
FREED, MOST_BACKGROUND = 0.15, 0.9


@dataclass
class Elsewhere:
    """What an element was measured to do, kept for while the application runs on another one."""

    median: float = math.nan
    tail: float = math.nan
    at_s: float = -math.inf
    background: float = 0.0
    """Share of the element that others used then."""
    arrived_s: float = -math.inf
    patience_s: float = ELSEWHERE_S

    def expected(self, now_s: float, background: float, prior_tail: float) -> tuple[float, float]:
        """Median and tail to expect there now.

        What was measured, until `patience_s` have passed or others left the element; then, and before
        anything was measured, time shared with them: 1 / (1 - background), the prior at least for the tail.
        """
        freed = background < self.background - FREED
        if now_s - self.at_s <= self.patience_s and not freed:
            return self.median, self.tail
        shared = 1.0 / (1.0 - min(background, MOST_BACKGROUND))
        return shared, prior_tail * shared


class Measured:
    """What an application's statistics say, on the careful side; NaN before the first.

    Of the last REPORTS reports on one element the second largest slow-down and overhead count, and the
    newest where it is LEAP times as large: a burst of slow frames moves nothing here (the reflex has answered
    it), a co-runner shows at once, and a fall has to be confirmed. All follow in steps (`Sticky`).
    """

    def __init__(self) -> None:
        self.slowdown = self.slowdown_tail = self.overhead_ms = self.period_ms = self.busy = math.nan
        self.waited_ms = self.occupies_ms = math.nan
        self.tail_interval = (math.nan, math.nan)
        """90 % interval of the newest tail, as reported."""
        self.burst = BURST
        """Long tail of the slow-down, bursts included, over its tail."""
        self.element = ""
        self.point: PointKey = ("", "")
        """What ran at the end of the newest window."""
        self.by_element: dict[str, Elsewhere] = {}
        """What was measured on each element."""
        self.inferred_total = -1
        self.fresh_s = -math.inf
        self.ignored = 0
        """Reports with a value that is none."""
        self.refused = ""
        """Which one, in the newest report; "" where there is none."""
        self._reports: deque[tuple[float, float, float]] = deque(maxlen=REPORTS)
        self._periods: deque[float] = deque(maxlen=REPORTS)
        self._steps = Sticky(SLACK), Sticky(SLACK), Sticky(SLACK, OVERHEAD_STEP_MS)
        self._frequency = Sticky(SLACK)
        self._burst = Sticky(BURST_SLACK)
        self._waited, self._occupies = Sticky(SLACK, OVERHEAD_STEP_MS), Sticky(BURST_SLACK, OVERHEAD_STEP_MS)
        self._backward_s: deque[float] = deque(maxlen=2)

    def take(
        self, stats: StatsView, now_s: float, elements: frozenset[str], clocks_settle: bool = False
    ) -> bool:
        """Take fresh, plausible values; frozen ones (frames, but no new inference) do not count.

        What is larger than the largest counts as that once it was said twice; no slow-down, no news.

        `elements`: those that the application can run on. `clocks_settle`: some of these frames ran at other
        clocks than is known, so that their slow-down says nothing. Returns whether these were the first.
        """
        self._take_period(stats.period_ms)
        if stats.frames <= 0 or stats.inferred_total == self.inferred_total:
            return False
        if stats.inferred_total < self.inferred_total:
            self._backward_s.append(now_s)
        self.inferred_total = stats.inferred_total
        self.refused = _wrong(stats, elements)
        self.ignored += bool(self.refused)
        tail = _bounded(stats.slowdown_tail, LEAST_SLOWDOWN, LARGEST_SLOWDOWN)
        overhead_ms = _bounded(stats.overhead_ms, 0.0, LARGEST_MS)
        if math.isnan(tail) or stats.element not in elements:
            return False
        if stats.element != self.element:
            self._arrive(stats.element, now_s)
        self.element, self.point = stats.element, (stats.subnet, stats.placement)
        median = min(_plausible(stats.slowdown, LEAST_SLOWDOWN, LARGEST_SLOWDOWN, tail), tail)
        if clocks_settle and self._reports:
            median, tail = self._reports[-1][:2]
        self._reports.append((median, tail, overhead_ms))
        waited_ms = _plausible(stats.waited_ms, 0.0, LARGEST_MS, math.nan)
        occupies_ms = _plausible(stats.inference_p50_ms, 0.0, LARGEST_MS, math.nan)
        self.waited_ms, self.occupies_ms = self._waited.follow(waited_ms), self._occupies.follow(occupies_ms)
        self._settle_values(now_s)
        self._take_burst(math.nan if clocks_settle else stats.slowdown_burst)
        self.tail_interval = (stats.slowdown_tail_low, stats.slowdown_tail_high)
        self.busy = _plausible(stats.busy, 0.0, 1.0, 0.0)
        first, self.fresh_s = self.fresh_s == -math.inf, now_s
        return first

    def _arrive(self, element: str, now_s: float) -> None:
        """It runs on another element now: a short stay on the one before makes the next try there later."""
        self._reports.clear()
        left = self.by_element.get(self.element)
        if left is not None:
            short = now_s - left.arrived_s < SHORT_STAY_S
            left.patience_s = min(2.0 * left.patience_s, LONGEST_ELSEWHERE_S) if short else ELSEWHERE_S
        self.by_element.setdefault(element, Elsewhere()).arrived_s = now_s

    def _take_period(self, period_ms: float) -> None:
        if 0.1 <= period_ms <= 3.6e6:
            self._periods.append(period_ms)
            self.period_ms = 1.0 / self._frequency.follow(1.0 / min(self._periods))

    def _take_burst(self, slowdown_burst: float) -> None:
        burst = _plausible(slowdown_burst, LEAST_SLOWDOWN, LARGEST_SLOWDOWN, math.nan)
        ratio = self._burst.follow(burst) / self.slowdown_tail
        self.burst = BURST if math.isnan(ratio) else min(max(ratio, 1.0), LARGEST_BURST)

    def _settle_values(self, now_s: float) -> None:
        careful = [_careful(values, not self.refused) for values in zip(*self._reports, strict=True)]
        steps = [step.follow(value) for step, value in zip(self._steps, careful, strict=True)]
        self.slowdown, self.slowdown_tail, self.overhead_ms = steps
        self.slowdown = min(self.slowdown, self.slowdown_tail)
        place = self.by_element[self.element]
        place.median, place.tail, place.at_s = self.slowdown, self.slowdown_tail, now_s

    def contested(self, now_s: float) -> bool:
        """Whether the count of frames went backwards twice lately: two nodes use one name."""
        return len(self._backward_s) == 2 and now_s - self._backward_s[0] < CONTESTED_S


def _careful(values: tuple[float, ...], leaps: bool) -> float:
    """The second largest; the newest where it `leaps`. NaN, which is not known, is left out."""
    known = [value for value in values if not math.isnan(value)]
    if len(known) < 2:
        return known[0] if known else math.nan
    second = sorted(known)[-2]
    return known[-1] if leaps and known[-1] > LEAP * second else second


def _bounded(value: float, low: float, high: float) -> float:
    """The value, at most `high`; NaN where it is infinite or below `low`."""
    return min(value, high) if low <= value < math.inf else math.nan


def _plausible(value: float, low: float, high: float, otherwise: float) -> float:
    return value if low <= value <= high else otherwise


def _wrong(stats: StatsView, elements: frozenset[str]) -> str:
    """A value that decisions rest on and that is none, in words; "" where there is none. NaN: not known."""
    if stats.element not in elements:
        return f"element = {stats.element!r}"
    bounds = (("slowdown_tail", LEAST_SLOWDOWN, LARGEST_SLOWDOWN), ("overhead_ms", 0.0, LARGEST_MS))
    for name, low, high in bounds:
        value = getattr(stats, name)
        if value < low or value > high:
            return f"{name} = {value:g}"
    return ""
