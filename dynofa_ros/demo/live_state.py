"""What the live view shows: the newest of everything, kept from any thread, read as one snapshot."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

WINDOW = 60  # results kept per application, for the sparkline and the accuracy


@dataclass(frozen=True)
class Result:
    """One result of one application."""

    latency_ms: float
    target_ms: float
    subnet: str
    correct: bool | None

    @property
    def on_time(self) -> bool:
        """Whether it met its target; true without one."""
        return math.isnan(self.target_ms) or self.latency_ms <= self.target_ms


@dataclass(frozen=True)
class ApplicationView:
    """One application as people see it."""

    name: str
    target_ms: float = math.nan
    objective: str = ""
    subnet: str = ""
    results: tuple[Result, ...] = ()
    received: int = 0
    inferred: int = 0
    dropped: int = 0
    slowdown: float = math.nan
    reason: str = ""

    @property
    def on_time(self) -> float:
        """Share of the last results that met their target; NaN without results."""
        return sum(r.on_time for r in self.results) / len(self.results) if self.results else math.nan

    @property
    def accuracy(self) -> float:
        """Share of the last results with a known label that are right; NaN without any."""
        known = [r.correct for r in self.results if r.correct is not None]
        return sum(known) / len(known) if known else math.nan


@dataclass(frozen=True)
class BoardView:
    """The board as people see it."""

    name: str = ""
    emulated_clocks: bool = False
    power_w: float = math.nan
    temperature_degc: float = math.nan
    clocks: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # domain: (MHz, upper limit MHz)
    throttling: bool = False


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment."""

    applications: Mapping[str, ApplicationView]
    board: BoardView
    log: tuple[str, ...] = ()  # newest last


class LiveState:
    """Thread-safe store of the newest values."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._applications: dict[str, ApplicationView] = {}
        self._board = BoardView()
        self._log: deque[str] = deque(maxlen=8)
        self._begin_s = math.nan
        self._labels: dict[str, dict[int, str]] = {}
        self.results_total: dict[str, int] = {}

    def update(self, application: str, **values: object) -> None:
        """Set fields of one application's view."""
        with self._lock:
            view = self._applications.get(application, ApplicationView(application))
            self._applications[application] = replace(view, **values)  # type: ignore[arg-type]

    def set_board(self, board: BoardView) -> None:
        """Take the newest board state."""
        with self._lock:
            self._board = board

    def say(self, text: str) -> None:
        """Append a line to the log of what happened and what was decided, with the time since the start."""
        with self._lock:
            if not math.isnan(self._begin_s):
                text = f"{time.monotonic() - self._begin_s:5.1f} s  {text}"
            self._log.append(text)

    def begin(self) -> None:
        """The scenario starts now; what was said before is forgotten."""
        with self._lock:
            self._begin_s = time.monotonic()
            self._log.clear()

    def add_label(self, application: str, stamp_ns: int, label: str) -> None:
        """Keep the truth of one frame until its result comes; only the newest are kept."""
        with self._lock:
            labels = self._labels.setdefault(application, {})
            labels[stamp_ns] = label
            while len(labels) > 4 * WINDOW:
                del labels[next(iter(labels))]

    def add_result(self, application: str, stamp_ns: int, result: Result, predicted: str) -> None:
        """Append a result; whether it is right follows from the label of the same stamp."""
        with self._lock:
            label = self._labels.get(application, {}).pop(stamp_ns, None)
            judged = replace(result, correct=None if label is None else predicted == label)
            view = self._applications.get(application, ApplicationView(application))
            results = (*view.results, judged)[-WINDOW:]
            self._applications[application] = replace(view, results=results, subnet=result.subnet)
            self.results_total[application] = self.results_total.get(application, 0) + 1

    def snapshot(self) -> Snapshot:
        """Return everything as of now."""
        with self._lock:
            return Snapshot(dict(self._applications), self._board, tuple(self._log))
