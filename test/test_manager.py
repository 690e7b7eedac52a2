"""The manager's state machine: time is an argument, telemetry may be anything."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import find_spec
from dynofa_ros.board.state import BoardState, ClockDomain, Element
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.application import ApplicationInfo, InferenceStats
from dynofa_ros.manager.arbiter.arbiter import arbitrate
from dynofa_ros.manager.arbiter.problem import Bound
from dynofa_ros.manager.manager import Manager, ManagerConfig
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget

SPEC = find_spec("jetson_orin_nano_super")
NAMES = ("small", "middle", "large")
STEP_S = 0.2
SPEC_MHZ = 1728.0
"""Highest CPU clock of the board."""


def point(name, latency_ms, accuracy):
    return OperatingPoint(
        name, threads=1, macs=latency_ms * 1e6, accuracy=accuracy, accuracy_source="measured",
        latency_ms=latency_ms, clock_domain="cpu0", clocked_fraction=0.9, reference_mhz=1728.0,
    )  # fmt: skip


POINTS = (point("small", 4.0, 0.90), point("middle", 8.0, 0.94), point("large", 16.0, 0.97))


class World:
    """A manager with its surroundings: statistics and board states keep coming unless switched off."""

    def __init__(self, *applications, **config):
        self.now_s = 100.0
        self.manager = Manager(ManagerConfig(**config), "m1")
        self.board = SimulatedBoard(SPEC)
        self.manager.set_models(SPEC.models())
        self.slowdown = dict.fromkeys(applications, 1.0)
        self.inferred = 0
        self.decisions = []
        self.dvfs = []
        self.send_stats = self.send_board = True
        self.take(self.manager.on_board_state(self.board.read(self.now_s), self.now_s))
        for name in applications:
            self.take(self.manager.on_application(ApplicationInfo(name, POINTS), self.now_s))

    def take(self, output):
        if output is not None:
            self.decisions += [(self.now_s, decision) for decision in output.decisions]
            if output.dvfs is not None:
                self.dvfs.append((self.now_s, output.dvfs))
                self.board.apply(output.dvfs.limits, self.now_s, output.dvfs.validity_ms / 1e3)
            self.status = output.status
        return output

    def stats(self, name, **fields):
        self.inferred += 6
        fields = {
            "frames": 6, "period_ms": 33.3, "overhead_ms": 3.0, "slowdown": self.slowdown[name],
            "slowdown_tail": self.slowdown[name], "busy": 0.3, "emulated_clocks": True, **fields,
        }  # fmt: skip
        stats = InferenceStats(name, inferred_total=self.inferred, **fields)
        self.take(self.manager.on_stats(stats, self.now_s))

    def target(self, name="front", latency_ms=25.0, **fields):
        return self.take(self.manager.on_target(QosTarget(name, latency_ms, **fields), self.now_s))

    def run(self, seconds):
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            if self.send_stats:
                for name in self.slowdown:
                    self.stats(name)
            if self.send_board:
                self.take(self.manager.on_board_state(self.board.read(self.now_s), self.now_s))
            self.take(self.manager.step(self.now_s))
        return self

    def subnet(self, name="front"):
        return next(status.subnet for status in self.status.applications if status.application == name)

    def max_mhz(self):
        return self.dvfs[-1][1].limits[0].max_mhz


def test_waits_for_applications():
    output = World().manager.step(1.0)
    assert (output.decisions, output.dvfs) == ((), None)
    assert output.status.status == "waiting for applications"


def test_an_application_gets_a_decision_at_once_that_explains_itself():
    world = World("front")
    world.target()
    _, decision = world.decisions[-1]
    assert (decision.subnet, decision.target_latency_ms, decision.feasible) == ("large", 25.0, True)
    assert [a.subnet for a in decision.alternatives] == list(NAMES)
    assert decision.reason.startswith("front runs large at ")
    assert " of 25 ms at p99, 97.0 % accurate; " in decision.reason


def test_the_reason_says_what_the_next_larger_would_need():
    world = World("front")
    world.target(latency_ms=18.0)
    world.run(2.0)
    status = world.status.applications[0]
    assert (status.subnet, status.binding_constraint) == ("middle", "latency")
    assert "large would need" in status.reason


def test_a_target_changes_the_decision_at_once_in_both_directions():
    world = World("front")
    world.target(latency_ms=25.0)
    world.run(1.0)
    assert world.target(latency_ms=12.0).decisions[0].subnet == "middle"
    assert world.target(latency_ms=25.0).decisions[0].subnet == "large"


def test_a_decision_carries_the_accuracy_floor_and_a_change_of_it_alone_is_told_at_once():
    world = World("front")
    decision = world.target(min_accuracy=0.9).decisions[0]
    assert (decision.subnet, decision.min_accuracy) == ("large", 0.9)
    raised = world.target(min_accuracy=0.94).decisions[0]
    assert (raised.subnet, raised.min_accuracy) == ("large", 0.94)
    assert world.target(min_accuracy=0.94).decisions == ()
    assert math.isnan(world.target().decisions[0].min_accuracy)


def test_without_a_target_it_keeps_up_with_the_camera_at_the_least_power():
    world = World("front").run(3.0)
    assert world.subnet() == "large"
    assert world.max_mhz() < 1728.0


def test_a_default_target_counts_until_one_is_published():
    assert World("front", default_latency_ms=12.0).run(2.0).subnet() == "middle"


@pytest.mark.parametrize(
    "wrong", [{"latency_ms": math.nan}, {"latency_ms": -1.0}, {"name": "rear"}, {"min_accuracy": 97.0}]
)
def test_an_invalid_target_is_refused_and_counted_and_the_last_valid_one_stays(wrong):
    world = World("front")
    world.target(latency_ms=12.0)
    with pytest.raises(RefusedMessage, match=r"latency_ms|application = 'rear' is unknown|min_accuracy"):
        world.target(**wrong)
    world.run(1.0)
    assert world.status.refused_targets_total == 1
    assert world.status.last_refusal
    assert world.status.applications[0].target.latency_ms == 12.0


def test_a_target_ends_with_its_lifetime():
    world = World("front")
    world.target(latency_ms=12.0, lifetime_s=2.0)
    assert world.run(1.0).subnet() == "middle"
    assert world.run(2.0).subnet() == "large"
    assert math.isnan(world.status.applications[0].target.latency_ms)


def test_decisions_are_renewed_before_their_lease_runs_out_with_rising_sequence():
    world = World("front", validity_ms=1500.0)
    world.target()
    world.run(20.0)
    for issued in (world.decisions, world.dvfs):
        times = [when for when, _ in issued]
        assert max(b - a for a, b in zip(times, times[1:], strict=False)) < 1.0
    everything = sorted((d.sequence for _, d in world.decisions + world.dvfs))
    assert everything == list(range(1, len(everything) + 1))


def test_a_slow_down_moves_down_at_the_next_step_and_back_after_it_has_gone():
    world = World("front")
    world.target()
    world.run(3.0)
    world.slowdown["front"] = 2.0
    assert world.run(STEP_S).subnet() == "middle"
    world.slowdown["front"] = 1.0
    assert world.run(2.0).subnet() == "large"


def test_upward_moves_wait_for_the_dwell():
    world = World("front", dwell_s=3.0)
    world.target()
    world.run(5.0)
    world.slowdown["front"] = 2.0
    world.run(STEP_S)
    world.slowdown["front"] = 1.0
    assert world.run(2.4).subnet() == "middle"
    assert world.status.applications[0].binding_constraint == "dwell"
    assert world.run(1.0).subnet() == "large"


def test_steady_conditions_change_nothing():
    world = World("front", "rear")
    world.target("front", 25.0)
    world.target("rear", 30.0, objective=Objective.MIN_ENERGY, min_accuracy=0.93)
    world.run(10.0)
    before = [(d.application, d.subnet) for _, d in world.decisions[-2:]], world.dvfs[-1][1].limits
    world.run(60.0)
    assert ([(d.application, d.subnet) for _, d in world.decisions[-2:]], world.dvfs[-1][1].limits) == before


def test_a_cap_from_outside_is_answered_at_once():
    world = World("front")
    world.target()
    world.run(3.0)
    world.board.set_cap("cpu0", 700.0)
    world.now_s += 0.05
    output = world.take(world.manager.on_board_state(world.board.read(world.now_s), world.now_s))
    assert output.decisions[0].subnet == "middle"
    assert world.max_mhz() <= 700.0


def test_min_energy_lowers_clocks_and_keeps_the_target():
    world = World("front")
    world.target(latency_ms=25.0, objective=Objective.MIN_ENERGY, min_accuracy=0.93)
    world.run(3.0)
    assert world.subnet() == "middle"
    assert world.max_mhz() < 1200.0
    assert world.status.feasible


def test_a_power_budget_lowers_clocks_and_then_accuracy():
    world = World("front")
    world.target(latency_ms=25.0)
    world.run(2.0)
    budget_w = world.status.predicted_power_w - 0.3
    world.target(latency_ms=25.0, max_power_w=budget_w)
    world.run(2.0)
    assert world.status.predicted_power_w <= budget_w
    assert world.status.applications[0].binding_constraint in ("power_budget", "latency")


def test_an_infeasible_target_is_named():
    world = World("front")
    world.target(latency_ms=3.0)
    world.run(1.0)
    assert not world.status.feasible
    assert world.status.binding_constraint == "front:latency"
    assert "not every target can be met (front: latency)" in world.status.status
    assert world.subnet() == "small"
    assert "of 3 ms at p99, 90.0 % accurate; too slow: " in world.status.applications[0].reason


def test_a_choice_that_is_not_proven_the_best_is_said_with_its_bound(monkeypatch):
    def hurried(problem):
        return replace(arbitrate(problem), exact=False, bound=Bound("accuracy", -0.94, -0.97))

    monkeypatch.setattr("dynofa_ros.manager.manager.arbitrate", hurried)
    status = World("front").target().status.status
    assert status.endswith("in time: accuracy 0.94 is chosen, 0.97 may be possible")


def test_absent_statistics_allow_no_upward_move():
    world = World("front")
    world.target()
    world.slowdown["front"] = 2.0
    world.run(2.0)
    world.send_stats = False
    world.run(3.0)
    world.target(latency_ms=25.001)
    world.run(3.0)
    assert world.subnet() == "middle"


def test_missing_statistics_are_said_and_end_with_the_next_ones():
    world = World("front")
    world.target()
    assert world.run(2.0).status.remarks == ""
    world.send_stats = False
    assert world.run(4.0).status.remarks.startswith("nothing usable for 4.")
    world.send_stats = True
    assert world.run(0.4).status.remarks == ""


def test_the_status_predicts_what_its_reason_says():
    world = World("front")
    world.target(latency_ms=40.0, objective=Objective.MIN_ENERGY)
    for step in range(40):
        world.slowdown["front"] = 1.0 + 0.05 * (step % 7)
        status = world.run(STEP_S).status.applications[0]
        assert f" in {status.predicted_latency_ms:.1f} of 40 ms " in status.reason


def test_alternatives_and_decision_agree_on_the_energy_of_a_profile_without_a_reference_clock():
    world = World()
    points = tuple(replace(p, reference_mhz=math.nan) for p in POINTS)
    world.slowdown["front"] = 1.0
    world.take(world.manager.on_application(ApplicationInfo("front", points), world.now_s))
    decision = world.target(latency_ms=100.0, objective=Objective.MIN_ENERGY).decisions[0]
    assert world.max_mhz() < SPEC_MHZ
    assert decision.alternatives[-1].predicted_energy_mj == pytest.approx(decision.predicted_energy_mj)


def test_frozen_statistics_are_stale():
    world = World("front")
    world.target()
    world.slowdown["front"] = 2.0
    world.run(2.0)
    world.send_stats = False
    frozen = InferenceStats(
        "front", frames=6, period_ms=33.3, overhead_ms=1.0, slowdown=1.0, slowdown_tail=1.0
    )
    for _ in range(20):
        world.manager.on_stats(replace(frozen, inferred_total=world.inferred), world.now_s)
        world.run(STEP_S)
    assert world.subnet() == "middle"
    assert world.status.applications[0].slowdown_tail == pytest.approx(2.0, rel=0.01)


def test_a_frozen_board_allows_no_upward_move_and_says_so():
    world = World("front")
    world.target()
    world.slowdown["front"] = 2.0
    world.run(3.0)
    world.send_board = False
    world.slowdown["front"] = 1.0
    world.run(0.5)
    frozen = world.board.read(world.now_s)
    for _ in range(30):
        world.manager.on_board_state(frozen, world.now_s)
        world.run(STEP_S)
    assert "frozen" in world.status.remarks
    assert world.status.remarks in world.status.status
    clocks = [d.limits[0].max_mhz for when, d in world.dvfs if when > world.now_s - 3.0]
    assert clocks == sorted(clocks)
    world.send_board = True
    assert world.run(2.0).status.remarks == ""


def test_a_vanished_application_is_forgotten_and_comes_back_with_its_statistics():
    world = World("front")
    world.target(latency_ms=12.0)
    world.send_stats = False
    world.run(11.0)
    assert world.status.status == "waiting for applications"
    with pytest.raises(RefusedMessage, match="has vanished"):
        world.target()
    world.send_stats = True
    assert world.run(1.0).subnet() == "large"


def test_a_second_application_joins_and_both_meet_their_targets():
    world = World("front")
    world.target()
    world.run(2.0)
    world.slowdown["rear"] = 1.0
    world.take(world.manager.on_application(ApplicationInfo("rear", POINTS), world.now_s))
    world.target("rear", 30.0)
    world.run(2.0)
    assert world.status.feasible
    assert "2 applications: every target is met" in world.status.status


def test_contradictory_applications_are_refused_and_the_registered_one_stays():
    world = World("front")
    for points in ((), (POINTS[0], POINTS[0]), (replace(POINTS[0], accuracy=1.5),)):
        with pytest.raises(RefusedMessage):
            world.manager.on_application(ApplicationInfo("front", points), world.now_s)
    assert world.run(1.0).subnet() == "large"


def test_without_clock_control_only_the_sub_network_is_chosen():
    manager = Manager()
    domain = ClockDomain("cpu0", current_mhz=2000.0, available_mhz=(1000.0, 2000.0), writable=False)
    state = BoardState(1, "linux", elements=(Element("cpu", "cpu0", 2, 0.3),), clock_domains=(domain,))
    manager.on_board_state(state, 0.0)
    manager.on_application(ApplicationInfo("front", POINTS), 0.0)
    output = manager.on_target(QosTarget("front", 15.0), 0.1)
    assert (output.decisions[0].subnet, output.dvfs) == ("middle", None)
    assert "no clock control" in output.status.status


def test_close_to_the_trip_point_clocks_go_down():
    world = World("front")
    world.target()
    world.run(3.0)
    cold_w = world.status.predicted_power_w
    world.board.set_ambient(80.0)
    world.run(5.0)
    assert world.status.predicted_power_w < cold_w


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0.1, 50.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(-5, 50)), max_size=25))
def test_whatever_telemetry_says_decisions_stay_sound(rows):
    world = World("front")
    world.target()
    for tail, median, overhead_ms, period_ms, inferred in rows:
        stats = InferenceStats(
            "front", frames=5, slowdown_tail=tail, slowdown=median, overhead_ms=overhead_ms,
            period_ms=period_ms, busy=median, inferred_total=inferred,
        )  # fmt: skip
        world.manager.on_stats(stats, world.now_s)
        weird = ClockDomain("cpu0", tail, median, overhead_ms, period_ms, (median, 500.0, tail), "", True)
        state = BoardState(inferred, "x", clock_domains=(weird,), power_w=tail)
        world.take(world.manager.on_board_state(state, world.now_s))
        world.send_stats = world.send_board = False
        world.run(STEP_S)
    assert all(decision.subnet in NAMES for _, decision in world.decisions)
    assert all(0.0 < limit.max_mhz < math.inf for _, d in world.dvfs for limit in d.limits)


def test_decisions_name_the_placement_and_rank_those_of_the_same_sub_network():
    fast, exact = (
        replace(POINTS[2], placement="cpu/x/int8/1", accuracy=0.96, latency_ms=8.0),
        replace(POINTS[2], placement="cpu/x/fp32/1"),
    )
    world = World()
    world.slowdown["front"] = 1.0
    world.take(world.manager.on_application(ApplicationInfo("front", (fast, exact)), world.now_s))
    world.target(latency_ms=60.0)
    world.run(6.0)
    decision = world.decisions[-1][1]
    assert (decision.subnet, decision.placement) == exact.key
    assert [(a.subnet, a.placement) for a in decision.alternatives] == [fast.key, exact.key]
    assert "large (cpu/x/fp32/1)" in decision.reason
    assert world.status.applications[0].placement == "cpu/x/fp32/1"
    world.target(latency_ms=16.0)
    world.run(1.0)
    assert (world.decisions[-1][1].subnet, world.decisions[-1][1].placement) == fast.key


def test_an_application_may_name_a_sub_network_once_per_placement():
    world = World()
    twice = ApplicationInfo("front", (POINTS[0], POINTS[0]))
    with pytest.raises(RefusedMessage, match="appears twice"):
        world.manager.on_application(twice, world.now_s)


def test_a_slow_element_is_left_for_another_and_tried_again_after_a_while():
    on_gpu = replace(POINTS[2], placement="gpu/x/fp16/1", element="gpu", clock_domain="", latency_ms=10.0)
    on_cpu = replace(POINTS[1], placement="cpu/x/fp32/1")
    world = World()
    world.take(world.manager.on_application(ApplicationInfo("front", (on_gpu, on_cpu)), world.now_s))
    world.target(latency_ms=25.0)

    def follow(seconds, gpu_slowdown):
        """Frames run where the last decision says."""
        chosen = []
        for _ in range(round(seconds / STEP_S)):
            point = {p.key: p for p in (on_gpu, on_cpu)}[
                world.decisions[-1][1].subnet, world.decisions[-1][1].placement
            ]
            world.slowdown["front"] = gpu_slowdown if point is on_gpu else 1.0
            world.stats("front", subnet=point.subnet, placement=point.placement, element=point.element)
            del world.slowdown["front"]
            world.run(STEP_S)
            chosen.append(point.element)
        return chosen

    assert follow(4.0, 1.0)[-1] == "gpu"
    assert follow(3.0, 4.0)[-1] == "cpu"
    assert follow(5.0, 1.0)[-1] == "cpu"
    assert follow(8.0, 1.0)[-1] == "gpu"
