"""The simulated world before anybody acts in it: a function of (scenario, seed, voltage) alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dynofa_ros.board.options import VOLTAGES, BoardOptions, Voltage, with_voltage
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.board.workload import LatencyLaw, operating_points
from dynofa_ros.errors import DynofaError
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.scenarios.scenario import Scenario
from dynofa_ros.simulation.scenarios.timeline import Timeline, make_timeline
from dynofa_ros.simulation.world.noise import Noise
from dynofa_ros.supernet.family import load_family

SWITCH_MS = 0.05
"""What the first inference after a switch between resident sub-networks or placements costs more."""


@dataclass(frozen=True)
class Truth:
    """What will happen, whatever a policy does."""

    scenario: Scenario
    seed: int
    voltage: Voltage
    spec: BoardSpec
    """Under the voltage curve of this run; policies are given the same."""
    timeline: Timeline
    noise: Noise
    law: LatencyLaw
    points: Mapping[str, tuple[OperatingPoint, ...]]
    """Operating points of each application: its profile."""
    switch_ms: float = SWITCH_MS

    def board(self) -> SimulatedBoard:
        """The machine as it is at the start: idle and in thermal steady state, its own governors at work."""
        options = BoardOptions(power_mode=self.scenario.power_mode, seed=self.seed, noise=True)
        return SimulatedBoard(self.spec, options)


def truth_of(scenario: Scenario, seed: int, voltage: Voltage = "nominal") -> Truth:
    """Lay out the world of one run.

    Raises:
        DynofaError: an unknown voltage curve.

    """
    if voltage not in VOLTAGES:
        raise DynofaError(f"voltage = {voltage!r}: unknown curve; choose from {', '.join(VOLTAGES)}")
    spec = with_voltage(scenario.spec(), voltage)
    timeline = make_timeline(scenario, spec)
    applications = {e.application.name: e.application for e in timeline.episodes}
    families = {app.family for app in applications.values()}
    profiles = {
        family: operating_points(spec, load_family(scenario.family_file(family)))
        for family in sorted(families)
    }
    return Truth(
        scenario=scenario,
        seed=seed,
        voltage=voltage,
        spec=spec,
        timeline=timeline,
        noise=Noise(timeline, seed),
        law=LatencyLaw(spec),
        points={
            name: tuple(point for point in profiles[app.family] if app.runs_on(point.placement))
            for name, app in applications.items()
        },
    )
