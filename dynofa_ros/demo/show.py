"""How a person follows the demonstration: a live screen, or lines of text."""

from __future__ import annotations

import math
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live

from dynofa_ros.demo.live_state import Snapshot
from dynofa_ros.demo.live_view import headless_line, view

LINE_S = 1.0


class LiveShow:
    """A live screen in the terminal, at most four pictures a second."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._title = ""

    def begin(self, title: str) -> None:
        """A run begins."""
        self._title = title

    def note(self, text: str) -> None:
        """Lines go above the screen."""
        self._live.console.print(f"[dim]{self._title}:[/dim] {text}", highlight=False)

    def frame(self, snapshot: Snapshot, t_s: float, seconds: float, upcoming: str) -> None:
        """Draw."""
        self._live.update(view(snapshot, f"dynofa demo, {self._title}", t_s, seconds, upcoming), refresh=True)

    def __enter__(self) -> LiveShow:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class LineShow:
    """One line a second and one for each event, for logs and machines without a terminal."""

    def __init__(self) -> None:
        self._title = ""
        self._last_s = -math.inf

    def begin(self, title: str) -> None:
        """A run begins."""
        self._title = title
        print(f"== {title}", flush=True)

    def note(self, text: str) -> None:
        """Say it."""
        print(f"{self._title}: {text}", flush=True)

    def frame(self, snapshot: Snapshot, t_s: float, seconds: float, upcoming: str) -> None:
        """Say the state once a second while the scenario plays."""
        now_s = time.monotonic()
        if t_s >= 0 and now_s - self._last_s >= LINE_S:
            self._last_s = now_s
            print(headless_line(snapshot, t_s), flush=True)

    def __enter__(self) -> LineShow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return
