"""Clocks: pinned while needed, given back afterwards; boards that do not do as they are told."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dynofa_ros.board.state import BoardState, ClockDomain, Element
from dynofa_ros.manager.application import ApplicationInfo, InferenceStats
from dynofa_ros.manager.manager import Manager, ManagerConfig
from dynofa_ros.manager.models.board_models import BoardModels
from dynofa_ros.manager.models.power_model import BoardPowerModel, ElementPower
from dynofa_ros.manager.models.thermal_model import ThermalModel
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.manager.telemetry.clock_watch import ClockWatch

GPU_MHZ = (300.0, 600.0, 1000.0)
POINTS = tuple(
    OperatingPoint(
        name, f"gpu/x/fp16/{ms:g}", "gpu", accuracy=accuracy, latency_ms=ms, clock_domain="gpu",
        clocked_fraction=1.0, reference_mhz=1000.0,
    )
    for name, ms, accuracy in (("small", 4.0, 0.7), ("large", 8.0, 0.8))
)  # fmt: skip
MODELS = BoardModels(
    BoardPowerModel(3.0, (ElementPower("gpu", "gpu", 0, 300.0, 1000.0, 1.0, 8.0, 0.8),)),
    ThermalModel(40.0, 1.4, 2.5, 100.0, 0.25),
)


class Machine:
    """A board whose GPU obeys, or not, and whose readings may lie."""

    def __init__(self, **config):
        self.now_s = 0.0
        self.sequence = 0
        self.mhz = 300.0
        self.granted_mhz = math.inf
        self.least_mhz = 0.0
        self.read_mhz = None
        self.domains = True
        self.manager = Manager(ManagerConfig(**config), "m")
        self.manager.set_models(MODELS)
        self.dvfs = []

    def state(self):
        self.sequence += 1
        read_mhz = self.mhz if self.read_mhz is None else self.read_mhz
        gpu = ClockDomain("gpu", read_mhz, 300.0, 1000.0, available_mhz=GPU_MHZ, writable=True)
        cpu = ClockDomain("cpu0", 700.0, 100.0, 1700.0, available_mhz=(100.0, 1700.0), writable=True)
        elements = (Element("gpu", "gpu", 0, 0.1), Element("cpu", "cpu0", 4, 0.1))
        domains = (gpu, cpu) if self.domains else (cpu,)
        return BoardState(self.sequence, "test", elements=elements, clock_domains=domains)

    def take(self, output):
        if output is None:
            return
        self.status = output.status
        if output.dvfs is not None:
            self.dvfs.append(output.dvfs)
            for limit in output.dvfs.limits:
                if limit.domain == "gpu":
                    self.mhz = max(min(limit.max_mhz, self.granted_mhz), self.least_mhz)

    def run(self, seconds, stats=True):
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            if stats:
                fields = {"frames": 3, "period_ms": 33.3, "overhead_ms": 1.0, "slowdown": 1.0}
                self.take(
                    self.manager.on_stats(
                        InferenceStats(
                            "front", "large", POINTS[1].placement, "gpu", slowdown_tail=1.0,
                            inferred_total=self.sequence + 1, **fields,
                        ),
                        self.now_s,
                    )
                )  # fmt: skip
            self.take(self.manager.on_board_state(self.state(), self.now_s))
            self.take(self.manager.step(self.now_s))
        return self

    def limit(self, domain="gpu"):
        return next((limit for limit in self.dvfs[-1].limits if limit.domain == domain), None)


def machine(latency_ms=10.0, **fields):
    machine = Machine()
    machine.take(machine.manager.on_board_state(machine.state(), 0.0))
    machine.take(machine.manager.on_application(ApplicationInfo("front", POINTS), 0.0))
    if not math.isnan(latency_ms):
        machine.take(machine.manager.on_target(QosTarget("front", latency_ms, **fields), 0.0))
    return machine.run(3.0)


def test_a_latency_target_pins_the_clock_it_was_predicted_for_and_touches_nothing_else():
    front = machine()
    assert (front.limit().min_mhz, front.limit().max_mhz) == (1000.0, 1000.0)
    assert all(limit.domain == "gpu" for decision in front.dvfs for limit in decision.limits)
    assert "gpu at 1000 MHz" in front.dvfs[-1].reason


def test_without_a_latency_target_the_governor_keeps_a_range():
    front = machine(math.nan)
    assert front.limit().min_mhz == 300.0
    assert front.limit().max_mhz < 1000.0


def test_the_last_application_gives_its_clock_back_at_once():
    front = machine()
    front.run(11.0, stats=False)
    given_back = [d for d in front.dvfs if (d.limits[0].min_mhz, d.limits[0].max_mhz) == (300.0, 1000.0)]
    assert given_back
    assert "no application is left" in given_back[-1].reason
    issued = len(front.dvfs)
    front.run(5.0, stats=False)
    assert len(front.dvfs) - issued <= 3  # for one lease, then nothing


def test_a_board_that_grants_less_counts_as_capped_and_is_believed_again():
    front = machine()
    front.granted_mhz = front.mhz = 600.0
    front.run(2.0)
    assert front.status.applications[0].subnet == "small"
    assert "gpu stays at 600 MHz: treated as capped" in front.status.status
    assert front.limit().max_mhz == 1000.0  # still requested
    front.granted_mhz = front.mhz = 1000.0
    front.run(3.0)
    assert front.status.applications[0].subnet == "large"
    assert "capped" not in front.status.status


def test_a_board_that_runs_faster_than_decided_is_planned_with_as_it_is_and_told():
    front = machine(25.0, objective=Objective.MIN_ENERGY)
    assert front.limit().max_mhz < 1000.0
    front.least_mhz = front.mhz = 1000.0
    front.run(2.0)
    assert "gpu runs at 1000 instead of" in front.status.status
    assert front.status.feasible
    front.least_mhz, front.mhz = 0.0, 300.0
    front.run(2.0)
    assert "instead of" not in front.status.status


@pytest.mark.parametrize("lost", ["clock", "domain"])
def test_a_clock_that_is_not_read_any_more_stays_pinned(lost):
    front = machine()
    pinned = front.limit()
    front.read_mhz, front.domains = (math.nan, True) if lost == "clock" else (None, False)
    front.run(5.0)
    assert front.limit() == pinned
    assert all(math.isfinite(limit.max_mhz) for d in front.dvfs for limit in d.limits)


def test_a_stuck_reading_does_not_make_clocks_go_up_and_down():
    front = machine(25.0, objective=Objective.MIN_ENERGY)
    front.read_mhz = 1000.0
    decided = len({d.limits for d in front.dvfs})
    front.run(30.0)
    assert len({d.limits for d in front.dvfs}) <= decided + 1


def test_a_domain_without_a_request_is_not_watched():
    watch = ClockWatch()
    watch.want({"gpu": 1000.0}, 0.0)
    watch.want({}, 1.0)
    watch.take([ClockDomain("gpu", 300.0)], 5.0)
    assert watch.words() == ""
    assert watch.ceiling_mhz("gpu") == math.inf


def test_a_clock_that_was_refused_is_asked_for_again_when_it_is_needed_again():
    front = machine(lifetime_s=4.0)
    front.granted_mhz = front.mhz = 600.0
    front.run(4.0)  # refused, then the target lapses
    front.granted_mhz = math.inf
    front.take(front.manager.on_target(QosTarget("front", 10.0), front.now_s))
    assert front.limit().max_mhz == 1000.0
    assert front.run(3.0).status.applications[0].subnet == "large"


def test_a_clock_that_is_not_read_is_said():
    front = machine()
    front.read_mhz = math.nan
    assert "clock" not in front.status.remarks
    assert "the clock of gpu is not read" in front.run(0.3).status.remarks
    front.read_mhz = None
    assert "clock" not in front.run(0.3).status.remarks


def test_a_cap_below_the_lowest_clock_asks_for_the_lowest():
    watch = ClockWatch()
    watch.want({"gpu": 300.0}, 0.0)
    gpu = ClockDomain("gpu", 300.0, 300.0, 1000.0, cap_mhz=0.5, available_mhz=GPU_MHZ, writable=True)
    assert not any(watch.take([gpu], now_s) for now_s in (0.1, 1.0, 2.0))
    assert watch.words() == ""


def test_a_ceiling_is_tried_again_after_a_while_and_later_each_time():
    watch = ClockWatch()
    refusals = []
    for step in range(2000):
        now_s = step / 10.0
        wanted = 1000.0 if watch.ceiling_mhz("gpu") == math.inf else 500.0
        watch.want({"gpu": wanted}, now_s)
        before = watch.ceiling_mhz("gpu")
        watch.take([ClockDomain("gpu", min(wanted, 600.0))], now_s)
        if watch.ceiling_mhz("gpu") < before:
            refusals.append(now_s)
    gaps = [b - a for a, b in zip(refusals, refusals[1:], strict=False)]
    assert 3 <= len(gaps) <= 6
    assert gaps == sorted(gaps)


def test_a_dry_run_judges_no_clock_and_says_what_it_is():
    front = Machine(dry_run=True)
    front.granted_mhz = front.mhz = 300.0
    front.take(front.manager.on_board_state(front.state(), 0.0))
    front.take(front.manager.on_application(ApplicationInfo("front", POINTS), 0.0))
    front.take(front.manager.on_target(QosTarget("front", 10.0), 0.0))
    front.run(3.0)
    assert front.status.dry_run
    assert front.status.status.startswith("dry run, nothing obeys: 1 application")
    assert front.limit().max_mhz == 1000.0
    assert "stays at" not in front.status.status


def test_domains_that_are_named_twice_count_once():
    front = machine()
    state = front.state()
    doubled = replace(state, clock_domains=state.clock_domains * 2, elements=state.elements * 2)
    front.take(front.manager.on_board_state(doubled, front.now_s + 0.1))
    assert front.status.applications[0].subnet == "large"


def test_a_domain_that_is_read_above_its_pin_may_still_be_raised():
    front = machine(25.0, objective=Objective.MIN_ENERGY)
    assert front.limit().max_mhz == 300.0
    front.read_mhz = 600.0  # stuck
    front.run(2.0)
    assert front.limit().max_mhz == 300.0
    target = QosTarget("front", 6.0, objective=Objective.MIN_ENERGY)
    front.take(front.manager.on_target(target, front.now_s))
    front.run(0.4)
    assert (front.limit().max_mhz, front.mhz) == (1000.0, 1000.0)
    front.run(5.0)
    assert (front.limit().max_mhz, front.mhz) == (1000.0, 1000.0)  # though 600 is read


def test_a_pin_that_is_no_clock_of_the_domain_any_more_is_forgotten():
    watch = ClockWatch()
    watch.want({"gpu": 97.0}, 0.0)
    table = (300.0, 600.0)
    watch.take([ClockDomain("gpu", 300.0, available_mhz=table)], 1.0)
    watch.take([ClockDomain("gpu", 300.0, available_mhz=table)], 2.0)
    assert math.isnan(watch.fixed_mhz("gpu"))
    assert (watch.request_mhz("gpu", 600.0), watch.words()) == (600.0, "")
