# ruff: noqa: D102  (the properties of StatsView are the fields of InferenceStats)
"""What the manager learns about an application: its operating points and what it experiences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.operating_point import OperatingPoint, PointKey

MOST_POINTS = 1000
"""Operating points of one application; a decision among more would not be one in time."""


@dataclass(frozen=True)
class ApplicationInfo:
    """Plain form of `msg/Application`."""

    name: str
    operating_points: tuple[OperatingPoint, ...]
    family: str = ""
    family_sha256: str = ""
    node: str = ""
    profile_fingerprint: str = ""
    labels: tuple[str, ...] = ()
    not_resident: tuple[str, ...] = ()

    def validated(self) -> ApplicationInfo:
        """Return self. Raises RefusedMessage: no name, no or too many points, duplicates, contradictions."""
        if not self.name.strip():
            raise RefusedMessage("application refused: its name is empty")
        if not self.operating_points:
            raise RefusedMessage(f"application {self.name!r} refused: it has no operating points")
        if len(self.operating_points) > MOST_POINTS:
            raise RefusedMessage(
                f"application {self.name!r} refused: {len(self.operating_points)} operating points, at most "
                f"{MOST_POINTS} are decided on: offer fewer sub-networks or placements"
            )
        seen: set[PointKey] = set()
        for point in self.operating_points:
            try:
                point.validated()
            except RefusedMessage as error:
                raise RefusedMessage(f"application {self.name!r} refused: {error}") from error
            if point.key in seen:
                raise RefusedMessage(f"application {self.name!r} refused: {point.key} appears twice")
            seen.add(point.key)
        return self


class StatsView(Protocol):
    """Fields of `msg/InferenceStats` that the manager reads; any object that has them will do."""

    @property
    def application(self) -> str: ...
    @property
    def subnet(self) -> str: ...
    @property
    def placement(self) -> str: ...
    @property
    def element(self) -> str: ...
    @property
    def frames(self) -> int: ...
    @property
    def period_ms(self) -> float: ...
    @property
    def overhead_ms(self) -> float: ...
    @property
    def slowdown(self) -> float: ...
    @property
    def slowdown_tail(self) -> float: ...
    @property
    def slowdown_tail_low(self) -> float: ...
    @property
    def slowdown_tail_high(self) -> float: ...
    @property
    def slowdown_burst(self) -> float: ...
    @property
    def waited_ms(self) -> float: ...
    @property
    def inference_p50_ms(self) -> float: ...
    @property
    def busy(self) -> float: ...
    @property
    def emulated_clocks(self) -> bool: ...
    @property
    def received_total(self) -> int: ...
    @property
    def inferred_total(self) -> int: ...


@dataclass(frozen=True)
class InferenceStats:
    """Plain form of `msg/InferenceStats`, complete; NaN: no frame in the window."""

    application: str
    subnet: str = ""
    placement: str = ""
    element: str = "cpu"
    window_ms: float = math.nan
    frames: int = 0
    deadline_misses: int = 0
    period_ms: float = math.nan
    latency_p50_ms: float = math.nan
    latency_p95_ms: float = math.nan
    latency_max_ms: float = math.nan
    inference_p50_ms: float = math.nan
    overhead_ms: float = math.nan
    slowdown: float = math.nan
    slowdown_tail: float = math.nan
    slowdown_tail_low: float = math.nan
    slowdown_tail_high: float = math.nan
    slowdown_burst: float = math.nan
    waited_ms: float = math.nan
    busy: float = math.nan
    emulated_clocks: bool = False
    received_total: int = 0
    inferred_total: int = 0
    dropped_total: int = 0
    switches_total: int = 0
    drops: tuple[tuple[str, int], ...] = ()
    last_drop: str = ""
    reflex: str = ""
