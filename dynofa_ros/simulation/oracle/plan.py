"""The oracle: a plan for a whole run by somebody who knows the future.

It lays the simulated truth out as arrays (`oracle.problem`), searches the best sequence of operating points
and clocks (`oracle.search`), and hands it over by frame, for `policies/oracle.py` to play. It knows releases,
noise, co-runners, caps and targets, and it pays for switching, actuation, waiting and heat like everybody
else. What it may choose is one point and one clock of that point's element per frame.

What it minimises, each term only among those that are equal in all before it:

    1. frames above the power budget, or during which the supply would throttle (each counts as 16 misses)
    2. misses, of all applications together
    3. frames that are on time but below their accuracy floor
    4. lost accuracy, summed over the frames of applications that want accuracy; a miss loses all
    5. energy

A power budget below what the idle board draws is left out: nothing keeps it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective
from dynofa_ros.simulation.oracle.actions import all_actions, useful_actions
from dynofa_ros.simulation.oracle.conditions import conditions_of
from dynofa_ros.simulation.oracle.problem import HeatModel, Plan, PlanElement, PlanFrame, PlanProblem
from dynofa_ros.simulation.oracle.search import OracleSearch
from dynofa_ros.simulation.oracle.supply import Supply
from dynofa_ros.simulation.oracle.throttled import throttled
from dynofa_ros.simulation.world.noise import FrameStream
from dynofa_ros.simulation.world.truth import Truth

HEAT_PRICE = 0.3
"""Lost accuracy per joule [1/J] that is tried too where the board gets too hot; a point of accuracy costs
some 20 mJ an inference."""


@dataclass(frozen=True)
class Effort:
    """How a plan is searched."""

    backlogs: int = 0
    """Levels of backlog that are kept of each clock; 0: only the cheapest few of each action."""
    holds: bool = False
    """Whether elements that applications use keep their clocks while others are used."""


@dataclass(frozen=True)
class OraclePlan:
    """A plan with the names that belong to its numbers."""

    problem: PlanProblem
    plan: Plan
    applications: tuple[tuple[str, tuple[OperatingPoint, ...]], ...]
    """Name and operating points of each stay of an application, in the order of `problem.actions`."""

    def key(self, number: int) -> tuple[str, int]:
        """Application and index of the `number`-th planned frame."""
        frame = self.plan.frames[number].frame
        return self.applications[frame.application][0], frame.index

    def points(self) -> dict[tuple[str, int], OperatingPoint]:
        """Operating point of each frame that is inferred."""
        found = {}
        for number, planned in enumerate(self.plan.frames):
            if planned.action >= 0:
                stay = planned.frame.application
                point = int(self.problem.actions[stay].point[planned.action])
                found[self.key(number)] = self.applications[stay][1][point]
        return found


class Planner:
    """Plans one run, again and again with less time for single frames where that is needed."""

    def __init__(self, truth: Truth) -> None:
        self._streams = [stream for streams in truth.noise.streams.values() for stream in streams]
        self._problem = self._untouched = problem_of(truth, self._streams)
        self._effort = Effort()
        self.supply_share = 1.0
        """Share of the supply's limit that plans may use."""
        self._heat_price = 0.0
        self._tried = False
        self._names = tuple(
            (s.episode.application.name, truth.points[s.episode.application.name]) for s in self._streams
        )

    @property
    def alone(self) -> bool:
        """Whether there is but one stay of one application."""
        return len(self._streams) == 1

    def restart(self, effort: Effort) -> None:
        """Search in another way from now on; frames get all their time back."""
        self._effort = effort
        self._problem = replace(self._untouched, holds=effort.holds)

    @property
    def has_budget(self) -> bool:
        """Whether a power budget holds at any time."""
        return any(math.isfinite(conditions.kept_w) for conditions in self._problem.conditions)

    @property
    def supply_matters(self) -> bool:
        """Whether actions can make the supply throttle at any time."""
        return any(map(Supply(self._problem).matters, self._problem.conditions))

    def plan(self, budget_share: float = 1.0) -> OraclePlan:
        """The best plan that is found; `budget_share`: of a power budget that it may use."""
        best = self._search(self._heat_price, budget_share)
        if best.slowed_s > 0.0 and not self._tried:
            cooler = self._search(HEAT_PRICE, budget_share)
            if _merit(cooler) < _merit(best):
                best, self._heat_price = cooler, HEAT_PRICE
        self._tried = True
        return OraclePlan(self._problem, best, self._names)

    def throttled_plan(self) -> OraclePlan:
        """The best plan that is found with half the clocks, but no limit, where the supply may throttle."""
        problem = throttled(self._problem, [points for _, points in self._names])
        return OraclePlan(problem, OracleSearch(problem).plan(), self._names)

    def _search(self, heat_price: float, budget_share: float) -> Plan:
        shares = (budget_share, self.supply_share)
        backlogs = self._effort.backlogs
        return OracleSearch(self._problem, heat_price=heat_price, shares=shares, backlogs=backlogs).plan()

    def tighten(self, application: str, index: int, by_s: float) -> None:
        """Plan a frame with less time from now on."""
        self._problem = replace(
            self._problem,
            frames=tuple(
                replace(frame, target_s=frame.target_s - by_s)
                if frame.index == index and self._names[frame.application][0] == application
                else frame
                for frame in self._problem.frames
            ),
        )


