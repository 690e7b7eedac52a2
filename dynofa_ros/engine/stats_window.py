"""What a perception node experienced since the last time somebody asked."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from dynofa_ros.engine.counters import Totals
from dynofa_ros.manager.application import InferenceStats
from dynofa_ros.manager.reflex.reflex import Reflex

PERIOD_FRAMES = 32
CHANGED_GAPS, CHANGED = 4, 1.4
"""So many gaps in a row that are longer, or shorter, by this factor than the mean are another period."""
LONGEST_GAP_S = 2.0
MAX_FRAMES = 10_000


class PeriodMeter:
    """Mean time between received frames over the last PERIOD_FRAMES.

    A pause starts it over; where CHANGED_GAPS in a row tell of another period, only they count.
    """

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=PERIOD_FRAMES)
        self._shorter = self._longer = 0
        """Gaps in a row, the newest ones, that are shorter or longer than usual."""

    def tick(self, received_s: float) -> None:
        """A frame was received."""
        times_s = self._times_s
        if times_s:
            gap_s = received_s - times_s[-1]
            if 0.0 <= gap_s <= LONGEST_GAP_S:
                self._compare(gap_s)
            else:
                self._start_over(())
        self._times_s.append(received_s)
        if CHANGED_GAPS in (self._shorter, self._longer):
            self._start_over(list(self._times_s)[-CHANGED_GAPS - 1 :])

    def _compare(self, gap_s: float) -> None:
        count = len(self._times_s) - 1
        mean_s = (self._times_s[-1] - self._times_s[0]) / count if count else gap_s
        self._shorter = self._shorter + 1 if gap_s * CHANGED < mean_s else 0
        self._longer = self._longer + 1 if gap_s > CHANGED * mean_s else 0

    def _start_over(self, times_s: Iterable[float]) -> None:
        self._times_s = deque(times_s, PERIOD_FRAMES)
        self._shorter = self._longer = 0

    @property
    def period_ms(self) -> float:
        """Mean period [ms]; NaN before the second frame."""
        gaps = len(self._times_s) - 1
        return (self._times_s[-1] - self._times_s[0]) / gaps * 1e3 if gaps > 0 else math.nan


@dataclass(frozen=True)
class WindowSummary:
    """Values of `msg/InferenceStats` that cover one window; NaN: no frame in it."""

    window_ms: float
    frames: int
    deadline_misses: int
    latency_p50_ms: float
    latency_p95_ms: float
    latency_max_ms: float
    inference_p50_ms: float
    busy: float


class StatsWindow:
    """Collects results between two calls of `summarise`. Thread safe."""

    def __init__(self, start_s: float | None = None) -> None:
        """`start_s`: when the first window begins; the first result's time where None."""
        self._lock = threading.Lock()
        self._start_s = start_s
        self._results: deque[tuple[float, float, bool]] = deque(maxlen=MAX_FRAMES)

    def add(self, latency_ms: float, inference_ms: float, deadline_met: bool, end_s: float) -> None:
        """A frame was inferred and its result was ready at `end_s` [s]."""
        with self._lock:
            if self._start_s is None:
                self._start_s = end_s - latency_ms / 1e3
            self._results.append((latency_ms, inference_ms, deadline_met))

    def summarise(self, now_s: float) -> WindowSummary:
        """The window that ends now; the next one begins."""
        with self._lock:
            rows, self._results = self._results, deque(maxlen=MAX_FRAMES)
            start_s, self._start_s = self._start_s, now_s
        window_ms = math.nan if start_s is None else max(0.0, (now_s - start_s) * 1e3)
        if not rows:
            nan = math.nan
            return WindowSummary(window_ms, 0, 0, nan, nan, nan, nan, nan if start_s is None else 0.0)
        latency_ms = sorted([row[0] for row in rows])
        inference_ms = sorted([row[1] for row in rows])
        busy_ms = math.fsum(inference_ms)
        return WindowSummary(
            window_ms=window_ms,
            frames=len(rows),
            deadline_misses=sum([not row[2] for row in rows]),
            latency_p50_ms=_quantile(latency_ms, 0.5),
            latency_p95_ms=_quantile(latency_ms, 0.95),
            latency_max_ms=latency_ms[-1],
            inference_p50_ms=_quantile(inference_ms, 0.5),
            busy=min(1.0, busy_ms / window_ms) if window_ms > 0.0 else math.nan,
        )


def _quantile(rising: list[float], share: float) -> float:
    """Quantile of sorted values, linear between them: x_i + (x_(i+1) - x_i) * r, share * (n - 1) = i + r."""
    index, rest = divmod(share * (len(rising) - 1), 1.0)
    low = rising[int(index)]
    return low if rest == 0.0 else low + (rising[int(index) + 1] - low) * rest


def compose_stats(
    application: str,
    window: WindowSummary,
    totals: Totals,
    reflex: Reflex,
    period_ms: float,
    emulated_clocks: bool,
) -> InferenceStats:
    """All of `msg/InferenceStats`: the window's values, the counts, and the tails that the reflex acts on."""
    measured, running = len(reflex.slowdown) > 0, reflex.current
    low, high = reflex.slowdown.interval(reflex.percentile)
    return InferenceStats(
        application=application,
        subnet=running.subnet if running else "",
        placement=running.placement if running else "",
        element=running.element if running else "",
        **vars(window),
        period_ms=period_ms,
        overhead_ms=reflex.overhead.tail(reflex.percentile) if measured else math.nan,
        slowdown=reflex.slowdown.median(),
        slowdown_tail=reflex.slowdown.tail(reflex.percentile) if measured else math.nan,
        slowdown_tail_low=low,
        slowdown_tail_high=high,
        slowdown_burst=reflex.slowdown.burst_tail(reflex.percentile) if measured else math.nan,
        waited_ms=reflex.waiting_tail(),
        emulated_clocks=emulated_clocks,
        received_total=totals.received,
        inferred_total=totals.inferred,
        dropped_total=totals.dropped,
        switches_total=totals.switches,
        drops=totals.drops,
        last_drop=totals.last_drop,
        reflex=reflex.last_action,
    )
