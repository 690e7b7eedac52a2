"""Policy `oracle`: plays the plan of somebody who knows the future, by the rules that hold for everybody."""

from __future__ import annotations

from functools import cached_property, partial

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.merit import Merit, beats, merit_of
from dynofa_ros.simulation.oracle.lower_bound import lower_bound
from dynofa_ros.simulation.oracle.plan import Effort, OraclePlan, Planner
from dynofa_ros.simulation.policies.alert import AlertPolicy, TunedAlertPolicy
from dynofa_ros.simulation.policies.fixed_clocks import PerformancePolicy
from dynofa_ros.simulation.policies.linux import LinuxPolicy
from dynofa_ros.simulation.policies.poet import PoetPolicy
from dynofa_ros.simulation.policies.stand_in import StandIn
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
EFFORTS_ALONE = (Effort(backlogs=80),)
EFFORTS_SHARED = (Effort(holds=True), Effort(backlogs=40), Effort(backlogs=40, holds=True))
"""Wider searches, in turn, with one application and with several."""
LOST_ACCURACY = 1e-4
"""Mean accuracy below the lower bound's from which on a wider search is worth its time."""
MOST_FRAMES = 20_000
"""Longer runs get no more than the first search."""
FALLBACKS = (PerformancePolicy, LinuxPolicy, AlertPolicy, TunedAlertPolicy, PoetPolicy)
"""Rehearsed where plans fall short of the lower bound."""


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


class OraclePolicy(StandIn):
    """The plan of `simulation.oracle.plan`, rehearsed.

    One point and one clock per frame, found by a Viterbi search over the known future, with switching,
    actuation, waiting and heat paid for. What the plan does not know exactly (a clock that a governor has had
    in between, inferences of several applications that cross on the CPU) shows when it is played; frames
    that were late then are planned again with that much less time, all of them with a lower limit of the
    supply where that throttled. Where the supply can throttle, a plan that lets it is rehearsed too. Where
    the best rehearsal misses more, or keeps fewer floors, than the lower bound, wider searches follow, and
    then published and built-in policies are rehearsed as well. The best rehearsal counts.
    """

    name = "oracle"
    clairvoyant = True

    def __init__(self) -> None:
        super().__init__()
        self.plan: OraclePlan | None = None
        """The best plan, played unless one of `FALLBACKS` did better."""

    def foresee(self, future: Future) -> None:
        """Plan the whole run and rehearse it."""
        rehearsals = Rehearsals(truth_of(future.scenario, future.seed, future.voltage))
        self.plan, self.player = rehearsals.best()


class Rehearsals:
    """Looks for the best plan of one world by playing what is found."""

    def __init__(self, truth: Truth) -> None:
        self._truth, self._planner = truth, Planner(truth)
        self._best: tuple[Merit, OraclePlan] | None = None

    def best(self) -> tuple[OraclePlan, Policy]:
        """The best plan, and what is to be played."""
        self._rounds()
        if self._planner.supply_matters:
            self._try(self._planner.throttled_plan())
        for effort in EFFORTS_ALONE if self._planner.alone else EFFORTS_SHARED:
            if not self._may_improve:
                break
            self._planner.restart(effort)
            self._rounds()
        plan = self._found[1]
        return plan, self._player(PlannedPolicy(plan))

    def _rounds(self) -> None:
        """Plan, play and plan again, with less time or power for what went otherwise than planned."""
        planner = self._planner
        for number in range(REHEARSALS):
            plan = planner.plan(BUDGET_SHARES[number] if planner.has_budget else 1.0)
            record = self._try(plan)
            merit = merit_of(record)
            unforeseen = record.throttled_s > plan.plan.slowed_s + THROTTLED_S
            if unforeseen and planner.supply_matters:
                planner.supply_share *= SUPPLY_STEP
                continue
            late = merit.misses > plan.plan.misses and _tighten(planner, plan, record, self._truth)
            if not late and merit.over_budget_s == 0.0:
                break

    def _try(self, plan: OraclePlan) -> RunRecord:
        """Play a plan, and keep it where it is the best so far."""
        record = _rehearse(self._truth, PlannedPolicy(plan))
        merit = merit_of(record)
        if self._best is None or beats(merit, self._best[0], 0.0):
            self._best = merit, plan
        return record

    @property
    def _found(self) -> tuple[Merit, OraclePlan]:
        """The best plan so far and what it was worth when played."""
        assert self._best is not None, "nothing was played yet"
        return self._best

    @property
    def _may_improve(self) -> bool:
        """Whether a wider search is worth its time."""
        merit, plan = self._found
        if len(plan.problem.frames) > MOST_FRAMES:
            return False
        if self._falls_short:
            return True
        if not self._planner.alone or self._planner.supply_matters or plan.plan.exact:
            return False
        return self._bound.accuracy - merit.accuracy > LOST_ACCURACY

    @property
    def _falls_short(self) -> bool:
        """Whether the best so far misses more than nobody can help, or keeps fewer floors."""
        merit = self._found[0]
        if not (merit.over_budget_s or merit.misses or merit.below_floor):
            return False
        return merit[:3] > (0.0, *self._bound[1:3])

    def _player(self, best: Policy) -> Policy:
        """What is to be played: the best plan, unless a fallback does better."""
        if not (self._falls_short and self._may_improve):
            return best
        most = self._found[0]
        for fallback in FALLBACKS:
            merit = merit_of(_rehearse(self._truth, fallback()))
            if beats(merit, most, 0.0):
                most, best = merit, fallback()
        return best

    @cached_property
    def _bound(self) -> Merit:
        return merit_of(lower_bound(self._truth))


def _rehearse(truth: Truth, policy: Policy) -> RunRecord:
    return Simulator(truth, policy).run()


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
