"""What the board's temperature sensors say: which of them are believed, and where throttling begins.

A zone that is absent from a reading keeps its trip point: a sensor that fails lifts no limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from dynofa_ros.board.state import ThermalZone

COLDEST_DEGC, HOTTEST_DEGC = -60.0, 200.0
"""Readings outside are no temperatures."""
STILL_S = 5.0
"""A zone that does not move for so long while another one does is stuck."""
MOVING_S = 0.5
EXTERNAL_S = 5.0
"""How long a temperature from elsewhere counts."""


class _Moved(NamedTuple):
    """A reading, and since when it is that."""

    degc: float
    moved_s: float


class ThermalZones:
    """The zones of one board."""

    def __init__(self) -> None:
        self._degc: dict[str, float] = {}
        self._trips_degc: dict[str, float] = {}
        self._moved: dict[str, _Moved] = {}
        self._external_degc, self._external_s = math.nan, -math.inf

    def take(self, zones: Iterable[ThermalZone], same_board: bool) -> None:
        """Take a reading of all zones; of equal names the first counts."""
        if not same_board:
            self._trips_degc.clear()
            self._moved.clear()
        degc: dict[str, float] = {}
        for zone in zones:
            degc.setdefault(zone.name, zone.temperature_degc)
            if 0.0 < zone.trip_degc < HOTTEST_DEGC:
                self._trips_degc[zone.name] = zone.trip_degc
        self._degc = {name: t for name, t in degc.items() if COLDEST_DEGC < t < HOTTEST_DEGC}

    def take_external(self, degc: float, now_s: float) -> None:
        """Take a temperature from elsewhere."""
        self._external_degc, self._external_s = degc, now_s

    @property
    def trip_degc(self) -> float:
        """The first trip point of all zones that were ever read; NaN: none."""
        return min(self._trips_degc.values(), default=math.nan)

    def hottest_degc(self, now_s: float) -> float:
        """The hottest zone that moves; NaN where none is read."""
        zones = [self._note(name, degc, now_s) for name, degc in self._degc.items()]
        outside = now_s - self._external_s <= EXTERNAL_S
        if outside and COLDEST_DEGC < self._external_degc < HOTTEST_DEGC:
            zones.append(self._note("", self._external_degc, now_s))
        if any(now_s - zone.moved_s <= MOVING_S for zone in zones):
            zones = [zone for zone in zones if now_s - zone.moved_s <= STILL_S]
        return max([zone.degc for zone in zones], default=math.nan)

    def _note(self, name: str, degc: float, now_s: float) -> _Moved:
        """Note whether a zone moves."""
        zone = self._moved.get(name)
        if zone is None or zone.degc != degc:
            zone = self._moved[name] = _Moved(degc, now_s)
        return zone
