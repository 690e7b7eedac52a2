"""A clock that is held by the dwell gives way where a target would be missed for it."""

from __future__ import annotations

import pytest

from dynofa_ros.board.state import BoardState, ClockDomain, Element
from dynofa_ros.manager.application import ApplicationInfo, InferenceStats
from dynofa_ros.manager.manager import Manager, ManagerConfig
from dynofa_ros.manager.models.board_models import BoardModels
from dynofa_ros.manager.models.power_model import BoardPowerModel, ElementPower
from dynofa_ros.manager.models.thermal_model import ThermalModel
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget

DWELL_S = 20.0
TABLES = {"cpu0": (500.0, 1000.0, 2000.0), "gpu": (300.0, 600.0, 1000.0)}
POWER = BoardPowerModel(
    3.0,
    (
        ElementPower("cpu", "cpu0", 0, 500.0, 2000.0, 2.0, 4.0, 0.7),
        ElementPower("gpu", "gpu", 0, 300.0, 1000.0, 2.0, 6.0, 0.8),
    ),
)
MODELS = BoardModels(POWER, ThermalModel(40.0, 1.4, 2.5, 100.0, 0.25))
POINTS = {
    name: OperatingPoint(
        "net", f"{name}/x/fp16/1", name, accuracy=0.8, latency_ms=6.0, clock_domain=domain,
        clocked_fraction=1.0, reference_mhz=TABLES[domain][-1],
    )
    for name, domain in (("cpu", "cpu0"), ("gpu", "gpu"))
}  # fmt: skip


class Pair:
    """One application on each element under one budget, and a power sensor that may show more."""

    def __init__(self, budget_w):
        self.now_s, self.sequence, self.more_w = 0.0, 0, 0.0
        self.slowdown = {"cpu": 1.0, "gpu": 1.0}
        self.clocks = {domain: table[-1] for domain, table in TABLES.items()}
        self.manager = Manager(ManagerConfig(dwell_s=DWELL_S), "m")
        self.manager.set_models(MODELS)
        self.hear_board()
        for name, latency_ms in (("cpu", 26.0), ("gpu", 8.0)):
            self.obey(self.manager.on_application(ApplicationInfo(name, (POINTS[name],)), 0.0))
            target = QosTarget(name, latency_ms, max_power_w=budget_w, objective=Objective.MIN_ENERGY)
            self.obey(self.manager.on_target(target, 0.0))
        self.run(2.0 * DWELL_S)

    def obey(self, output):
        if output is None:
            return
        self.status = output.status
        for limit in output.dvfs.limits if output.dvfs else ():
            self.clocks[limit.domain] = limit.max_mhz

    def hear_board(self):
        self.sequence += 1
        busy = {name: self.busy(name) for name in POINTS}
        state = BoardState(
            self.sequence, "pair", power_w=POWER.power_w(self.clocks, busy) + self.more_w,
            elements=tuple(Element(name, p.clock_domain, 0, busy[name]) for name, p in POINTS.items()),
            clock_domains=tuple(
                ClockDomain(name, self.clocks[name], available_mhz=table, writable=True)
                for name, table in TABLES.items()
            ),
        )  # fmt: skip
        self.obey(self.manager.on_board_state(state, self.now_s))

    def busy(self, name):
        return min(self.slowdown[name] * POINTS[name].time_ms(self.clocks) / 33.3, 1.0)

    def run(self, seconds, board=True):
        for _ in range(round(seconds / 0.2)):
            self.now_s += 0.2
            self.sequence += 1
            for name in POINTS:
                stats = InferenceStats(
                    name, "net", POINTS[name].placement, name, frames=6, period_ms=33.3, overhead_ms=0.5,
                    slowdown=self.slowdown[name], slowdown_tail=self.slowdown[name], busy=self.busy(name),
                    inferred_total=self.sequence,
                )  # fmt: skip
                self.obey(self.manager.on_stats(stats, self.now_s))
            if board:
                self.hear_board()
            self.obey(self.manager.step(self.now_s))
        return self


@pytest.fixture
def held():
    """The CPU's clock rose for a slow-down that has gone; the dwell has only begun."""
    pair = Pair(budget_w=10.0)
    assert pair.clocks == {"cpu0": 500.0, "gpu": 1000.0}
    assert pair.status.feasible
    pair.slowdown["cpu"] = 1.6
    pair.run(1.0)
    assert pair.status.feasible
    pair.slowdown["cpu"] = 1.0
    pair.run(2.0)
    assert pair.clocks == {"cpu0": 1000.0, "gpu": 1000.0}
    return pair


def test_a_held_clock_is_lowered_where_power_would_cost_another_its_target(held):
    held.more_w = 10.0 - held.status.predicted_power_w + 0.3
    for _ in range(round(0.8 * DWELL_S)):
        held.run(1.0)
        assert held.status.feasible
    assert held.clocks == {"cpu0": 500.0, "gpu": 1000.0}


def test_a_held_clock_stays_where_lowering_it_meets_nothing(held):
    held.slowdown["gpu"] = 1.5
    held.run(0.5 * DWELL_S)
    assert held.status.binding_constraint == "gpu:latency"
    assert held.clocks == {"cpu0": 1000.0, "gpu": 1000.0}


def test_a_held_clock_is_lowered_by_a_budget_that_nothing_can_keep(held):
    held.more_w = 30.0
    held.run(0.5 * DWELL_S)
    assert held.status.binding_constraint == "power_budget"
    assert held.clocks == {"cpu0": 500.0, "gpu": 300.0}
