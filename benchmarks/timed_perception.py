"""The perception node with an unrelated 50 Hz timer: timed_perception.py TICKS_FILE --ros-args ...

The timer runs in runs of 50 ticks, each starting at another phase against the camera, so that no lucky or
unlucky phase decides the figure. The file gets a JSON list of runs, each a list of ticks [s, steady clock].
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from dynofa_ros.nodes.perception_node import PerceptionNode
from dynofa_ros.nodes.runtime import run

TIMER_PERIOD_S = 0.02
TICKS_PER_RUN = 50
PHASE_STEP_S = 0.0071


class TimedPerception(PerceptionNode):
    """Perception, and a timer on its executor."""

    def __init__(self, stopping: threading.Event, file: Path) -> None:
        super().__init__(stopping)
        self._file = file
        self._runs: list[list[float]] = [[]]
        self._ticker = self.every(TIMER_PERIOD_S, self._tick)

    def _tick(self) -> None:
        self._runs[-1].append(time.monotonic())
        if len(self._runs[-1]) == TICKS_PER_RUN:
            self.destroy_timer(self._ticker)
            delay_s = 0.001 + len(self._runs) * PHASE_STEP_S % TIMER_PERIOD_S
            self._ticker = self.every(delay_s, self._next_run)

    def _next_run(self) -> None:
        self.destroy_timer(self._ticker)
        self._runs.append([])
        self._ticker = self.every(TIMER_PERIOD_S, self._tick)

    def close(self) -> None:
        """Orderly end of the process: leave the ticks behind."""
        super().close()
        self._file.write_text(json.dumps(self._runs), encoding="utf-8")


if __name__ == "__main__":
    ticks_file = Path(sys.argv[1])
    raise SystemExit(run(lambda stopping: TimedPerception(stopping, ticks_file), sys.argv[1:]))
