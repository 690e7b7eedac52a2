"""Upward changes of a run, and which of them had a cause."""

from types import SimpleNamespace

import pytest

from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.reflex.reflex import ReflexConfig
from dynofa_ros.simulation.compare.steadiness import (
    DWELL_S,
    Change,
    changes_of,
    most_within,
    steadiness,
    without_cause,
)
from dynofa_ros.simulation.world.policy import FrameOutcome, Policy
from dynofa_ros.simulation.world.run_record import ClockStep
from dynofa_ros.simulation.world.simulator import play
from scenario_samples import application, quiet_truth, scenario_of


def frames(accuracies, domain="gpu"):
    found = []
    for number, accuracy in enumerate(accuracies):
        frame = FrameOutcome("front", number, 0.1 * number, 20.0, chosen_s=0.1 * number + 0.001)
        frame.accuracy, frame.point = accuracy, SimpleNamespace(clock_domain=domain)
        found.append(frame)
    return found


def directions(changes):
    return [(round(c.t_s, 3), c.upward, c.downward, c.of_subnet) for c in changes]


def test_a_more_accurate_point_and_a_lower_clock_are_upward():
    found = frames([0.7] * 10 + [0.8] * 10)
    steps = [ClockStep(0.0, {"gpu": 500.0}), ClockStep(0.5, {"gpu": 600.0}), ClockStep(1.5, {"gpu": 400.0})]
    assert directions(changes_of(found, steps)) == [
        (0.5, False, True, False),
        (1.001, True, False, True),
        (1.5, True, False, False),
    ]


def test_a_clock_counts_only_in_the_domain_that_the_application_computes_on():
    steps = [ClockStep(0.0, {"gpu": 500.0, "cpu0": 900.0}), ClockStep(0.5, {"gpu": 500.0, "cpu0": 100.0})]
    assert directions(changes_of(frames([0.7] * 9), steps)) == []
    assert directions(changes_of(frames([0.7] * 9, "cpu0"), steps)) == [(0.5, True, False, False)]


def test_what_one_decision_changes_on_board_and_node_is_one_change():
    steps = [ClockStep(0.0, {"gpu": 500.0}), ClockStep(0.98, {"gpu": 600.0})]
    assert directions(changes_of(frames([0.7] * 10 + [0.8] * 5), steps)) == [(0.98, True, True, True)]


@pytest.mark.parametrize(
    ("times_s", "most"), [([], 0), ([3.0], 1), ([1.0, 2.0, 3.0], 1), ([1.0, 1.9, 2.5, 2.8], 3)]
)
def test_most_changes_within_a_dwell(times_s, most):
    assert most_within(times_s, 1.0) == most


def test_the_dwell_is_the_managers_and_the_reflexs_default():
    assert ManagerConfig().dwell_s == ReflexConfig().dwell_s == DWELL_S


def test_only_what_takes_back_an_answer_to_slow_frames_has_a_cause():
    def up(t_s):
        return Change(t_s, upward=True, downward=False, of_subnet=False)

    def down(t_s):
        return Change(t_s, upward=False, downward=True, of_subnet=False)

    slow_s = [99.5, 200.0]
    changes = [up(5.0), up(50.0), down(100.0), up(101.0), down(150.0), up(151.0), down(201.5), up(203.0)]
    assert list(without_cause(changes, slow_s, [0.0])) == [50.0, 151.0, 203.0]
    assert list(without_cause(changes, slow_s, [0.0, 45.0, 148.0, 202.0])) == []


class Restless(Policy):
    """The first point at a clock that changes every two seconds for no reason."""

    name = "restless"

    def on_join(self, app):
        self.point = min(app.points, key=lambda point: point.latency_ms)
        self._turn(0)

    def _turn(self, number):
        self.world.limit("gpu", *[[612.0, 408.0][number % 2]] * 2)
        self.world.schedule(self.world.now_s + 2.0, lambda: self._turn(number + 1))

    def choose(self, name):
        return self.point


def test_a_policy_that_swings_without_a_reason_is_found_out(tmp_path):
    truth = quiet_truth(scenario_of(tmp_path, [application("front")], duration_s=30.0))
    record = play(truth, Restless())
    (found,) = steadiness(record, truth.noise).values()
    assert found["upward"] == 7
    assert found["upward_of_subnet"] == 0
    assert found["most_upward_in_dwell"] == 1
    assert found["without_cause"] == 5
    assert [round(t_s) for t_s in found["first_without_cause_s"]] == [10, 14, 18, 22, 26]
