"""CPU load from /proc/stat."""

from __future__ import annotations

import math
from pathlib import Path


class CpuLoad:
    """Busy share of all cores between two calls."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._path = root / "proc" / "stat"
        self._last: tuple[int, int] | None = None
        self.cores = len([line for line in self._lines() if line[:3] == "cpu" and line[3:4].isdigit()])

    def load(self) -> float:
        """Busy share since the last call, 0..1; NaN at first, without new ticks, or where unreadable."""
        last, self._last = self._last, self._ticks()
        if last is None or self._last is None:
            return math.nan
        busy, total = self._last[0] - last[0], self._last[1] - last[1]
        return min(max(busy / total, 0.0), 1.0) if total > 0 else math.nan

    def _ticks(self) -> tuple[int, int] | None:
        """(busy, total) ticks of all cores; idle and iowait are not busy, guest time is inside user."""
        for line in self._lines():
            values = line.split()
            if values[0] == "cpu" and len(values) >= 5 and all(value.isdigit() for value in values[1:]):
                ticks = [int(value) for value in values[1:9]]
                return sum(ticks) - sum(ticks[3:5]), sum(ticks)
        return None

    def _lines(self) -> list[str]:
        try:
            return [
                line
                for line in self._path.read_text(encoding="ascii", errors="replace").splitlines()
                if line.strip()
            ]
        except OSError:
            return []
