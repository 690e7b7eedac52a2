"""Faulty sensors of a simulated board: stuck, missing or NaN."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from dynofa_ros.board.state import BoardState

KINDS = ("stuck", "missing", "nan")


@dataclass(frozen=True)
class SensorFault:
    """One sensor's fault until `until_s` of board time; `held` is what a stuck sensor goes on showing."""

    sensor: str
    kind: str
    until_s: float
    held: BoardState

    def distort(self, state: BoardState) -> BoardState:
        """The state as it is read with this fault."""
        if self.sensor == "power":
            return self._power(state)
        if self.sensor == "clocks":
            return self._clocks(state)
        if self.sensor == "load":
            return self._load(state)
        return self._temperature(state)

    def _power(self, state: BoardState) -> BoardState:
        if self.kind == "stuck":
            return replace(state, rails=self.held.rails, power_w=self.held.power_w)
        rails = tuple(replace(rail, power_w=math.nan) for rail in state.rails) if self.kind == "nan" else ()
        return replace(state, rails=rails, power_w=math.nan)

    def _clocks(self, state: BoardState) -> BoardState:
        if self.kind == "missing":
            return replace(state, clock_domains=())
        held = {domain.name: domain.current_mhz for domain in self.held.clock_domains}
        stuck = self.kind == "stuck"
        domains = (
            replace(domain, current_mhz=held[domain.name] if stuck else math.nan)
            for domain in state.clock_domains
        )
        return replace(state, clock_domains=tuple(domains))

    def _load(self, state: BoardState) -> BoardState:
        if self.kind == "missing":
            return replace(state, elements=())
        held = {element.name: element.load for element in self.held.elements}
        stuck = self.kind == "stuck"
        elements = (replace(e, load=held[e.name] if stuck else math.nan) for e in state.elements)
        return replace(state, elements=tuple(elements))

    def _temperature(self, state: BoardState) -> BoardState:
        zone_name = self.sensor.removesuffix("_temperature")
        if self.kind == "missing":
            return replace(state, zones=tuple(zone for zone in state.zones if zone.name != zone_name))
        held = {zone.name: zone.temperature_degc for zone in self.held.zones}
        value = held[zone_name] if self.kind == "stuck" else math.nan
        zones = (
            replace(zone, temperature_degc=value) if zone.name == zone_name else zone for zone in state.zones
        )
        return replace(state, zones=tuple(zones))
