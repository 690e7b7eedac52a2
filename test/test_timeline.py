"""Scenarios laid out in time: ramps, targets, cameras, stays."""

from __future__ import annotations

import math

import pytest

from dynofa_ros.simulation.scenarios.changes import Ambient, Cap, Cores, CoRunner, Fault
from dynofa_ros.simulation.scenarios.timeline import make_timeline
from scenario_samples import application, join, scenario_of


def timeline(tmp_path, applications=(), events=(), duration_s=60.0):
    scenario = scenario_of(tmp_path, applications, events, duration_s)
    return make_timeline(scenario, scenario.spec())


def numbers(laid_out, kind, field):
    return [
        (step.t_s, getattr(step.change, field)) for step in laid_out.steps if isinstance(step.change, kind)
    ]


def test_a_ramp_moves_evenly_from_what_holds_and_ends_exactly(tmp_path):
    steps = numbers(timeline(tmp_path, events=["{t: 10, ambient_degc: 45, ramp_s: 2}"]), Ambient, "degc")
    assert steps == [(10.5, 30.0), (11.0, 35.0), (11.5, 40.0), (12.0, 45.0)]


def test_a_newer_event_cuts_off_a_ramp_and_begins_where_it_stood(tmp_path):
    events = ["{t: 10, ambient_degc: 45, ramp_s: 2}", "{t: 11.2, ambient_degc: 25, ramp_s: 1}"]
    steps = numbers(timeline(tmp_path, events=events), Ambient, "degc")
    assert steps == [(10.5, 30.0), (11.0, 35.0), (11.7, 30.0), (12.2, 25.0)]


def test_caps_ramp_from_and_to_the_top_clock_and_cores_in_whole_numbers(tmp_path):
    events = [
        "{t: 1, cap: {domain: gpu, mhz: 420}, ramp_s: 1}",
        "{t: 5, cap: {domain: gpu, mhz: null}, ramp_s: 1}",
        "{t: 8, cores: 2, ramp_s: 2}",
    ]
    laid_out = timeline(tmp_path, events=events)
    caps = numbers(laid_out, Cap, "mhz")
    assert caps[:3] == [(1.5, 720.0), (2.0, 420.0), (5.5, 720.0)]
    assert math.isnan(caps[3][1])
    assert numbers(laid_out, Cores, "count") == [(8.5, 5), (9.0, 4), (9.5, 3), (10.0, 2)]


def test_co_runners_of_two_elements_do_not_disturb_each_other(tmp_path):
    events = [
        "{t: 1, corunner: {element: gpu, slowdown: 2.0, power_w: 4.0}, ramp_s: 1}",
        "{t: 1.2, corunner: {element: cpu, slowdown: 3.0}}",
    ]
    steps = timeline(tmp_path, events=events).steps
    assert [(s.t_s, s.change.element, s.change.slowdown, s.change.power_w) for s in steps] == [
        (1.2, "cpu", 3.0, 0.0), (1.5, "gpu", 1.5, 2.0), (2.0, "gpu", 2.0, 4.0),
    ]  # fmt: skip
    assert all(isinstance(step.change, CoRunner) for step in steps)


def test_faults_of_one_sensor_do_not_replace_each_other(tmp_path):
    fault = "fault: {sensor: tj, kind: nan, duration_s: 1}"
    laid_out = timeline(tmp_path, events=[f"{{t: 1, {fault}}}", f"{{t: 1, {fault}}}"])
    assert numbers(laid_out, Fault, "sensor") == [(1.0, "tj"), (1.0, "tj")]


def test_a_target_holds_until_changed_and_changes_of_one_moment_are_one(tmp_path):
    events = [
        "{t: 10, qos: {application: a, latency_ms: 20, priority: 3}}",
        "{t: 10, qos: {application: a, objective: min_energy}}",
        "{t: 20, qos: {application: a, min_accuracy: 0.7}}",
    ]
    (episode,) = timeline(tmp_path, [application("a")], events).episodes
    assert [t_s for t_s, _ in episode.targets] == [0.0, 10.0, 20.0]
    assert (episode.target_at(9.99).latency_ms, episode.target_at(10.0).latency_ms) == (50.0, 20.0)
    last = episode.targets[-1][1]
    assert (last.latency_ms, last.priority, last.objective, last.min_accuracy) == (20.0, 3, 1, 0.7)


def test_a_target_ramps_field_by_field(tmp_path):
    events = [
        "{t: 10, qos: {application: a, latency_ms: 40}, ramp_s: 1}",
        "{t: 10.7, qos: {application: a, priority: 2}}",
    ]
    (episode,) = timeline(tmp_path, [application("a")], events).episodes
    assert [(t_s, q.latency_ms, q.priority) for t_s, q in episode.targets] == [
        (0.0, 50.0, 0), (10.5, 45.0, 0), (10.7, 45.0, 2), (11.0, 40.0, 2),
    ]  # fmt: skip


def test_a_power_budget_joins_every_target_and_the_smaller_one_counts(tmp_path):
    events = [
        "{t: 10, power_budget_w: 9}",
        join(20, application("b", max_power_w=7)),
        "{t: 30, power_budget_w: null}",
    ]
    a, b = timeline(tmp_path, [application("a")], events).episodes
    assert [(t_s, q.max_power_w) for t_s, q in a.targets][1] == (10.0, 9.0)
    assert math.isnan(a.target_at(31.0).max_power_w)
    assert [b.target_at(t_s).max_power_w for t_s in (20.0, 31.0)] == [7.0, 7.0]


def test_an_application_that_comes_back_begins_anew(tmp_path):
    events = [
        "{t: 10, qos: {application: a, latency_ms: 20}}",
        "{t: 15, qos: {application: a, latency_ms: 10}, ramp_s: 10}",
        "{t: 20, leave: {application: a}}",
        join(30, application("a", latency_ms=60)),
    ]
    first, second = timeline(tmp_path, [application("a")], events).of("a")
    assert (first.join_s, first.leave_s, second.join_s, second.leave_s) == (0.0, 20.0, 30.0, 60.0)
    assert first.targets[-1][0] < 20.0
    assert second.targets == ((30.0, second.application.qos),)


def test_a_camera_keeps_what_its_event_does_not_name(tmp_path):
    events = [
        "{t: 5, camera: {application: a, jitter_ms: 4}}",
        "{t: 10, camera: {application: a, period_ms: 50}, ramp_s: 1}",
    ]
    (episode,) = timeline(tmp_path, [application("a")], events).episodes
    assert episode.cameras == (
        (0.0, 100.0, 0.0), (5.0, 100.0, 4.0), (10.5, 75.0, 4.0), (11.0, 50.0, 4.0),
    )  # fmt: skip


def test_applications_keep_their_order(tmp_path):
    laid_out = timeline(tmp_path, [application("z"), application("a")], [join(1, application("m"))])
    assert laid_out.names == ("z", "a", "m")
    with pytest.raises(IndexError):
        _ = laid_out.of("nobody")[0]
