"""What a running node learns about its own profile.

Per operating point, inference times are taken in blocks of BLOCK. Only undisturbed ones count: no
preemption meanwhile, no emulated stretch. The median of a full block is what the point cost then; the
least of these medians is kept. A load that slows memory or clocks down without preempting anything can only
raise a median, so it never enters: a profile is only ever lowered, by

    latency_new = latency_old + WEIGHT * (least median - latency_old)     where that is lower

once each time the profile is stored. A profile that is too low is not raised; there the slow-down tells.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from dynofa_ros.manager.operating_point import PointKey

BLOCK = 64
WEIGHT = 0.5


class Refinement:
    """Collects undisturbed inference times. Thread safe: the worker adds, another thread stores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: dict[PointKey, list[float]] = {}
        self._least_ms: dict[PointKey, float] = {}

    def take(self, point: PointKey, inference_ms: float) -> None:
        """One undisturbed inference of `point` took `inference_ms` [ms]."""
        with self._lock:
            block = self._blocks.setdefault(point, [])
            block.append(inference_ms)
            if len(block) == BLOCK:
                median_ms = float(np.median(block))
                self._least_ms[point] = min(median_ms, self._least_ms.get(point, median_ms))
                block.clear()

    def collect(self) -> Mapping[PointKey, float]:
        """Least median per point since the last call [ms]; empty before a first block is full."""
        with self._lock:
            least, self._least_ms = self._least_ms, {}
            return least


def refined_ms(latency_ms: float, least_median_ms: float) -> float:
    """The refined latency [ms]: never above `latency_ms`."""
    return latency_ms + WEIGHT * min(0.0, least_median_ms - latency_ms)
