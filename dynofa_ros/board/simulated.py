"""A board made of models: clocks with the kernel's governors, power, heat and throttling of a board file.

Event driven: between two events every clock and every load is constant, so that energy and temperature are
integrated exactly. Events are governor samples, clock changes that become due, thermal and over-current
throttling, the averaging of the power sensor and the end of a lease. Power and temperature follow the
equations of `manager.power_model` and `manager.thermal_model`.

Assumptions beside those of the board file: heat is checked once a second; from the first trip point on all
writable domains step down one clock a check, and up again 3 degC below it. Board power above the mode's limit
for 10 ms halves all writable clocks at once, for at least 100 ms. A co-runner draws its own power whatever
the clocks are. Offline cores draw what idle ones do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynofa_ros.board.element_use import ElementUse
from dynofa_ros.board.governed_clocks import GovernedClocks
from dynofa_ros.board.heat import Heat
from dynofa_ros.board.limits import check_limits
from dynofa_ros.board.meter import AVERAGED_S
from dynofa_ros.board.options import BoardOptions, with_voltage
from dynofa_ros.board.simulated_checks import check_activity, check_known, check_mhz, check_range
from dynofa_ros.board.simulated_clock import UNTOUCHED
from dynofa_ros.board.simulated_sensors import Sensors
from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.board.state import BoardState, ClockDomain
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import ClockLimit

HEAT_EVERY_S = 1.0
HEAT_HYSTERESIS_DEGC = 3.0
OVERCURRENT_AFTER_S = 0.010
OVERCURRENT_FOR_S = 0.100
OVERCURRENT_FACTOR = 0.5
LEASE, HEAT, SENSOR, OVERCURRENT, DOMAINS = range(5)
"""Slots of the event list; then those of `GovernedClocks`."""


class SimulatedBoard:
    """Implements `Board` by a model. Starts idle, in thermal steady state, at its governors' idle clocks."""

    simulated = True

    def __init__(self, spec: BoardSpec, options: BoardOptions | None = None) -> None:
        self.options = options or BoardOptions()
        self.spec = with_voltage(spec, self.options.voltage)
        self.name = spec.name
        self.now_s = self.throttled_s = self.bandwidth_gbps = 0.0
        self.throttling = False
        self._uses = {e.element: self._use(e.element) for e in spec.power.elements}
        self._cpu = next((e.element for e in spec.power.elements if e.cores > 0), "")
        self._due = [math.inf] * (DOMAINS + 2 * len(spec.domains))
        self._clocks = GovernedClocks(self.spec, self.options, self._uses, self._due, DOMAINS)
        domains, number = self._clocks.domains, self._clocks.number
        self._element_clocks = [(use, domains[number[use.model.domain]]) for use in self._uses.values()]
        self._memory_clocks = [(d.power_w, domains[number[d.domain]]) for d in self.spec.power.domains]
        self._extra_w: dict[str, float] = {}
        self._overcurrent = False
        self._overcurrent_w = math.inf
        self._cores = self._mode_cores = self._all_cores()
        self._epoch_s: float | None = None
        self._sensors = Sensors(self.spec, self.options, self._uses)
        self._meters = self._sensors.meters
        self._base_w = self.spec.power.base_w
        self._start()

    # Board interface

    def read(self, now_s: float) -> BoardState:
        """Advance the model to `now_s` (the first call sets its start) and read the sensors."""
        self._reach(now_s)
        self._sensors.next_reading(self.now_s)
        state = self._sensors.distorted(self._observe())
        self._sensors.start_load_interval(self.now_s)
        return state

    def clock_domains(self) -> tuple[ClockDomain, ...]:
        """The domains as they are now."""
        return tuple([clock.state() for clock in self._clocks.domains])

    def apply(
        self, limits: Sequence[ClockLimit], now_s: float, validity_s: float = math.inf
    ) -> tuple[ClockLimit, ...]:
        """Set limits under a lease; see `Board.apply`."""
        check_limits(limits, self.clock_domains(), validity_s)
        self._reach(now_s)
        in_force = []
        for limit in limits:
            index = self._clocks.number[limit.domain]
            clock = self._clocks.domains[index]
            if clock.spec.writable:
                clock.limit(limit.min_mhz, limit.max_mhz)
                self._clocks.wish(self.now_s, index)
            in_force.append(ClockLimit(limit.domain, clock.min_mhz, clock.max_mhz))
        self._due[LEASE] = self.now_s + validity_s
        return tuple(in_force)

    def restore(self) -> None:
        """Full range in every domain."""
        self._due[LEASE] = math.inf
        for index, clock in enumerate(self._clocks.domains):
            clock.restore()
            self._clocks.wish(self.now_s, index)

    # Time

    def next_event_s(self) -> float:
        """When something inside changes next [s of board time]; inf: never as things are."""
        return min(self._due)

    def advance_to(self, t_s: float, to_change: bool = False) -> bool:
        """Let the events up to `t_s` happen, in order; a time that is past changes nothing.

        `to_change`: stop at the first change of a clock before `t_s`. Returns whether it stopped there.
        """
        due, clocks = self._due, self._clocks
        changes = clocks.changes
        while (at_s := min(due)) <= t_s:
            if at_s > self.now_s:
                self._integrate(at_s)
            self._fire(due.index(at_s))
            if to_change and clocks.changes != changes and at_s < t_s:
                return True
        if t_s > self.now_s:
            self._integrate(t_s)
        return False

    def advance(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        check_range("time", "dt_s", dt_s, 0.0)
        self.advance_to(self.now_s + dt_s)

    # What runs on the board

    def occupy(self, element: str, activity: str, share: float, gpu_part: float = 1.0) -> None:
        """An inference begins now on the share `share` of `element` (1 but for threads on a CPU).

        `gpu_part` is the clocked part of its time, see `ElementUse`; the rest keeps one CPU core busy. Once
        more with the same activity: its shares change, because a clock did.
        """
        check_activity(element, share, gpu_part, self._uses)
        task, hosted = f"{element}:{activity}", 1.0 - gpu_part
        if element == self._cpu:
            gpu_part = hosted = 1.0
        elif self._cpu:
            self._uses[self._cpu].host(self.now_s, task, hosted)
        self._uses[element].occupy(self.now_s, activity, share, gpu_part)
        self._clocks.run(self.now_s, task, hosted)
        self._account()

    def vacate(self, element: str, activity: str) -> None:
        """The inference that `occupy` announced ends now. RefusedMessage where there is none."""
        check_known("activity", "element", element, self._uses)
        if not self._uses[element].vacate(self.now_s, activity):
            raise RefusedMessage(f"activity refused: {activity!r} does not run on {element!r}")
        task = f"{element}:{activity}"
        if self._cpu and element != self._cpu:
            self._uses[self._cpu].vacate(self.now_s, task)
        self._clocks.run(self.now_s, task, 0.0)
        self._account()

    def set_corunner(self, element: str, busy: float, power_w: float) -> None:
        """Something else keeps `element` busy (0..1) and draws `power_w`; it replaces the earlier one."""
        check_known("co-runner", "element", element, self._uses)
        check_range("co-runner", "busy", busy, 0.0, 1.0)
        check_range("co-runner", "power_w", power_w, 0.0)
        use = self._uses[element]
        use.corunner, use.corunner_w = busy, power_w
        self._load_changed(element, "corunner", busy)

    def set_load(self, element: str, busy: float) -> None:
        """Set the busy share of a whole element (0..1, clipped); NaN and unknown elements are refused."""
        check_known("load", "element", element, self._uses)
        if math.isnan(busy):
            raise RefusedMessage(f"load refused: {element}: busy = {busy!r} must be a number")
        self._uses[element].background = min(max(busy, 0.0), 1.0)
        self._load_changed(element, "background", self._uses[element].background)

    def set_power(self, source: str, power_w: float) -> None:
        """Power that something else draws [W], by name; 0 ends it."""
        check_range("power", source, power_w, 0.0)
        self._extra_w[source] = power_w
        self._account()

    def set_bandwidth(self, gbps: float) -> None:
        """Memory bandwidth that co-runners use [GB/s]."""
        check_range("bandwidth", "gbps", gbps, 0.0)
        self.bandwidth_gbps = gbps

    # What is done to the board

    def set_cap(self, domain: str, mhz: float) -> None:
        """Cap a domain from outside [MHz]; NaN lifts the cap. RefusedMessage where it makes no sense."""
        check_known("cap", "domain", domain, self._clocks.number)
        check_mhz("cap", domain, mhz)
        index = self._clocks.number[domain]
        self._clocks.domains[index].cap_mhz = UNTOUCHED if math.isnan(mhz) else mhz
        self._clocks.clamp(self.now_s, index)

    def set_cores(self, count: int) -> None:
        """Keep `count` CPU cores online."""
        check_range("cores", "count", count, 1, self._all_cores())
        self._cores = count

    def set_power_mode(self, name: str) -> None:
        """Change to a power mode of the board file: caps, memory clock, cores, over-current limit."""
        mode = self.spec.power_mode(name)
        clocks = dict(mode.clocks_mhz)
        for index, clock in enumerate(self._clocks.domains):
            clock.mode_mhz = clocks.get(clock.spec.name, UNTOUCHED)
            self._clocks.clamp(self.now_s, index)
        self._overcurrent_w = mode.overcurrent_w
        self._mode_cores = mode.cores or self._all_cores()
        self._account()

    def set_ambient(self, ambient_degc: float, ramp_s: float = 0.0) -> None:
        """Ambient temperature [degC], reached linearly within `ramp_s`; the junction shifts with it."""
        check_range("ambient", "ambient_degc", ambient_degc, -60.0, 150.0)
        check_range("ambient", "ramp_s", ramp_s, 0.0)
        self._heat.set_ambient(self.now_s, ambient_degc, ramp_s)

    def set_governor(self, domain: str, name: str, mhz: float = math.nan) -> None:
        """Another governor of the kernel from now on; `mhz` pins the clock instead (userspace)."""
        check_known("governor", "domain", domain, self._clocks.number)
        check_mhz("governor", domain, mhz)
        index = self._clocks.number[domain]
        clock = self._clocks.domains[index]
        if not clock.spec.writable:
            raise RefusedMessage(f"governor refused: domain {domain!r} is fixed by the power mode")
        self._clocks.check_governor(index, name, clock.spec.available_mhz)
        if not math.isnan(mhz):
            clock.limit(mhz, mhz)
        self._clocks.install(self.now_s, index, name)

    def set_fault(self, sensor: str, kind: str, until_s: float = math.inf) -> None:
        """A sensor is stuck, missing or nan until `until_s` of board time.

        Sensors: power, clocks, load, and every zone ("tj", "gpu" or "gpu_temperature").
        """
        self._sensors.set_fault(sensor, kind, until_s, self._observe())

    # What is true

    def mhz(self, domain: str) -> float:
        """True clock now [MHz]."""
        return self._clocks.domains[self._clocks.number[domain]].mhz

    def clocks(self) -> dict[str, float]:
        """All true clocks now [MHz]."""
        return {clock.spec.name: clock.mhz for clock in self._clocks.domains}

    def power_w(self) -> float:
        """True board power now [W]."""
        return self._sensors.meters[0].power_w

    def temperature_degc(self) -> float:
        """True junction temperature now [degC]."""
        return self._heat.temperature_degc(self.now_s)

    def actuation_ms(self, domain: str, index: int) -> float:
        """Delay of the `index`-th clock change that is asked of `domain`, counted from 0 [ms]."""
        return self._clocks.domains[self._clocks.number[domain]].actuation_ms(index)

    def cores(self) -> int:
        """CPU cores online."""
        return min(self._cores, self._mode_cores)

    @property
    def energy_j(self) -> float:
        """True energy since the start [J]."""
        return self._sensors.meters[0].energy_j

    def rail_energy_j(self) -> tuple[float, ...]:
        """True energy of VDD_IN, VDD_CPU_GPU_CV and VDD_SOC since the start [J]."""
        return tuple(meter.energy_j for meter in self._sensors.meters)

    @property
    def peak_degc(self) -> float:
        """Highest true junction temperature so far."""
        return self._heat.peak_degc

    @property
    def clock_changes(self) -> int:
        """Changes of all clocks that took effect."""
        return self._clocks.changes

    # Inside

    def _use(self, element: str) -> ElementUse:
        model = next(e for e in self.spec.power.elements if e.element == element)
        table = next(d.available_mhz for d in self.spec.domains if d.name == model.domain)
        return ElementUse(model, table)

    def _all_cores(self) -> int:
        return self._uses[self._cpu].model.cores if self._cpu else 1

    def _start(self) -> None:
        self._heat = Heat(self.spec.thermal, 0.0)
        self.set_power_mode(self.options.power_mode)
        self._clocks.start()
        self._due[OVERCURRENT] = math.inf
        self._account()
        self._heat = Heat(self.spec.thermal, self.power_w())
        for meter in self._sensors.meters:
            meter.shown_w = meter.power_w
        self._due[HEAT], self._due[SENSOR] = HEAT_EVERY_S, AVERAGED_S

    def _reach(self, now_s: float) -> None:
        if self._epoch_s is None:
            self._epoch_s = now_s - self.now_s
        self.advance_to(now_s - self._epoch_s)

    def _integrate(self, t_s: float) -> None:
        passed_s = t_s - self.now_s
        self.now_s = t_s
        total, core, memory = self._meters
        total.energy_j += total.power_w * passed_s
        core.energy_j += core.power_w * passed_s
        memory.energy_j += memory.power_w * passed_s
        self._heat.pass_time(total.power_w, passed_s, t_s)
        if self.throttling:
            self.throttled_s += passed_s

    def _fire(self, slot: int) -> None:
        if slot >= DOMAINS:
            if self._clocks.fire(self.now_s, slot - DOMAINS):
                self._account()
        elif slot == HEAT:
            self._check_heat()
        elif slot == SENSOR:
            self._due[SENSOR] = self.now_s + AVERAGED_S
            for meter in self._sensors.meters:
                meter.finish(self.now_s)
        elif slot == OVERCURRENT:
            self._check_current()
        else:
            self.restore()

    def _account(self) -> None:
        """Work out the power after something changed."""
        core_w = memory_w = 0.0
        for use, clock in self._element_clocks:
            index = clock.current
            core_w += use.idle_w[index] + use.use * use.active_w[index] + use.corunner_w
        for table_w, clock in self._memory_clocks:
            memory_w += table_w[clock.current]
        extra_w = sum(self._extra_w.values()) if self._extra_w else 0.0
        total_w = self._base_w + core_w + memory_w + extra_w
        total, core, memory = self._meters
        total.power_w, core.power_w, memory.power_w = total_w, core_w, memory_w
        if total_w > self._overcurrent_w:
            if self._due[OVERCURRENT] == math.inf:
                self._due[OVERCURRENT] = self.now_s + OVERCURRENT_AFTER_S
        elif not self._overcurrent:
            self._due[OVERCURRENT] = math.inf

    def _load_changed(self, element: str, task: str, busy: float) -> None:
        use = self._uses[element]
        use.update(self.now_s)
        if element == self._cpu:
            self._clocks.run(self.now_s, task, min(busy * use.model.cores, 1.0))
        self._account()

    def _check_heat(self) -> None:
        self._due[HEAT] = self.now_s + HEAT_EVERY_S
        trip_degc = min((zone.trip_degc for zone in self.spec.zones), default=math.inf)
        degc = self.temperature_degc()
        hot, cool = degc >= trip_degc, degc < trip_degc - HEAT_HYSTERESIS_DEGC
        for index, clock in enumerate(self._clocks.domains):
            if clock.spec.writable and (hot or (cool and clock.throttling)):
                clock.throttle(hot)
                self._clocks.wish(self.now_s, index)
        self._throttled()

    def _check_current(self) -> None:
        """Begin throttling; or end it after its time, on trial: what is still too much begins it again."""
        self._overcurrent = not self._overcurrent
        self._due[OVERCURRENT] = self.now_s + OVERCURRENT_FOR_S if self._overcurrent else math.inf
        for index, clock in enumerate(self._clocks.domains):
            if clock.spec.writable:
                full_mhz = clock.spec.available_mhz[-1]
                clock.current_limit_mhz = OVERCURRENT_FACTOR * full_mhz if self._overcurrent else UNTOUCHED
                self._clocks.clamp(self.now_s, index)
                if self._overcurrent and clock.due_s < math.inf:
                    self._clocks.arrive(self.now_s, index)
        self._throttled()
        self._account()

    def _throttled(self) -> None:
        self.throttling = self._overcurrent or any(clock.throttling for clock in self._clocks.domains)

    def _observe(self) -> BoardState:
        return self._sensors.observe(
            self.now_s,
            self.clock_domains(),
            self.temperature_degc(),
            self.cores(),
            self.throttling,
            self.clock_changes,
        )
