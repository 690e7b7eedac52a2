"""What can be read of a simulated board: sensors with their averaging, noise and faults."""

from __future__ import annotations

import math

from dynofa_ros.board.counter_random import normal
from dynofa_ros.board.element_use import ElementUse
from dynofa_ros.board.faults import SensorFault
from dynofa_ros.board.meter import RailMeter
from dynofa_ros.board.options import BoardOptions
from dynofa_ros.board.simulated_checks import check_fault
from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.board.state import BoardState, ClockDomain, Element, PowerRail, ThermalZone

RAILS = ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")
POWER_NOISE = 0.005
"""Standard deviation of a power reading, as a share of it."""
POWER_STEP_W = 0.040
"""Resolution of a power reading: 8 mA at 5 V."""
TEMPERATURE_NOISE_DEGC = 0.1


class Sensors:
    """Turns the true state into a reading. Noise is drawn by (seed, sensor, number of the reading)."""

    def __init__(self, spec: BoardSpec, options: BoardOptions, uses: dict[str, ElementUse]) -> None:
        self._spec, self._options, self._uses = spec, options, uses
        self.meters = tuple(RailMeter() for _ in RAILS)
        self._faults: dict[str, SensorFault] = {}
        self._last: BoardState | None = None
        self._sequence = 0
        self._from_s = 0.0
        self._from_busy_s = dict.fromkeys(uses, 0.0)
        self._status = f"simulated board {spec.name}: no value here was measured"
        if spec.extrapolated:
            self._status += "; its power and thermal figures are extrapolated"

    def set_fault(self, sensor: str, kind: str, until_s: float, now: BoardState) -> None:
        """A sensor is stuck (at its last reading), missing or nan until `until_s`."""
        names = [zone.name for zone in self._spec.zones]
        known = ("power", "clocks", "load", *(f"{name}_temperature" for name in names), *names)
        check_fault(sensor, kind, until_s, known)
        self._faults[sensor] = SensorFault(sensor, kind, until_s, self._last or now)

    def next_reading(self, now_s: float) -> None:
        """A fresh reading begins: faults whose time is over end."""
        self._sequence += 1
        if self._faults:
            self._faults = {name: fault for name, fault in self._faults.items() if now_s < fault.until_s}

    def distorted(self, state: BoardState) -> BoardState:
        """The reading with all faults in it; it is what a sensor stuck later goes on showing."""
        for fault in self._faults.values():
            state = fault.distort(state)
        self._last = state
        return state

    def observe(
        self,
        now_s: float,
        domains: tuple[ClockDomain, ...],
        degc: float,
        cores: int,
        throttling: bool,
        clock_changes: int,
    ) -> BoardState:
        """The reading of sound sensors."""
        meters = zip(RAILS, self.meters, strict=True)
        rails = [PowerRail(name, self._power_w(name, meter.shown_w)) for name, meter in meters]
        zones = [ThermalZone(z.name, self._degc(z.name, degc), z.trip_degc) for z in self._spec.zones]
        elements = [self._element(now_s, name, use, cores) for name, use in self._uses.items()]
        return BoardState(
            sequence=self._sequence,
            board=self._spec.name,
            simulated=True,
            emulated_clocks=True,
            rails=tuple(rails),
            zones=tuple(zones),
            elements=tuple(elements),
            clock_domains=domains,
            power_w=rails[0].power_w,
            throttling=throttling,
            clock_changes=clock_changes,
            status=self._status,
        )

    def start_load_interval(self, now_s: float) -> None:
        """Loads of the next reading count from now on."""
        self._from_s = now_s
        for name, use in self._uses.items():
            self._from_busy_s[name] = use.settle(now_s)

    def _element(self, now_s: float, name: str, use: ElementUse, cores: int) -> Element:
        passed_s = now_s - self._from_s
        load = use.busy
        if passed_s > 0.0:
            load = min((use.settle(now_s) - self._from_busy_s[name]) / passed_s, 1.0)
        return Element(name, use.model.domain, min(use.model.cores, cores), load)

    def _power_w(self, rail: str, power_w: float) -> float:
        if not self._options.noise:
            return power_w
        noisy_w = power_w * (1.0 + POWER_NOISE * normal(self._options.seed, rail, self._sequence))
        return math.floor(noisy_w / POWER_STEP_W + 0.5) * POWER_STEP_W

    def _degc(self, zone: str, degc: float) -> float:
        if not self._options.noise:
            return degc
        return degc + TEMPERATURE_NOISE_DEGC * normal(self._options.seed, f"zone {zone}", self._sequence)
