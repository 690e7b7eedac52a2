"""A board made of models: clocks, power, temperature and throttling of a file in `config/boards`.

The clock of a domain is min(max limit, outside cap, throttling), reached after its actuation delay,
as under a performance-like governor inside the allowed range; unmanaged it is therefore the fixed
maximum clock. Power and temperature follow `manager.power_model` and `manager.thermal_model`; all
temperature zones show the one junction temperature. Above the first trip point every writable domain
steps down one clock a second, and up again 3 degC below it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynofa_ros.board.limits import check_limits
from dynofa_ros.board.simulated_clock import SimulatedClock
from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.board.state import BoardState, ClockDomain, Element, PowerRail, ThermalZone
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import ClockLimit

STEP_S = 0.05
THROTTLE_EVERY_S = 1.0
THROTTLE_HYSTERESIS_DEGC = 3.0


class SimulatedBoard:
    """Implements `Board` by a model. Starts idle, at full clocks, in thermal steady state."""

    simulated = True

    def __init__(self, spec: BoardSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self._clocks = {domain.name: SimulatedClock(domain) for domain in spec.domains}
        self._load = {element.element: 0.0 for element in spec.power.elements}
        self._extra_w: dict[str, float] = {}
        self._ambient_degc = spec.thermal.ambient_degc
        self._thermal = spec.thermal.steady(self.power_w())
        self._epoch_s: float | None = None
        self._now_s = 0.0
        self._lease_until_s = math.inf
        self._throttled_s = -math.inf
        self._sequence = 0
        self._changes = 0

    # Board interface

    def read(self, now_s: float) -> BoardState:
        """Advance the model to `now_s` (the first call sets its start) and read it."""
        self._reach(now_s)
        self._sequence += 1
        return BoardState(
            sequence=self._sequence,
            board=self.name,
            simulated=True,
            emulated_clocks=True,
            rails=self._rails(),
            zones=tuple(ThermalZone(z.name, self.temperature_degc(), z.trip_degc) for z in self.spec.zones),
            elements=self._elements(),
            clock_domains=self.clock_domains(),
            power_w=self.power_w(),
            throttling=any(clock.throttling for clock in self._clocks.values()),
            clock_changes=self._changes,
            status=self._status(),
        )

    def clock_domains(self) -> tuple[ClockDomain, ...]:
        """The domains as they are."""
        return tuple(clock.state() for clock in self._clocks.values())

    def apply(
        self, limits: Sequence[ClockLimit], now_s: float, validity_s: float = math.inf
    ) -> tuple[ClockLimit, ...]:
        """Set limits under a lease; see `Board.apply`."""
        check_limits(limits, self.clock_domains(), validity_s)
        self._reach(now_s)
        for limit in limits:
            self._limit(self._clocks[limit.domain], limit)
        self._lease_until_s = self._now_s + validity_s
        in_force = (self._clocks[limit.domain] for limit in limits)
        return tuple(ClockLimit(clock.spec.name, clock.min_mhz, clock.max_mhz) for clock in in_force)

    def restore(self) -> None:
        """Full range in every domain."""
        for clock in self._clocks.values():
            clock.restore()
        self._lease_until_s = math.inf

    # What happens to the board

    def set_cap(self, domain: str, mhz: float) -> None:
        """Cap a domain from outside [MHz]; NaN lifts the cap. RefusedMessage where it makes no sense."""
        if domain not in self._clocks:
            raise RefusedMessage(
                f"cap refused: domain = {domain!r} is unknown; known: {', '.join(self._clocks)}"
            )
        if not (math.isnan(mhz) or 0.0 < mhz < math.inf):
            raise RefusedMessage(f"cap refused: {domain}: mhz = {mhz!r} must be > 0, or NaN to lift it")
        self._clocks[domain].cap_mhz = mhz

    def set_load(self, element: str, busy: float) -> None:
        """Set the busy share of a whole element (0..1, clipped); NaN and unknown elements are refused."""
        if element not in self._load or math.isnan(busy):
            raise RefusedMessage(
                f"load refused: element = {element!r}, busy = {busy!r}; known: {', '.join(self._load)}"
            )
        self._load[element] = min(max(busy, 0.0), 1.0)

    def set_power(self, source: str, power_w: float) -> None:
        """Power that something else draws [W], by name; 0 ends it."""
        if not 0.0 <= power_w < math.inf:
            raise RefusedMessage(f"power refused: {source}: {power_w!r} W must be >= 0")
        self._extra_w[source] = power_w

    def set_ambient(self, ambient_degc: float) -> None:
        """Ambient temperature [degC]; junction temperatures shift with it."""
        if not -60.0 <= ambient_degc <= 150.0:
            raise RefusedMessage(f"ambient refused: {ambient_degc!r} degC must lie within -60 and 150")
        self._ambient_degc = ambient_degc

    def advance(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass in steps of at most 50 ms."""
        if not 0.0 <= dt_s < math.inf:
            raise ValueError(f"dt_s = {dt_s!r} must be >= 0 s")
        end_s = self._now_s + dt_s
        self._settle()
        while self._now_s < end_s:
            step_s = min(STEP_S, end_s - self._now_s)
            self._now_s = min(self._now_s + step_s, end_s)
            self._thermal = self.spec.thermal.advance(self._thermal, self.power_w(), step_s)
            self._settle()

    # What can be seen

    def power_w(self) -> float:
        """Board power now [W]."""
        return self.spec.power.power_w(self._current(), self._load) + sum(self._extra_w.values())

    def temperature_degc(self) -> float:
        """Junction temperature now [degC]."""
        return self.spec.thermal.temperature_degc(self._thermal, self._ambient_degc)

    def _reach(self, now_s: float) -> None:
        if self._epoch_s is None:
            self._epoch_s = now_s - self._now_s
        self.advance(max(now_s - self._epoch_s - self._now_s, 0.0))

    def _settle(self) -> None:
        if self._now_s > self._lease_until_s:
            self.restore()
        self._throttle()
        for clock in self._clocks.values():
            before = clock.current_mhz
            clock.advance(self._now_s)
            self._changes += clock.current_mhz != before

    def _throttle(self) -> None:
        trip_degc = min((zone.trip_degc for zone in self.spec.zones), default=math.inf)
        hot = self.temperature_degc() >= trip_degc
        cool = self.temperature_degc() < trip_degc - THROTTLE_HYSTERESIS_DEGC
        writable = [clock for clock in self._clocks.values() if clock.spec.writable]
        due = self._now_s - self._throttled_s >= THROTTLE_EVERY_S
        if due and (hot or (cool and any(clock.throttling for clock in writable))):
            self._throttled_s = self._now_s
            for clock in writable:
                if hot or clock.throttling:
                    clock.throttle(hot)

    def _limit(self, clock: SimulatedClock, limit: ClockLimit) -> None:
        if clock.spec.writable:
            clock.limit(limit.min_mhz, limit.max_mhz)

    def _current(self) -> dict[str, float]:
        return {name: clock.current_mhz for name, clock in self._clocks.items()}

    def _rails(self) -> tuple[PowerRail, ...]:
        active = sum(
            share * float(self.spec.power.active_w(element, self._current()))
            for element, share in self._load.items()
        )
        idle = sum(e.idle_w * float(e.scale(self._current()[e.domain])) for e in self.spec.power.elements)
        return (PowerRail("VDD_IN", self.power_w()), PowerRail("VDD_CPU_GPU_CV", active + idle))

    def _elements(self) -> tuple[Element, ...]:
        return tuple(
            Element(element.element, element.domain, element.cores, self._load[element.element])
            for element in self.spec.power.elements
        )

    def _status(self) -> str:
        text = f"simulated board {self.name}: no value here was measured"
        if self.spec.extrapolated:
            text += "; its power and thermal figures are extrapolated"
        return text
