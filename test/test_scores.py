"""The figures of simulated runs, against frames written down by hand."""

from __future__ import annotations

import json
import math

import pytest

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.scenarios.timeline import make_timeline
from dynofa_ros.simulation.world.policy import FrameOutcome
from dynofa_ros.simulation.world.run_record import RunRecord
from dynofa_ros.simulation.world.scores import add_gaps, objective_of, score, timing
from scenario_samples import application, scenario_of

SMALL = OperatingPoint("small", "gpu", "gpu", accuracy=0.5, latency_ms=5.0)
LARGE = OperatingPoint("large", "gpu", "gpu", accuracy=0.8, latency_ms=9.0)


def frame(index, latency_ms=None, point=LARGE, target_ms=50.0, drop="", app="a"):
    """A frame released every 100 ms; without a latency it was dropped."""
    release_s = index * 0.1
    outcome = FrameOutcome(app, index, release_s, target_ms, drop=drop)
    if latency_ms is not None:
        outcome.point, outcome.accuracy = point, point.accuracy
        outcome.end_s = release_s + latency_ms / 1e3
    return outcome


def record(tmp_path, frames, events=(), energy_j=30.0, seconds=(), apps=("a",), **more):
    scenario = scenario_of(tmp_path, [application(name) for name in apps], events, duration_s=4.0)
    values = {"clock_changes": 3, "peak_degc": 55.0, "throttled_s": 0.5, **more}
    return RunRecord(
        scenario=scenario,
        timeline=make_timeline(scenario, scenario.spec()),
        policy="p",
        seed=1,
        voltage="nominal",
        frames=frames,
        energy_j=energy_j,
        energy_by_second_j=tuple(seconds),
        **values,
    )


def idle(tmp_path, energy_j=10.0):
    return record(tmp_path, {}, energy_j=energy_j)


def test_misses_are_late_dropped_and_unfinished_frames(tmp_path):
    frames = [
        frame(0, 10.0),
        frame(1, 60.0),
        frame(2, drop="replaced"),
        frame(3, drop="unfinished"),
        frame(4, 20.0, SMALL),
        frame(5, 50.0 - 1e-9),
        frame(6, 51.0),
        frame(7, 10.0),
    ]
    scores = score(record(tmp_path, {"a": frames}), idle(tmp_path))
    assert (scores["released"], scores["inferred"]) == (8, 6)
    assert (scores["dropped"], scores["unfinished"], scores["late"]) == (1, 1, 2)
    assert scores["miss_rate"] == pytest.approx(4 / 8)
    assert scores["longest_miss_burst"] == 3
    assert scores["p_miss_given_miss"] == pytest.approx(2 / 4)
    assert scores["mean_accuracy"] == pytest.approx((5 * 0.8 + 0.5) / 6)
    assert scores["on_time_accuracy"] == pytest.approx((3 * 0.8 + 0.5) / 8)
    assert scores["switches"] == 2
    assert scores["latency_ms"]["max"] == pytest.approx(60.0)
    assert scores["latency_ms"]["p50"] == pytest.approx(35.0)
    assert scores["latency_to_target"]["max"] == pytest.approx(1.2)


def test_energy_counts_above_the_idle_board(tmp_path):
    scores = score(record(tmp_path, {"a": [frame(0, 10.0), frame(1, 10.0)]}), idle(tmp_path))
    assert scores["energy_j"] == 30.0
    assert (scores["idle_energy_j"], scores["energy_above_idle_j"]) == (10.0, 20.0)
    assert scores["energy_mj_per_frame"] == pytest.approx(10_000.0)
    assert (scores["clock_changes"], scores["peak_degc"], scores["throttled_s"]) == (3, 55.0, 0.5)


def test_recovery_counts_to_the_first_of_ten_frames_on_time(tmp_path):
    events = ["{t: 0.95, cores: 2}", "{t: 2.95, cores: 4}"]
    frames = [frame(i, 60.0 if i in (10, 11, 13) else 10.0) for i in range(35)]
    scores = score(record(tmp_path, {"a": frames}, events), idle(tmp_path))
    assert scores["recovery_ms"] == [
        {"t": 0.95, "event": "cores", "recovery_ms": pytest.approx(450.0)},
        {"t": 2.95, "event": "cores", "recovery_ms": 0.0},
    ]
    never = [frame(i, 60.0 if i >= 10 else 10.0) for i in range(35)]
    apps = {"a": frames, "b": [frame(f.index, 10.0 if f.on_time else 60.0, app="b") for f in never]}
    scores = score(record(tmp_path, apps, events, apps=("a", "b")), idle(tmp_path))
    assert [entry["recovery_ms"] for entry in scores["recovery_ms"]] == [None, None]
    assert scores["applications"]["b"]["recovery_ms"] == [None, None]


