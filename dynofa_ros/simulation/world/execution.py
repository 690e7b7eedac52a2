"""The board and what runs on it: inferences at the pace that clocks, co-runners and caps allow now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.scenarios.changes import Ambient, Bandwidth, Cap, Cores, CoRunner, Fault, PowerMode
from dynofa_ros.simulation.world.elements import CPU, Job, Server
from dynofa_ros.simulation.world.run_record import ClockStep
from dynofa_ros.simulation.world.truth import Truth

MachineChange = CoRunner | Bandwidth | Ambient | Cap | Cores | PowerMode | Fault


class Machine:
    """A simulated board with a server per element. Time only moves forward, by `advance_to`."""

    def __init__(self, truth: Truth, ends: Callable[[float, Job], None]) -> None:
        """`ends(at_s, job)` is told when a job will end, again whenever its pace changes (`job.version`)."""
        self.board = truth.board()
        self.now_s = 0.0
        self.clocks: dict[str, float] = {}
        """Clocks in force [MHz]."""
        self.clock_steps: list[ClockStep] = []
        self._law, self._ends = truth.law, ends
        self._changes = -1
        self._mhz: tuple[float, ...] = ()
        self._slowdowns: dict[str, float] = {}
        self._bandwidth_gbps = 0.0
        self._all_cores = max((e.cores for e in truth.spec.power.elements), default=1)
        self._servers = {e.element: Server(e.element, self.board.cores) for e in truth.spec.power.elements}
        self._parts: dict[tuple[Any, ...], tuple[float, float, OperatingPoint]] = {}
        """Time and busy share of points under conditions met before (the point keeps its id taken)."""
        self.note_clocks()

    def advance_to(self, until_s: float) -> bool:
        """Let time pass to `until_s`; to the first change of a clock before it where there is one (True)."""
        changed = self.board.advance_to(until_s, to_change=True)
        self.now_s = self.board.now_s
        if changed:
            self.note_clocks()
        return changed

    def note_clocks(self) -> None:
        """Let what runs follow the clocks, where they changed."""
        changes = self.board.clock_changes
        if changes != self._changes:
            self._changes = changes
            self.clocks = self.board.clocks()
            self.clock_steps.append(ClockStep(self.now_s, self.clocks))
            self._mhz = tuple(self.clocks.values())
            self._repace()

    def change(self, change: MachineChange) -> None:
        """Let something from outside happen."""
        _CHANGES[type(change)](self, change)
        self.note_clocks()
        self._repace()

    # Jobs

    def put(self, job: Job) -> None:
        """Queue a job at its element."""
        self._servers[job.point.element].waiting.append(job)
        self._begin(job.point.element)

    def finish(self, job: Job) -> None:
        """A job has ended; the next one may begin once `go_on` says so."""
        self._servers[job.point.element].running.remove(job)
        self.board.vacate(job.point.element, job.frame.application)

    def go_on(self, element: str) -> None:
        """Begin with what waits and may run."""
        self._begin(element)

    def remove(self, application: str) -> None:
        """Stop and forget everything of an application."""
        for name, server in self._servers.items():
            for job in server.remove(application):
                job.version += 1
                self.board.vacate(name, application)
            self._begin(name)

    def _begin(self, element: str) -> None:
        server = self._servers[element]
        while server.waiting and (job := server.next()) is not None:
            frame = job.frame
            frame.start_s = self.now_s + job.switch_s
            frame.waited_ms = (frame.start_s - frame.chosen_s) * 1e3
            frame.slowdown_true = self._slowdowns.get(element, 1.0)
            self._ends(job.begin(self.now_s, self._occupied_s(job, server)), job)

    def _repace(self) -> None:
        for server in self._servers.values():
            for job in server.running:
                self._ends(job.repace(self.now_s, self._occupied_s(job, server)), job)

    def _occupied_s(self, job: Job, server: Server) -> float:
        """How long all of a running job takes at the pace of now [s]; the board knows that it runs."""
        point, element = job.point, server.name
        slowdown = self._slowdowns.get(element, 1.0)
        key = (id(point), self._mhz, slowdown, self._bandwidth_gbps)
        known = self._parts.get(key)
        if known is None:
            known = (*self._law.parts(point, self.clocks, slowdown, self._bandwidth_gbps), point)
            self._parts[key] = known
        time_ms, busy_share, _ = known
        share, crowding = (self._share(job), self._crowding(server)) if element == CPU else (1.0, 1.0)
        self.board.occupy(element, job.frame.application, share, busy_share)
        return job.switch_s + time_ms / 1e3 * job.factor * crowding

    def _crowding(self, server: Server) -> float:
        """Factor where fewer CPU cores are left than threads run."""
        return max(1.0, server.threads() / self.board.cores())

    def _share(self, job: Job) -> float:
        """Share of the CPU that a job's threads occupy."""
        return min(1.0, max(1, job.point.threads) / self._all_cores)

    # What happens from outside

    def _corunner(self, change: CoRunner) -> None:
        self._slowdowns[change.element] = change.slowdown
        self.board.set_corunner(change.element, change.busy, change.power_w)

    def _bandwidth(self, change: Bandwidth) -> None:
        self._bandwidth_gbps = change.gbps
        self.board.set_bandwidth(change.gbps)

    def _ambient(self, change: Ambient) -> None:
        self.board.set_ambient(change.degc)

    def _cap(self, change: Cap) -> None:
        self.board.set_cap(change.domain, change.mhz)

    def _set_cores(self, change: Cores) -> None:
        self.board.set_cores(change.count or self._all_cores)
        self._begin(CPU)

    def _power_mode(self, change: PowerMode) -> None:
        self.board.set_power_mode(change.name)
        self._begin(CPU)

    def _fault(self, change: Fault) -> None:
        self.board.set_fault(change.sensor, change.fault, self.now_s + change.duration_s)


_CHANGES: dict[type, Callable[[Machine, Any], None]] = {
    CoRunner: Machine._corunner,
    Bandwidth: Machine._bandwidth,
    Ambient: Machine._ambient,
    Cap: Machine._cap,
    Cores: Machine._set_cores,
    PowerMode: Machine._power_mode,
    Fault: Machine._fault,
}
