"""Random robots: once the manager has settled, it breaks no constraint that some choice would have kept."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.board.state import BoardState, ClockDomain, Element, ThermalZone
from dynofa_ros.manager.application import ApplicationInfo, InferenceStats
from dynofa_ros.manager.arbiter.arbiter import judge
from dynofa_ros.manager.manager import Manager, ManagerConfig
from dynofa_ros.manager.models.board_models import BoardModels
from dynofa_ros.manager.models.power_model import BoardPowerModel, ElementPower
from dynofa_ros.manager.models.thermal_model import ThermalModel
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.manager.telemetry.board_view import Caution

POWER = BoardPowerModel(
    3.0,
    (
        ElementPower("cpu", "cpu0", 4, 500.0, 2000.0, 1.0, 4.0, 0.7),
        ElementPower("gpu", "gpu", 0, 300.0, 1000.0, 0.8, 6.0, 0.8),
    ),
)
MODELS = BoardModels(POWER, ThermalModel(40.0, 1.4, 2.5, 100.0, 0.25), actuation_ms={"cpu0": 1.2, "gpu": 5.0})
TABLES = {"cpu0": (500.0, 1000.0, 2000.0), "gpu": (300.0, 600.0, 1000.0)}
ACCURACIES = (0.6, 0.7, 0.8)
DOMAINS = {"cpu": "cpu0", "gpu": "gpu"}
STEP_S = 0.2
DISTURBED_S, SETTLED_S = 3.0, 25.0


@dataclass(frozen=True)
class Node:
    """One application: its points, its target, and what its frames suffer on each element."""

    points: tuple[OperatingPoint, ...]
    target: QosTarget
    period_ms: float
    overhead_ms: float
    slowdown: dict[str, float]
    tail: float
    burst: float

    @property
    def name(self) -> str:
        return self.target.application


@dataclass(frozen=True)
class Robot:
    """Its applications, the load that others cause, and the first trip point.

    For a while everything takes `disturbance` times as long.
    """

    nodes: tuple[Node, ...]
    others: dict[str, float]
    trip_degc: float
    modelled: bool
    disturbance: float


@st.composite
def families(draw):
    """Sub-networks of which the slower ones are more accurate, each on some element."""
    times_ms = sorted(draw(st.lists(st.floats(1.0, 20.0), min_size=1, max_size=3)))
    return tuple(
        draw(operating_points(f"net{i}", latency_ms, ACCURACIES[i])) for i, latency_ms in enumerate(times_ms)
    )


@st.composite
def operating_points(draw, name, latency_ms, accuracy):
    element = draw(st.sampled_from(["cpu", "gpu"]))
    threads = draw(st.sampled_from([1, 2, 4])) if element == "cpu" else 0
    return OperatingPoint(
        name, f"{element}/x/fp16/{threads}", element, threads=threads,
        accuracy=accuracy, latency_ms=latency_ms,
        clock_domain=DOMAINS[element], clocked_fraction=draw(st.sampled_from([0.0, 0.6, 1.0])),
        reference_mhz=TABLES[DOMAINS[element]][-1],
    )  # fmt: skip


@st.composite
def nodes(draw, name):
    return Node(
        draw(families()),
        QosTarget(
            name,
            latency_ms=draw(st.sampled_from([12.0, 20.0, 30.0, 60.0])),
            percentile=draw(st.sampled_from([0.9, 0.95, 0.99])),
            min_accuracy=draw(st.sampled_from([math.nan, 0.65, 0.75])),
            max_power_w=draw(st.sampled_from([math.nan, math.nan, 5.5, 7.0, 9.0])),
            objective=draw(st.sampled_from(list(Objective))),
            priority=draw(st.integers(0, 1)),
        ),
        period_ms=draw(st.sampled_from([16.7, 33.3, 100.0])),
        overhead_ms=draw(st.floats(0.0, 4.0)),
        slowdown={element: draw(st.floats(0.9, 1.5)) for element in DOMAINS},
        tail=draw(st.floats(1.0, 1.3)),
        burst=draw(st.sampled_from([math.nan, 1.0, 1.4])),
    )


@st.composite
def robots(draw):
    return Robot(
        tuple(draw(nodes(f"app{i}")) for i in range(draw(st.integers(1, 3)))),
        {element: draw(st.sampled_from([0.0, 0.3, 0.6])) for element in DOMAINS},
        trip_degc=draw(st.sampled_from([55.0, 58.0, 95.0])),
        modelled=draw(st.booleans()),
        disturbance=draw(st.sampled_from([1.0, 2.0, 5.0])),
    )


class Running:
    """A robot that does as it is told at once, and says truly how it is."""

    def __init__(self, robot):
        self.robot, self.now_s, self.sequence = robot, 0.0, 0
        self.stretch = robot.disturbance
        self.manager = Manager(ManagerConfig(), "m")
        self.manager.set_models(MODELS if robot.modelled else None)
        self.clocks = {domain: table[0] for domain, table in TABLES.items()}
        self.decided = {}
        self.heat = MODELS.thermal.steady(5.0)
        self.hear_board()
        for node in robot.nodes:
            self.obey(self.manager.on_application(ApplicationInfo(node.name, node.points), 0.0))
            self.obey(self.manager.on_target(node.target, 0.0))
        self.run(DISTURBED_S)
        self.stretch = 1.0
        self.run(SETTLED_S)

    def obey(self, output):
        if output is None:
            return
        self.status = output.status
        for decision in output.decisions:
            points = next(node.points for node in self.robot.nodes if node.name == decision.application)
            key = (decision.subnet, decision.placement)
            self.decided[decision.application] = next(point for point in points if point.key == key)
        for limit in output.dvfs.limits if output.dvfs else ():
            self.clocks[limit.domain] = limit.max_mhz

    def busy(self, node):
        point = self.decided[node.name]
        return min(
            self.stretch * node.slowdown[point.element] * point.time_ms(self.clocks) / node.period_ms, 1.0
        )

    def hear_board(self):
        loads = dict(self.robot.others)
        for node in self.robot.nodes if self.decided else ():
            point = self.decided[node.name]
            loads[point.element] += self.busy(node) * POWER.share(point)
        loads = {element: min(load, 1.0) for element, load in loads.items()}
        power_w = POWER.power_w(self.clocks, loads)
        self.heat = MODELS.thermal.advance(self.heat, power_w, STEP_S)
        self.sequence += 1
        degc = MODELS.thermal.temperature_degc(self.heat)
        state = BoardState(
            self.sequence, "robot", zones=(ThermalZone("tj", degc, self.robot.trip_degc),), power_w=power_w,
            elements=tuple(
                Element(name, domain, 4 if name == "cpu" else 0, loads[name])
                for name, domain in DOMAINS.items()
            ),
            clock_domains=tuple(
                ClockDomain(name, self.clocks[name], table[0], table[-1], available_mhz=table, writable=True)
                for name, table in TABLES.items()
            ),
        )  # fmt: skip
        self.obey(self.manager.on_board_state(state, self.now_s))

    def run(self, seconds):
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            for node in self.robot.nodes:
                self.obey(self.manager.on_stats(self.stats(node), self.now_s))
            self.hear_board()
            self.obey(self.manager.step(self.now_s))
        return self

    def stats(self, node):
        point = self.decided[node.name]
        slowdown = self.stretch * node.slowdown[point.element]
        return InferenceStats(
            node.name, point.subnet, point.placement, point.element, frames=6, period_ms=node.period_ms,
            overhead_ms=node.overhead_ms, slowdown=slowdown, slowdown_tail=slowdown * node.tail,
            slowdown_burst=slowdown * node.tail * node.burst, busy=self.busy(node),
            inferred_total=self.sequence,
        )  # fmt: skip

    def question(self):
        """What the manager knows now, without anything that holds it back."""
        records = list(self.manager._records.values())
        posed = self.manager._problem(records, self.now_s, Caution(), hold=set(), keep=False)
        free = tuple(replace(app, forbidden=frozenset()) for app in posed.applications)
        return replace(posed, applications=free)

    def everything(self, question):
        """All combinations of points and clocks, judged; domains left to others have clocks of their own."""
        ways = itertools.product(*(range(len(app.points)) for app in question.applications))
        for choices in ways:
            for mhz in itertools.product(*(table.available_mhz for table in question.clocks)):
                points = [app.points[i] for app, i in zip(question.applications, choices, strict=True)]
                used = {domain for point in points for domain in point.domains}
                clocks = {
                    table.domain: f
                    if table.domain in used or not table.released_mhz > f
                    else table.released_mhz
                    for table, f in zip(question.clocks, mhz, strict=True)
                }
                yield judge(question, choices, clocks)

    def decision(self, question):
        """What is decided, judged."""
        records = self.manager._records.values()
        return judge(question, tuple(record.chosen for record in records), self.manager._settings)


@settings(max_examples=120, deadline=None)
@given(robots())
def test_no_constraint_is_broken_that_a_feasible_choice_keeps(robot):
    running = Running(robot)
    question = running.question()
    found = running.decision(question)
    if any(other.feasible for other in running.everything(question)):
        assert found.feasible
    assert running.status.feasible == found.feasible


@settings(max_examples=40, deadline=None)
@given(robots())
def test_what_has_settled_stays(robot):
    """Where everything holds, and heat does not change what is possible, nothing changes any more."""
    running = Running(replace(robot, trip_degc=190.0))
    before = dict(running.decided), dict(running.clocks)
    feasible = running.decision(running.question()).feasible
    running.run(20.0)
    assert not feasible or (running.decided, running.clocks) == before
