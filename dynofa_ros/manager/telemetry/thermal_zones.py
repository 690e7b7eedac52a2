"""What the board's temperature sensors say: which of them are believed, and where throttling begins.

A zone that is absent from a reading keeps its trip point: a sensor that fails lifts no limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dynofa_ros.board.state import ThermalZone

COLDEST_DEGC, HOTTEST_DEGC = -60.0, 200.0
"""Readings outside are no temperatures."""
STILL_S = 5.0
"""A zone that does not move for so long while another one does is stuck."""
MOVING_S = 0.5
EXTERNAL_S = 5.0
"""How long a temperature from elsewhere counts."""


@dataclass
class _Moved:
    degc: float = math.nan
    moved_s: float = -math.inf


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
        self._degc = {}
        for zone in zones:
            self._degc.setdefault(zone.name, zone.temperature_degc)
            if 0.0 < zone.trip_degc < HOTTEST_DEGC:
                self._trips_degc[zone.name] = zone.trip_degc

    def take_external(self, degc: float, now_s: float) -> None:
        """Take a temperature from elsewhere."""
        self._external_degc, self._external_s = degc, now_s

    @property
    def trip_degc(self) -> float:
        """The first trip point of all zones that were ever read; NaN: none."""
        return min(self._trips_degc.values(), default=math.nan)

    def hottest_degc(self, now_s: float) -> float:
        """The hottest zone that moves; NaN where none is read."""
        readings = dict(self._degc)
        if now_s - self._external_s <= EXTERNAL_S:
            readings[""] = self._external_degc
        readings = {name: t for name, t in readings.items() if COLDEST_DEGC < t < HOTTEST_DEGC}
        for name, degc in readings.items():
            zone = self._moved.setdefault(name, _Moved())
            if zone.degc != degc:
                zone.degc, zone.moved_s = degc, now_s
        newest_s = max((self._moved[name].moved_s for name in readings), default=-math.inf)
        moving = now_s - newest_s <= MOVING_S
        believed = [
            degc
            for name, degc in readings.items()
            if not (moving and now_s - self._moved[name].moved_s > STILL_S)
        ]
        return max(believed, default=math.nan)
