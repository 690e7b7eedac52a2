"""Phases of cameras that keep them, learnt from how long frames wait for each other on an element.

A frame of a that comes phi_ab after an inference of b began waits max(0, t_b - phi_ab) for it:

    phi_ab  = t_b - waited_a / n     where a waits
    phi_ab >= t_b                    where it does not

t_b: median inference time of b; waited_a: waiting of a at its percentile, for n others. The phase is one of
the cameras, so it holds wherever the two run next, and however long an inference of b takes there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MEMORY_FRAMES = 128
"""Frames that a waiting time is a quantile of: so long it falls no more than it should."""
ANSWER_S = 0.5
"""Time in which a rise of the waiting shows, after an inference got longer [s]."""
CHANGE = 0.05
"""Share by which an inference time must change to count as another one."""
NEWS_MS = 0.3
"""Waiting beyond what the known phase lets expect that tells of another phase [ms]."""
KEPT_S = 60.0
"""Cameras drift: a phase that nothing confirmed for longer is not known any more [s]."""
FITS = 1.0 + 1e-9


@dataclass(frozen=True)
class Sharer:
    """What one application reports; NaN: not known."""

    name: str
    element: str
    share: float
    """Share of the element that its inference occupies [1]."""
    period_ms: float
    occupies_ms: float
    """Median time of its inference [ms]."""
    waited_ms: float
    """How long it waits for others at its percentile [ms]."""


class Phases:
    """Known phases, by application and other application [ms]."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, tuple[float, float]]] = {}
        """Phase [ms] and when it was last confirmed [s]."""
        self._runs: dict[str, tuple[str, float, float]] = {}
        """Element, inference time [ms] and since when that is so [s], by application."""

    def of(self, name: str, now_s: float) -> dict[str, float]:
        """Phases of an application, by the other one [ms]; they may be larger."""
        known = self._known.get(name, {})
        return {other: phi_ms for other, (phi_ms, at_s) in known.items() if now_s - at_s <= KEPT_S}

    def forget(self, name: str) -> None:
        """An application has gone: its camera comes back with another phase."""
        self._runs.pop(name, None)
        self._known.pop(name, None)
        for phases in self._known.values():
            phases.pop(name, None)

    def take(self, sharers: Iterable[Sharer], now_s: float) -> None:
        """Learn from what the applications report now."""
        known = [sharer for sharer in sharers if sharer.occupies_ms > 0.0]
        for sharer in known:
            self._note_run(sharer, now_s)
        for a in known:
            blocking = [b for b in known if b is not a and _excludes(a, b)]
            if a.waited_ms >= 0.0:
                self._learn(a, blocking, now_s)

    def _note_run(self, sharer: Sharer, now_s: float) -> None:
        element, before_ms, _ = self._runs.get(sharer.name, ("", math.nan, now_s))
        same = abs(sharer.occupies_ms - before_ms) <= CHANGE * before_ms
        if not (same and element == sharer.element):
            self._runs[sharer.name] = (sharer.element, sharer.occupies_ms, now_s)

    def _learn(self, a: Sharer, blocking: Sequence[Sharer], now_s: float) -> None:
        phases = self._known.setdefault(a.name, {})
        for b in blocking:
            steady = (b,) if b.name in phases else (a, b)
            steady_s = now_s - max(self._runs[sharer.name][2] for sharer in steady)
            if steady_s < ANSWER_S:
                continue
            measured_ms = max(b.occupies_ms - a.waited_ms / len(blocking), 0.0)
            known_ms = phases.get(b.name, (measured_ms, now_s))[0]
            if a.waited_ms == 0.0:
                measured_ms = max(measured_ms, known_ms)
            settled = steady_s >= MEMORY_FRAMES * a.period_ms / 1e3
            news = measured_ms < known_ms - NEWS_MS
            phases[b.name] = (measured_ms if settled or news else known_ms, now_s)


def _excludes(a: Sharer, b: Sharer) -> bool:
    return a.element == b.element and a.share + b.share > FITS
