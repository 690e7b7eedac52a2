"""Inference times to expect at the clocks in force, as far as these are known."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from dynofa_ros.manager.operating_point import OperatingPoint, PointKey

LATE_FRAMES = 10
"""At most so many frames before a changed clock became known are taken back."""
UNKNOWN_MHZ = (math.nan, math.nan)
NO_FRAMES: Mapping[str, int] = {}


class _Times(dict[PointKey, float]):
    """Times at these clocks, each worked out when it is asked for first; to be cleared when one changes."""

    def __init__(self, clocks: Mapping[str, tuple[float, float]]) -> None:
        super().__init__()
        self.points: Mapping[PointKey, OperatingPoint] = {}
        self._clocks = clocks

    def __missing__(self, key: PointKey) -> float:
        point = self.points[key]
        clocks = {domain: mhz for domain, (mhz, _) in self._clocks.items()}
        _, full_mhz = self._clocks.get(point.clock_domain, UNKNOWN_MHZ)
        self[key] = time_ms = point.time_ms(clocks, full_mhz)
        return time_ms


class ExpectedTimes:
    """Profiled inference time of each point at the clocks believed in force [ms], see `OperatingPoint`.

    A clock is learnt from readings and from announcements. A reading comes some time after the change: the
    frames since the reading before, and one that runs now, were judged by a wrong time where it changed. An
    announcement comes at the change: only a frame that runs now was.
    """

    def __init__(self) -> None:
        self._clocks: dict[str, tuple[float, float]] = {}
        self.ms = _Times(self._clocks)
        self._domains: dict[PointKey, tuple[str, ...]] = {}
        self._outdated_mhz: dict[str, float] = {}
        """Clocks that were in force when others were announced, until the next reading [MHz]."""
        self._since: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """Per clock domain: frames of each element since its clock was last told."""
        self._running: tuple[str, ...] = ()
        """Clock domains of the frame that runs."""
        self._straddles = False

    def set_points(self, points: Mapping[PointKey, OperatingPoint]) -> None:
        """Other points, of which no frame has run; the clocks stay."""
        self.ms.points = dict(points)
        self._domains = {key: point.domains for key, point in points.items()}
        self.ms.clear()
        self._since.clear()
        self._running, self._straddles = (), False

    def clock(self, domain: str) -> tuple[float, float]:
        """Clock believed in force in a domain and the highest one [MHz]; NaN where none was told."""
        return self._clocks.get(domain, UNKNOWN_MHZ)

    def read(self, domain: str, mhz: float, full_mhz: float, settable: bool = True) -> Mapping[str, int]:
        """Take a reading [MHz]; returns how many of its newest frames each element was misjudged in.

        The first reading after an announcement tells nothing where it is that of before. A clock that nobody
        can set (`settable`) moves all the time: no frame is taken back for it.
        """
        if self._outdated_mhz.pop(domain, math.nan) == mhz:
            return NO_FRAMES
        since = self._since.pop(domain, NO_FRAMES)
        before = self._clocks.get(domain)
        if before is not None and _same(before[0], mhz) and _same(before[1], full_mhz):
            return NO_FRAMES
        self._clocks[domain] = (mhz, full_mhz)
        self.ms.clear()
        if before is None or not settable:
            return NO_FRAMES
        self._straddles |= domain in self._running
        return {element: min(frames, LATE_FRAMES) for element, frames in since.items()}

    def announce(self, domain: str, mhz: float) -> None:
        """A clock that is in force from now on [MHz], before any reading tells."""
        before_mhz, full_mhz = self.clock(domain)
        if before_mhz == mhz:
            return
        self._clocks[domain] = (mhz, full_mhz)
        self._outdated_mhz[domain] = before_mhz
        self._since.pop(domain, None)
        self._straddles |= domain in self._running
        self.ms.clear()

    def start_frame(self, point: OperatingPoint) -> None:
        """A frame of `point` runs from now on."""
        self._running, self._straddles = self._domains[point.key], False

    def end_frame(self) -> bool:
        """It has run. Returns whether a clock changed meanwhile, so that its time says nothing."""
        self._running = ()
        return self._straddles

    def count_frame(self, point: OperatingPoint) -> None:
        """A frame of `point` was judged by the time expected of it."""
        element = point.element
        for domain in self._domains[point.key]:
            since = self._since[domain]
            since[element] = since.get(element, 0) + 1


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
