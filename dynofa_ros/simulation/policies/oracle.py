"""Policy `oracle`: plays the plan of somebody who knows the future, by the rules that hold for everybody."""

from __future__ import annotations

from functools import partial

from dynofa_ros.board.state import BoardState
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.simulation.merit import Merit, beats, merit_of
from dynofa_ros.simulation.oracle.plan import OraclePlan, Planner
from dynofa_ros.simulation.policies.alert import AlertPolicy, TunedAlertPolicy
from dynofa_ros.simulation.policies.fixed_clocks import PerformancePolicy
from dynofa_ros.simulation.policies.static_best import StaticBestPolicy
from dynofa_ros.simulation.world.policy import FrameOutcome, Future, Policy, SimApplication, World
from dynofa_ros.simulation.world.run_record import RunRecord
from dynofa_ros.simulation.world.simulator import Simulator, play
from dynofa_ros.simulation.world.truth import Truth, truth_of

REHEARSALS = 3
BUDGET_SHARES = (1.0, 0.99, 0.97)
"""Of a power budget, tried in turn: what counts is the mean of each second, not of each frame."""
SPARE_S = 1e-4
UNDERSTUDIES: tuple[type[Policy], ...] = (PerformancePolicy, StaticBestPolicy, AlertPolicy, TunedAlertPolicy)
"""Rehearsed too where the plan is not exact: each of them has beaten one there."""


class PlannedPolicy(Policy):
    """Pins the clocks of a plan when they are due and gives each frame its planned point."""

    name = "oracle"

    def __init__(self, plan: OraclePlan | None = None) -> None:
        super().__init__()
        self.plan = plan
        self._points: dict[tuple[str, int], OperatingPoint] = {}
        self._fallback: dict[str, OperatingPoint] = {}

    def start(self, world: World) -> None:
        """Pin every clock to its lowest and lay the planned changes on the timer."""
        super().start(world)
        assert self.plan is not None, "foresee comes first"
        self._points = self.plan.points()
        for domain in world.spec.domains:
            if domain.writable:
                world.limit(domain.name, domain.available_mhz[0], domain.available_mhz[0])
        for asked in self.plan.plan.clocks:
            element = self.plan.problem.elements[asked.element]
            lowest = highest = asked.clock
            if asked.clock >= len(element.mhz):
                lowest, highest = 0, len(element.mhz) - 1
            limits = (element.domain, element.mhz[lowest], element.mhz[highest])
            world.schedule(asked.at_s, partial(world.limit, *limits))

    def on_join(self, app: SimApplication) -> None:
        """A point for frames that the plan had dropped but that are inferred after all."""
        self._fallback[app.name] = min(app.points, key=lambda point: point.latency_ms)

    def choose(self, name: str) -> OperatingPoint:
        """The planned point."""
        point = self._points.get((name, self.world.frame_index), self._fallback[name])
        self._fallback[name] = point
        return point


class OraclePolicy(Policy):
    """The plan of `simulation.oracle.plan`, rehearsed, or what somebody without foresight does better.

    One point and one clock per frame, found by a Viterbi search over the known future, with switching,
    actuation, waiting and heat paid for. What the plan does not know exactly (a clock that a governor has had
    in between, inferences of several applications that cross on the CPU) shows when it is played; frames
    that were late then are planned again with that much less time, and the best rehearsal counts. The search
    is exact for one application without over-current; beyond, the understudies are rehearsed too.
    """

    name = "oracle"
    clairvoyant = True

    def __init__(self) -> None:
        super().__init__()
        self.plan: OraclePlan | None = None
        """The plan that the search found."""
        self._played: Policy = PlannedPolicy()

    def foresee(self, future: Future) -> None:
        """Plan the whole run, rehearse it and the understudies, and keep the best."""
        truth = truth_of(future.scenario, future.seed, future.voltage)
        best, self.plan = _rehearsed(truth)
        self._played = PlannedPolicy(self.plan)
        full = play(truth, PerformancePolicy())
        inexact = len(full.frames) > 1 or full.throttled_s > 0.0
        for understudy in UNDERSTUDIES if inexact else ():
            merit = merit_of(play(truth, understudy()))
            if beats(merit, best, 0.0):
                best, self._played = merit, understudy()
        if self._played.clairvoyant and not isinstance(self._played, PlannedPolicy):
            self._played.foresee(future)

    def start(self, world: World) -> None:
        """The chosen one plays."""
        super().start(world)
        self._played.start(world)

    def on_join(self, app: SimApplication) -> None:
        """As the chosen one does."""
        self._played.on_join(app)

    def on_leave(self, name: str) -> None:
        """As the chosen one does."""
        self._played.on_leave(name)

    def on_target(self, name: str, target: QosTarget) -> None:
        """As the chosen one does."""
        self._played.on_target(name, target)

    def on_board_state(self, state: BoardState) -> None:
        """As the chosen one does."""
        self._played.on_board_state(state)

    def on_received(self, name: str, received_s: float) -> None:
        """As the chosen one does."""
        self._played.on_received(name, received_s)

    def choose(self, name: str) -> OperatingPoint:
        """As the chosen one does."""
        return self._played.choose(name)

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        """As the chosen one does."""
        self._played.on_result(name, frame)

    def on_restart(self, down_s: float) -> None:
        """As the chosen one does."""
        self._played.on_restart(down_s)


def _rehearsed(truth: Truth) -> tuple[Merit, OraclePlan]:
    """The best of some rehearsals."""
    planner = Planner(truth)
    found: tuple[Merit, OraclePlan] | None = None
    for number in range(REHEARSALS):
        plan = planner.plan(BUDGET_SHARES[number] if planner.has_budget else 1.0)
        record = Simulator(truth, PlannedPolicy(plan)).run()
        merit = merit_of(record)
        if found is None or beats(merit, found[0], 0.0):
            found = merit, plan
        late = merit.misses > plan.plan.misses and _tighten(planner, plan, record, truth)
        if not late and merit.over_budget_s == 0.0:
            break
    assert found is not None
    return found


def _tighten(planner: Planner, plan: OraclePlan, record: RunRecord, truth: Truth) -> bool:
    """Give frames that were on time in the plan but not when played less time. False: there are none."""
    planned = {plan.key(number): frame for number, frame in enumerate(plan.plan.frames)}
    found = False
    for name, frames in record.frames.items():
        for frame in frames:
            intended = planned[name, frame.index]
            if not frame.on_time and not intended.missed:
                late_s = frame.end_s - intended.end_s if frame.inferred else truth.switch_ms / 1e3
                planner.tighten(name, frame.index, max(late_s, 0.0) + SPARE_S)
                found = True
    return found
