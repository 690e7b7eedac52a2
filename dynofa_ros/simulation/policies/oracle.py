"""Policy `oracle`: plays the plan of somebody who knows the future, by the rules that hold for everybody."""

from __future__ import annotations

from functools import partial

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.merit import Merit, beats, merit_of
from dynofa_ros.simulation.oracle.plan import OraclePlan, Planner
from dynofa_ros.simulation.world.policy import Future, Policy, SimApplication, World
from dynofa_ros.simulation.world.run_record import RunRecord
from dynofa_ros.simulation.world.simulator import Simulator
from dynofa_ros.simulation.world.truth import Truth, truth_of

REHEARSALS = 3
BUDGET_SHARES = (1.0, 0.99, 0.97)
"""Of a power budget, tried in turn: what counts is the mean of each second, not of each frame."""
SUPPLY_STEP = 0.97
"""By which the supply's limit is taken lower after a rehearsal in which it throttled unforeseen."""
THROTTLED_S = 0.05
"""More time than planned with clocks held down: half of the shortest throttling by the supply."""
SPARE_S = 1e-4


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


class OraclePolicy(PlannedPolicy):
    """The plan of `simulation.oracle.plan`, rehearsed.

    One point and one clock per frame, found by a Viterbi search over the known future, with switching,
    actuation, waiting and heat paid for. What the plan does not know exactly (a clock that a governor has had
    in between, inferences of several applications that cross on the CPU) shows when it is played; frames
    that were late then are planned again with that much less time, all of them with a lower limit of the
    supply where that throttled. Where the supply can throttle, a plan that lets it is rehearsed too. The
    best rehearsal counts.
    """

    name = "oracle"
    clairvoyant = True

    def foresee(self, future: Future) -> None:
        """Plan the whole run and rehearse it."""
        truth = truth_of(future.scenario, future.seed, future.voltage)
        planner = Planner(truth)
        best: Merit | None = None
        for number in range(REHEARSALS):
            plan = planner.plan(BUDGET_SHARES[number] if planner.has_budget else 1.0)
            record = _rehearse(truth, plan)
            merit = merit_of(record)
            if best is None or beats(merit, best, 0.0):
                best, self.plan = merit, plan
            unforeseen = record.throttled_s > plan.plan.slowed_s + THROTTLED_S
            if unforeseen and planner.supply_matters:
                planner.supply_share *= SUPPLY_STEP
                continue
            late = merit.misses > plan.plan.misses and _tighten(planner, plan, record, truth)
            if not late and merit.over_budget_s == 0.0:
                break
        if planner.supply_matters:
            plan = planner.throttled_plan()
            if best is None or beats(merit_of(_rehearse(truth, plan)), best, 0.0):
                self.plan = plan


def _rehearse(truth: Truth, plan: OraclePlan) -> RunRecord:
    return Simulator(truth, PlannedPolicy(plan)).run()


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
