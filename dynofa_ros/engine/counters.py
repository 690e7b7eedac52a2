"""Every received frame is inferred, dropped for a counted reason, or in flight: nothing else."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from dynofa_ros.manager.operating_point import PointKey


@dataclass(frozen=True)
class Totals:
    """Counts since configure, taken at one instant: received = inferred + dropped + in_flight."""

    received: int
    inferred: int
    in_flight: int
    switches: int
    drops: tuple[tuple[str, int], ...]
    """Dropped frames by reason, in order of first occurrence."""
    last_drop: str
    """Newest reason with its values; "" if none."""

    @property
    def dropped(self) -> int:
        """Dropped frames in all."""
        return sum(count for _, count in self.drops)


class FrameCounters:
    """Thread-safe account of frames: each opened by `receive` is closed once, by `infer` or by `drop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._inferred = 0
        self._in_flight = 0
        self._switches = 0
        self._drops: dict[str, int] = {}
        self._last_drop = ""
        self._last_point: PointKey | None = None

    def receive(self) -> int:
        """Open a frame; its number, from 0."""
        with self._lock:
            self._received += 1
            self._in_flight += 1
            return self._received - 1

    def infer(self, point: PointKey) -> None:
        """Close a frame that `point` has inferred; counts a switch where the frame before ran on another."""
        with self._lock:
            self._close()
            self._inferred += 1
            self._switches += self._last_point not in (None, point)
            self._last_point = point

    def drop(self, reason: str, detail: str) -> None:
        """Close a frame without a result."""
        with self._lock:
            self._close()
            self._drops[reason] = self._drops.get(reason, 0) + 1
            self._last_drop = f"{reason}: {detail}"

    def totals(self) -> Totals:
        """All counts at one instant."""
        with self._lock:
            drops = tuple(self._drops.items())
            return Totals(
                self._received, self._inferred, self._in_flight, self._switches, drops, self._last_drop
            )

    def _close(self) -> None:
        if self._in_flight == 0:
            raise RuntimeError("a frame was closed twice: every arrival is run or dropped once")
        self._in_flight -= 1
