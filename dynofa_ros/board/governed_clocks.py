"""All clock domains of a simulated board with their governors, driven by the board's event list."""

from __future__ import annotations

import math

from dynofa_ros.board.cores import BusyCores
from dynofa_ros.board.element_use import ElementUse
from dynofa_ros.board.governors import SampledGovernor, UtilGovernor, make_governor
from dynofa_ros.board.options import BoardOptions
from dynofa_ros.board.simulated_clock import SimulatedClock
from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.errors import RefusedMessage


class GovernedClocks:
    """Domains by index. From `first` on, `due` holds two times per domain [s]: governor, clock change."""

    __slots__ = (
        "_cpu",
        "_due",
        "_elements",
        "_first",
        "_sampled_busy_s",
        "changes",
        "cores",
        "domains",
        "number",
    )

    def __init__(
        self,
        spec: BoardSpec,
        options: BoardOptions,
        uses: dict[str, ElementUse],
        due: list[float],
        first: int,
    ) -> None:
        self._due, self._first = due, first
        self.number = {domain.name: index for index, domain in enumerate(spec.domains)}
        self._elements = {self.number[use.model.domain]: use for use in uses.values()}
        self._cpu = next((index for index, use in self._elements.items() if use.model.cores > 0), -1)
        self._sampled_busy_s = [0.0] * len(spec.domains)
        self.cores = BusyCores()
        self.changes = 0
        """Clock changes that took effect, in all domains."""
        self.domains: list[SimulatedClock] = []
        for index, domain in enumerate(spec.domains):
            name = options.governor(domain.name, domain.governor) if domain.writable else "performance"
            self.check_governor(index, name, domain.available_mhz)
            self.domains.append(SimulatedClock(domain, name, options.seed, options.jitter))

    def start(self) -> None:
        """Governors that follow load begin at the lowest clock; nothing is under way."""
        for index, clock in enumerate(self.domains):
            self._begin(0.0, index)
            if isinstance(clock.governor, UtilGovernor | SampledGovernor):
                clock.governor.wanted = 0
            clock.start()
            self._due[self._first + 2 * index + 1] = math.inf

    def fire(self, now_s: float, place: int) -> bool:
        """The event at `place` (from `first`) happens; True where a clock changed."""
        index = place >> 1
        if place & 1:
            self.arrive(now_s, index)
            return True
        governor = self.domains[index].governor
        if isinstance(governor, SampledGovernor):
            self._sample(now_s, index, governor)
        elif isinstance(governor, UtilGovernor):
            self._follow(now_s, index, governor)
        return False

    def arrive(self, now_s: float, index: int) -> None:
        """A clock change takes effect."""
        clock = self.domains[index]
        clock.arrive()
        self.changes += 1
        self._due[self._first + 2 * index + 1] = math.inf
        if isinstance(clock.governor, UtilGovernor):
            self.cores.set_speed(now_s, clock.speed)
            self._follow(now_s, index, clock.governor)

    def wish(self, now_s: float, index: int) -> None:
        """The governor's wish inside the limits becomes due after the actuation delay."""
        clock = self.domains[index]
        clock.wish(now_s)
        self._due[self._first + 2 * index + 1] = clock.due_s

    def clamp(self, now_s: float, index: int) -> None:
        """A ceiling changed."""
        self.domains[index].clamp()
        self.wish(now_s, index)

    def install(self, now_s: float, index: int, name: str) -> None:
        """Another governor, beginning at the clock wanted now."""
        clock = self.domains[index]
        clock.governor = make_governor(name, clock.spec.available_mhz)
        if isinstance(clock.governor, UtilGovernor | SampledGovernor):
            clock.governor.wanted = clock.wanted
        self._begin(now_s, index)
        self.clamp(now_s, index)

    def run(self, now_s: float, task: str, rate: float) -> None:
        """A task keeps a CPU core busy for the share `rate` from now on."""
        if self._cpu < 0:
            return
        self.cores.run(now_s, task, rate)
        governor = self.domains[self._cpu].governor
        if isinstance(governor, UtilGovernor):
            self._follow(now_s, self._cpu, governor)

    def check_governor(self, index: int, name: str, table_mhz: tuple[float, ...]) -> None:
        """Raise RefusedMessage where the governor is unknown or of another kind of device."""
        kind, cpu = make_governor(name, table_mhz), index == self._cpu
        if not (kind.of_cpus if cpu else kind.of_devices):
            what = "CPU" if cpu else "device"
            domain = next(each for each, number in self.number.items() if number == index)
            raise RefusedMessage(f"governor refused: {name!r} governs no {what} {domain!r}")

    def _begin(self, now_s: float, index: int) -> None:
        clock, place = self.domains[index], self._first + 2 * index
        governor = clock.governor
        self._due[place] = math.inf
        if isinstance(governor, SampledGovernor):
            self._sampled_busy_s[index] = self._busy_s(now_s, index)
            self._due[place] = now_s + governor.poll_s
        elif isinstance(governor, UtilGovernor):
            self.cores.set_kernel(now_s, governor.scaled_time, governor.fast_half_life_s)
            self.cores.set_speed(now_s, clock.speed)
            self._follow(now_s, index, governor)

    def _sample(self, now_s: float, index: int, governor: SampledGovernor) -> None:
        clock = self.domains[index]
        busy_s = self._busy_s(now_s, index)
        busy = min((busy_s - self._sampled_busy_s[index]) / governor.poll_s, 1.0)
        self._sampled_busy_s[index], wanted = busy_s, governor.wanted
        self._due[self._first + 2 * index] = now_s + governor.poll_s
        if governor.sample(now_s, clock.current, busy, clock.low, clock.high) != wanted:
            self.wish(now_s, index)

    def _follow(self, now_s: float, index: int, governor: UtilGovernor) -> None:
        wanted = governor.wanted
        again_s = governor.update(now_s, self.cores.util(now_s))
        if governor.wanted != wanted:
            self.wish(now_s, index)
        if again_s == math.inf:
            leaves_s = self.cores.leaves_s(*governor.band())
            again_s = governor.next_tick_s(now_s + leaves_s) if leaves_s < math.inf else math.inf
        self._due[self._first + 2 * index] = again_s

    def _busy_s(self, now_s: float, index: int) -> float:
        """Busy time of what runs in a domain, as its governor counts it."""
        if index == self._cpu:
            return self.cores.busy_s(now_s)
        use = self._elements.get(index)
        return use.settle(now_s) if use else 0.0
