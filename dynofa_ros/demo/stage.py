"""One run of the scenario with real processes: start, warm up, play, end in order."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dynofa_ros.demo import commands
from dynofa_ros.demo.live_state import LiveState, Snapshot
from dynofa_ros.demo.plan import Measured, Step, make_plan
from dynofa_ros.demo.processes import Supervisor
from dynofa_ros.demo.scenario import Scenario
from dynofa_ros.errors import DynofaError
from dynofa_ros.simulation.extract import END, START

READY_TIMEOUT_S = 90.0  # the first start profiles every sub-network
WARM_UP_RESULTS = 20
MEASURED_RESULTS = 40
DRAIN_S = 4.0
TICK_S = 0.02
SHOW_S = 0.25
OVERHEAD_PERCENTILE = 75


class Show(Protocol):
    """How a person follows a run."""

    def begin(self, title: str) -> None:
        """A run begins."""

    def note(self, text: str) -> None:
        """Something worth a line happened."""

    def frame(self, snapshot: Snapshot, t_s: float, seconds: float, upcoming: str) -> None:
        """Draw the present state; called about four times a second."""


@dataclass(frozen=True)
class RunSetup:
    """What one run is made of."""

    name: str
    managed: bool
    seconds: float
    folder: Path  # gets bag/ and logs/
    scenario: Scenario
    family: str = "digits"
    random_weights: bool = False


@dataclass
class Played:
    """What a run left behind."""

    bag: Path
    measured: Measured
    steps: list[Step]
    exit_codes: dict[str, int] = field(default_factory=dict)


class Stage:
    """Plays one run. `conductor` is the node that talks to the others; only it knows ROS."""

    def __init__(
        self, setup: RunSetup, conductor: Any, live: LiveState, supervisor: Supervisor, show: Show
    ) -> None:
        self.setup = setup
        self.conductor = conductor
        self.live = live
        self.supervisor = supervisor
        self.show = show
        self.names = tuple(app.name for app in setup.scenario.applications)
        self._corunners: list[str] = []
        self._corunner_total = 0
        self._shown_s = -math.inf

    def play(self, measured: Measured | None) -> Played:
        """Run everything once; the measurement of an earlier run makes the same targets."""
        bag = self.setup.folder / "bag"
        self.show.begin(self.setup.name)
        self._start_all(bag)
        largest = self._warm_up()
        measured = measured or self._measure(largest)
        seconds = self.setup.seconds
        steps = make_plan(self.setup.scenario, measured, seconds, os.cpu_count() or 1)
        if self.setup.managed:
            self._pin_all("", 1.0)
        self._perform(steps, seconds)
        return Played(bag, measured, steps, self._end())

    def _launch(self, command: commands.Command) -> None:
        self.supervisor.start_module(command.name, command.module, command.arguments)

    def _start_all(self, bag: Path) -> None:
        """Start in an order that lets the first perception node profile undisturbed."""
        scenario, setup = self.setup.scenario, self.setup
        self.show.note("starting processes; the first start on a machine profiles every sub-network")
        for name in self.names:
            self._launch(commands.perception(name, setup.family, setup.random_weights))
            self._wait(f"the sub-networks of {name}", partial(self._present, name))
        self._launch(commands.recorder(self.names, bag))
        self._launch(commands.board(scenario))
        if setup.managed:
            self._launch(commands.manager())
        for index, name in enumerate(self.names):
            self._launch(commands.camera(name, scenario, 1 + index, setup.seconds))
        self._wait("the board", lambda: self.conductor.board is not None)
        if setup.managed:
            self._wait("the manager", lambda: self.conductor.manager_seen)
        self._wait("the topics to be connected", self._connected)
        self._wait("the recorder to hear every node", self._recorded)

    def _present(self, name: str) -> bool:
        return name in self.conductor.points

    def _connected(self) -> bool:
        """Whether recorder and perception have found every camera, and recorder and we every result."""
        count, publishers = self.conductor.count_subscribers, self.conductor.count_publishers
        return (
            all(
                publishers(f"/{name}/labels") >= 1
                and count(f"/{name}/image") >= 1
                and count(f"/{name}/image/compressed") >= 1
                and count(f"/{name}/labels") >= 2
                and count(f"/{name}/classification") >= 2
                for name in self.names
            )
            and count("/scenario_events") >= 1
            and count("/qos_target") >= 1
        )

    def _recorded(self) -> bool:
        """Whether diagnostics of every perception and camera node have reached the recorder.

        Its subscription to /diagnostics is its last, and endpoints are announced in order: who is heard there
        has found the recorder's other subscriptions too, so that no first result is missed.
        """
        cameras = {f"{name}_camera" for name in self.names}
        return bool(self.conductor.recorder_heard >= cameras.union(self.names))

    def _wait(self, what: str, ready: Callable[[], bool], timeout_s: float = READY_TIMEOUT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not ready():
            self.supervisor.check()
            if time.monotonic() > deadline:
                raise DynofaError(
                    f"waited {timeout_s:.0f} s in vain for {what}; see the logs in {self.setup.folder}"
                )
            self._draw(-1.0, f"waiting for {what}")
            time.sleep(TICK_S)

    def _pin_all(self, subnet: str, seconds: float) -> None:
        for name in self.names:
            self.conductor.pin(name, subnet, seconds)

    def _warm_up(self) -> str:
        """Stream the first cameras with the largest sub-network pinned; return its name."""
        first = self.names[0]
        largest = max(self.conductor.points[first], key=lambda point: point.latency_ms).subnet
        self._pin_all(largest, 3600.0)
        for application in self.setup.scenario.applications:
            if application.streams:
                self.conductor.set_streaming(application.name, True)
        total = self.live.results_total
        self._wait("the first results", lambda: total.get(first, 0) >= WARM_UP_RESULTS, 20.0)
        return str(largest)

    def _measure(self, largest: str) -> Measured:
        """Measure how long a frame takes beside the network, with no other load than ours."""
        self.conductor.overheads_ms.clear()
        overheads = self.conductor.overheads_ms
        self._wait("the overhead to be measured", lambda: len(overheads) >= MEASURED_RESULTS, 30.0)
        overhead_ms = float(np.percentile(overheads, OVERHEAD_PERCENTILE))
        points = self.conductor.points[self.names[0]]
        latency_ms: dict[str, float] = {}
        for point in sorted(points, key=lambda p: -p.latency_ms):  # the fastest placement of each stays
            latency_ms[point.subnet] = float(point.latency_ms)
        self.show.note(
            f"measured: {largest} takes {latency_ms[largest]:.2f} ms, the rest of the way "
            f"{overhead_ms:.2f} ms at the {OVERHEAD_PERCENTILE}th percentile"
        )
        return Measured(latency_ms, overhead_ms)

    def _perform(self, steps: Sequence[Step], seconds: float) -> None:
        """Play the steps on time."""
        begin = time.monotonic()
        self.live.begin()
        self.conductor.publish_event(START, self.setup.name)
        pending = list(steps)
        while (t_s := time.monotonic() - begin) < seconds:
            while pending and pending[0].t_s <= t_s:
                self._do(pending.pop(0))
            upcoming = f"{pending[0].label} in {pending[0].t_s - t_s:.0f} s" if pending else ""
            self.supervisor.check()
            self._draw(t_s, upcoming)
            time.sleep(TICK_S)
        self.conductor.publish_event(END, self.setup.name)

    def _do(self, step: Step) -> None:
        self.conductor.publish_event(step.kind, step.label, step.application)
        self.show.note(step.label)
        if step.target is not None:
            self.conductor.publish_target(step.target)
        if step.cap is not None:
            self.conductor.set_cap(*step.cap)
        if step.camera is not None:
            self.conductor.set_streaming(step.application, step.camera)
        if step.processes is not None:
            self._set_corunners(step.processes)

    def _set_corunners(self, processes: int) -> None:
        while len(self._corunners) > processes:
            self.supervisor.stop(self._corunners.pop())
        while len(self._corunners) < processes:
            self._corunner_total += 1
            name = f"corunner_{self._corunner_total}"
            self.supervisor.start_module(name, "dynofa_ros.demo.corunner", [str(os.getpid())])
            self._corunners.append(name)

    def _draw(self, t_s: float, upcoming: str) -> None:
        now_s = time.monotonic()
        if now_s - self._shown_s >= SHOW_S:
            self._shown_s = now_s
            self.show.frame(self.live.snapshot(), t_s, self.setup.seconds, upcoming)

    def _drained(self) -> bool:
        stats = self.conductor.stats
        return all(
            stats[name].received_total == stats[name].inferred_total + stats[name].dropped_total
            and stats[name].frames == 0
            for name in self.names
            if name in stats
        )

    def _end(self) -> dict[str, int]:
        """Stop sources first, then workers, then the recorder, so that nothing is lost on the way."""
        self._set_corunners(0)
        codes = self.supervisor.stop(*(f"camera_{name}" for name in self.names))
        deadline = time.monotonic() + DRAIN_S
        while not self._drained() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.3)  # for the last statistics to reach the recorder
        codes |= self.supervisor.stop(*(n for n in self.supervisor.running if n != "recorder"))
        return codes | self.supervisor.stop_all()
