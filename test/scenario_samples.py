"""Scenario files and worlds for tests."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.simulation.scenarios.scenario import Scenario, load_scenario
from dynofa_ros.simulation.world.policy import FrameOutcome, Policy, SimApplication, World
from dynofa_ros.simulation.world.truth import Truth, truth_of

BOARD = "jetson_orin_nano_super"

EXAMPLE = """\
schema: dynofa/scenario/1
name: example
board: jetson_orin_nano_super             # or jetson_xavier_nx, or a board file
duration_s: 60
seed: 1
applications:
  - {name: front, family: ofa_mbv3_w12, period_ms: 33.3, jitter_ms: 2.0,
     qos: {latency_ms: 25, percentile: 0.95, min_accuracy: 0.74, objective: max_accuracy, priority: 1}}
events:
  - {t: 2.5,  corunner: {element: gpu, slowdown: 1.38, power_w: 1.2}}
  - {t: 12.0, corunner: {element: gpu, slowdown: 1.0,  power_w: 0.0}}
  - {t: 20.0, qos: {application: front, latency_ms: 15}}
  - {t: 30.0, ambient_degc: 55, ramp_s: 20}
  - {t: 40.0, cap: {domain: gpu, mhz: 510}}
  - {t: 45.0, fault: {sensor: gpu_temperature, kind: stuck, duration_s: 5}}
  - {t: 50.0, power_budget_w: 10}
"""


def application(name: str, period_ms: float = 100.0, latency_ms: float = 50.0, **qos: object) -> str:
    """An application without jitter, as YAML writes it in one line."""
    more = "".join(f", {key}: {value}" for key, value in qos.items())
    return (
        f"{{name: {name}, family: ofa_mbv3_w12, period_ms: {period_ms}, "
        f"qos: {{latency_ms: {latency_ms}{more}}}}}"
    )


def join(t_s: float, text: str) -> str:
    """The event in which an application joins."""
    return f"{{t: {t_s}, join: {text}}}"


def scenario_text(
    applications: Sequence[str], events: Sequence[str] = (), duration_s: float = 2.0, board: str = BOARD
) -> str:
    """A scenario."""
    lines = [
        "schema: dynofa/scenario/1",
        "name: small",
        f"board: {board}",
        f"duration_s: {duration_s}",
        "applications:" if applications else "applications: []",
        *(f"  - {text}" for text in applications),
        "events:" if events else "events: []",
        *(f"  - {text}" for text in events),
    ]
    return "\n".join(lines) + "\n"


def scenario_of(
    folder: Path,
    applications: Sequence[str],
    events: Sequence[str] = (),
    duration_s: float = 2.0,
    board: str = BOARD,
) -> Scenario:
    """The same, loaded from a file."""
    path = folder / "small.yaml"
    path.write_text(scenario_text(applications, events, duration_s, board), encoding="utf-8")
    return load_scenario(path)


def quiet_truth(
    scenario: Scenario, releases: Mapping[str, Sequence[float]] | None = None, seed: int = 1
) -> Truth:
    """A world without chance: inference times as the law says, 1 ms of overhead, releases as given."""
    truth = truth_of(scenario, seed)
    noise = copy.copy(truth.noise)
    noise.streams = {}
    for name, streams in truth.noise.streams.items():
        quiet = []
        for stream in streams:
            release_s = np.asarray(releases[name] if releases else stream.release_s, dtype=float)
            ones = np.ones(len(release_s))
            targets = [stream.episode.target_at(t).latency_ms for t in release_s]
            quiet.append(
                replace(
                    stream,
                    release_s=release_s,
                    target_ms=np.array(targets),
                    overhead_ms=ones,
                    factor=ones,
                )
            )
        noise.streams[name] = tuple(quiet)
    return replace(truth, noise=noise)


class Pinned(Policy):
    """Runs given points at given clocks and notes all that it hears."""

    name = "pinned"

    def __init__(
        self, choose: Mapping[str, OperatingPoint | Sequence[OperatingPoint]], clocks: Mapping[str, float]
    ) -> None:
        self._choices, self._clocks = choose, clocks
        self.heard: list[tuple[float, str, object]] = []
        self.chosen = 0

    def start(self, world: World) -> None:
        super().start(world)
        for domain, mhz in self._clocks.items():
            world.limit(domain, mhz, mhz)

    def on_join(self, app: SimApplication) -> None:
        self.heard.append((self.world.now_s, "join", app.name))

    def on_leave(self, name: str) -> None:
        self.heard.append((self.world.now_s, "leave", name))

    def on_target(self, name: str, target: QosTarget) -> None:
        self.heard.append((self.world.now_s, "target", target))

    def on_restart(self, down_s: float) -> None:
        self.heard.append((self.world.now_s, "restart", down_s))

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        self.heard.append((self.world.now_s, "result", frame))

    def choose(self, name: str) -> OperatingPoint:
        choice = self._choices[name]
        if isinstance(choice, OperatingPoint):
            return choice
        self.chosen += 1
        return choice[(self.chosen - 1) % len(choice)]