def _merit(plan: Plan) -> tuple[float, ...]:
    lost = 0.0 if math.isnan(plan.on_time_accuracy) else -plan.on_time_accuracy
    return (plan.violations, plan.misses, plan.below_floor, lost, plan.energy_j)


def problem_of(truth: Truth, streams: list[FrameStream], everything: bool = False) -> PlanProblem:
    """The planning problem of a run; `everything`: with all actions, also those that can never matter."""
    spec = truth.spec
    elements = tuple(_elements(truth, sum(len(stream) for stream in streams)))
    points = [truth.points[stream.episode.application.name] for stream in streams]
    conditions = conditions_of(truth, elements, points)
    frames = tuple(sorted(_frames(streams), key=lambda frame: frame.arrival_s))
    actions = tuple(
        all_actions(points[number], elements)
        if everything
        else useful_actions(number, points[number], elements, conditions, frames, alone=len(streams) == 1)
        for number in range(len(streams))
    )
    return PlanProblem(
        elements=elements,
        actions=actions,
        frames=frames,
        conditions=conditions,
        horizon_s=truth.scenario.duration_s,
        switch_s=truth.switch_ms / 1e3,
        leaves_s=tuple(stream.episode.leave_s for stream in streams),
        heat=_heat(spec, conditions[0].base_w),
    )


def _elements(truth: Truth, frames: int) -> Iterator[PlanElement]:
    board, spec = truth.board(), truth.spec
    for element in spec.power.elements:
        domain = next(d for d in spec.domains if d.name == element.domain)
        table = domain.available_mhz if domain.writable else (board.mhz(domain.name),)
        delays_s = [board.actuation_ms(domain.name, index) / 1e3 for index in range(2 * frames + 8)]
        yield PlanElement(
            name=element.element,
            domain=domain.name,
            mhz=table,
            actuation_s=(*delays_s, max(delays_s)),
            initial=table.index(board.mhz(domain.name)),
            cores=element.cores,
            throttles=domain.writable,
        )


def _frames(streams: list[FrameStream]) -> Iterator[PlanFrame]:
    for number, stream in enumerate(streams):
        arrivals = (stream.release_s + stream.overhead_ms / 1e3).tolist()
        following = [*arrivals[1:], math.inf]
        periods = [b - a for a, b in itertools.pairwise(arrivals)]
        periods.append(periods[-1] if periods else math.inf)
        for index, release_s in enumerate(stream.release_s.tolist()):
            target = stream.episode.target_at(release_s)
            yield PlanFrame(
                application=number,
                index=stream.first + index,
                release_s=release_s,
                arrival_s=arrivals[index],
                next_arrival_s=following[index],
                target_s=float(stream.target_ms[index]) / 1e3,
                factor=float(stream.factor[index]),
                min_accuracy=0.0 if math.isnan(target.min_accuracy) else target.min_accuracy,
                wants_accuracy=target.objective == Objective.MAX_ACCURACY,
                period_s=max(periods[index], 1e-3),
                leaves_s=stream.episode.leave_s,
            )


def _heat(spec: BoardSpec, idle_w: float) -> HeatModel:
    thermal = spec.thermal
    return HeatModel(
        t0_degc=thermal.t0_degc,
        r_degc_per_w=thermal.r_degc_per_w,
        tau_fast_s=thermal.tau_fast_s,
        tau_slow_s=thermal.tau_slow_s,
        fast_share=thermal.fast_share,
        start_w=idle_w,
        trip_degc=min((zone.trip_degc for zone in spec.zones), default=math.inf),
    )
