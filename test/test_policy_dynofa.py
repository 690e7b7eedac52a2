"""The package's own manager in the simulator: messages, restarts, recovery."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from dynofa_ros.manager.reflex.reflex import ReflexConfig
from dynofa_ros.simulation.policies.dynofa import MESSAGE_S, DynofaPolicy
from dynofa_ros.simulation.scenarios.scenario import load_scenario, scenario_path
from dynofa_ros.simulation.world.simulator import Simulator, play
from dynofa_ros.simulation.world.truth import truth_of
from scenario_samples import application, join, quiet_truth, scenario_of


def played(tmp_path, applications, events=(), duration_s=6.0, seed=1):
    policy = DynofaPolicy()
    record = play(truth_of(scenario_of(tmp_path, applications, events, duration_s), seed), policy)
    return policy, record


def missed(frames, start_s, end_s):
    return [f.index for f in frames if start_s <= f.release_s < end_s and not f.on_time]


def test_it_meets_a_target_that_fixed_clocks_of_the_kernel_would_miss(tmp_path):
    policy, record = played(tmp_path, [application("a", period_ms=33.3, latency_ms=10)])
    frames = record.frames["a"]
    assert len(missed(frames, 0.5, 6.0)) <= 0.05 * len(frames)
    assert policy.refused == []
    assert len(policy.decision_us) >= 5 * 6


def test_it_is_back_within_two_frames_after_a_co_runner_comes(tmp_path):
    events = ["{t: 3.0, corunner: {element: gpu, slowdown: 1.8}}"]
    _, record = played(tmp_path, [application("a", period_ms=33.3, latency_ms=12)], events)
    assert len(missed(record.frames["a"], 3.0, 3.5)) <= 2


def test_a_tighter_target_holds_after_two_messages(tmp_path):
    events = ["{t: 3.0, qos: {application: a, latency_ms: 7}}"]
    _, record = played(tmp_path, [application("a", period_ms=33.3, latency_ms=40)], events)
    frames = record.frames["a"]
    assert missed(frames, 3.0 + 2 * MESSAGE_S + 0.01, 4.0) == []
    before = [f.point.accuracy for f in frames if f.release_s < 2.9 and f.inferred]
    assert before[-1] > frames[-1].accuracy


def test_applications_join_and_leave(tmp_path):
    events = [
        join(2.0, application("b", period_ms=50, latency_ms=30)),
        "{t: 4.0, leave: {application: a}}",
    ]
    policy, record = played(tmp_path, [application("a", period_ms=33.3, latency_ms=20)], events)
    assert len(missed(record.frames["b"], 2.5, 6.0)) <= 3
    assert policy.refused == []


def test_two_that_only_together_leave_no_room_are_waited_for_in_time(tmp_path):
    """On six cores the third one waits while the others, with two and four threads, are both at work."""
    family = "family: ofa_mbv3_w12, placements: "
    applications = [
        f"{{name: b, {family} cpu/*/2, period_ms: 50, qos: {{latency_ms: 48, priority: 2}}}}",
        "{name: c, family: digits, placements: cpu/*/2, period_ms: 20, qos: {latency_ms: 18, priority: 1}}",
        f"{{name: d, {family} cpu/*/4, period_ms: 100, jitter_ms: 10, qos: {{latency_ms: 90}}}}",
    ]
    _, record = played(tmp_path, applications, duration_s=20.0, seed=4)
    for frames in record.frames.values():
        assert len(missed(frames, 1.0, 20.0)) <= 0.05 * len(frames)


def test_perception_goes_on_while_the_manager_is_down_and_targets_are_heard_again(tmp_path):
    events = [
        "{t: 2.0, manager_restart: {down_s: 2.5}}",
        "{t: 3.0, qos: {application: a, latency_ms: 8}}",
    ]
    policy, record = played(tmp_path, [application("a", period_ms=33.3, latency_ms=12)], events)
    frames = record.frames["a"]
    assert len(missed(frames, 0.5, 3.0)) <= 2
    assert len(missed(frames, 4.6, 6.0)) <= 2
    assert policy.refused == []
    in_force = [f.point.subnet for f in frames if 2.2 < f.release_s < 2.9 and f.inferred]
    assert len(set(in_force)) == 1


def test_messages_take_their_time(tmp_path):
    """The first decision reaches perception after the presentation's and its own message."""
    truth = quiet_truth(scenario_of(tmp_path, [application("a", latency_ms=12)]), {"a": [0.5]})
    policy = DynofaPolicy()
    simulator = Simulator(truth, policy)
    times = []
    follow = policy._follow
    policy._follow = lambda decision: (times.append(simulator.now_s), follow(decision))[1]
    simulator.run()
    assert times[0] == pytest.approx(2 * MESSAGE_S)


def test_nothing_oscillates_while_nothing_changes():
    """Upward moves lie at least the dwell apart, and each follows a move down."""
    scenario = replace(load_scenario(scenario_path("steady_hour")), duration_s=120.0)
    record = play(truth_of(scenario, 1), DynofaPolicy())
    frames = [f for f in record.frames["front"] if f.inferred and f.release_s > 5.0]
    moves = [
        (after.chosen_s, after.accuracy - before.accuracy)
        for before, after in pairwise(frames)
        if after.accuracy != before.accuracy
    ]
    ups = [t_s for t_s, change in moves if change > 0.0]
    assert all(later - earlier >= ReflexConfig().dwell_s for earlier, later in pairwise(ups))
    assert all(before[1] < 0.0 for before, after in pairwise(moves) if after[1] > 0.0)