def test_figures_of_several_applications_are_over_all_their_frames(tmp_path):
    apps = {
        "a": [frame(i, 60.0) for i in range(3)],
        "b": [frame(0, 10.0, SMALL, app="b")],
    }
    scores = score(record(tmp_path, apps, apps=("a", "b")), idle(tmp_path))
    assert scores["miss_rate"] == pytest.approx(3 / 4)
    assert scores["on_time_accuracy"] == pytest.approx(0.5 / 4)
    assert scores["longest_miss_burst"] == 3
    assert scores["p_miss_given_miss"] == 1.0
    assert scores["applications"]["b"]["miss_rate"] == 0.0
    assert scores["switches"] == 0


def test_figures_that_do_not_exist_are_none(tmp_path):
    empty = score(record(tmp_path, {"a": []}), idle(tmp_path))
    assert empty["miss_rate"] is empty["mean_accuracy"] is empty["energy_mj_per_frame"] is None
    unknown = OperatingPoint("x", "gpu", "gpu", accuracy=math.nan, latency_ms=5.0)
    scores = score(record(tmp_path, {"a": [frame(0, 10.0, unknown)]}), idle(tmp_path))
    assert scores["mean_accuracy"] is scores["on_time_accuracy"] is None
    json.dumps([empty, scores], allow_nan=False)


def test_seconds_above_the_power_budget_are_counted(tmp_path):
    events = ["{t: 1, power_budget_w: 10}", "{t: 3, power_budget_w: 5}"]
    seconds = (20.0, 29.0, 40.0, 44.0)
    assert score(record(tmp_path, {}, events, seconds=seconds), idle(tmp_path))["over_budget_s"] == 1.0
    assert score(record(tmp_path, {}, seconds=seconds), idle(tmp_path))["over_budget_s"] == 0.0


def test_frames_on_time_below_the_accuracy_floor_are_counted(tmp_path):
    events = [
        "{t: 0.15, qos: {application: a, min_accuracy: 0.6}}",
        "{t: 0.45, qos: {application: a, min_accuracy: 0.8}}",
    ]
    small = [frame(i, 10.0, SMALL) for i in range(3)]
    frames = [*small, frame(3, 60.0, SMALL), frame(4, 10.0), frame(5, 10.0)]
    scores = score(record(tmp_path, {"a": frames}, events), idle(tmp_path))
    assert scores["below_floor"] == scores["applications"]["a"]["below_floor"] == 1
    assert score(record(tmp_path, {"a": small}), idle(tmp_path))["below_floor"] == 0


def test_the_objective_is_that_of_the_targets(tmp_path):
    flip = "{t: 1, qos: {application: a, objective: min_energy}}"
    assert objective_of(record(tmp_path, {"a": []})) == "max_accuracy"
    assert objective_of(record(tmp_path, {"a": []}, [flip])) == "mixed"


def test_gaps_are_differences_to_the_oracle(tmp_path):
    good = score(record(tmp_path, {"a": [frame(0, 10.0), frame(1, 10.0)]}, energy_j=20.0), idle(tmp_path))
    poor = score(record(tmp_path, {"a": [frame(0, 60.0), frame(1, 10.0)]}, energy_j=22.0), idle(tmp_path))
    policies = {"oracle": good, "p": poor}
    add_gaps(policies)
    assert policies["p"]["gap_to_oracle"] == {
        "energy_above_idle_j": pytest.approx(2.0),
        "energy_above_idle_share": pytest.approx(0.2),
        "on_time_accuracy": pytest.approx(-0.4),
        "miss_rate": pytest.approx(0.5),
    }
    assert policies["oracle"]["gap_to_oracle"]["energy_above_idle_j"] == 0.0
    alone = {"p": poor}
    add_gaps(alone)
    assert alone["p"]["gap_to_oracle"] is None


def test_wall_clock_times_are_apart(tmp_path):
    run = record(tmp_path, {"a": []}, decision_us=(100.0, 300.0))
    assert timing(run)["decision_us"]["p50"] == 200.0
    assert timing(run)["decisions"] == 2
    assert "decision_us" not in score(run, idle(tmp_path))
