"""Summary of a run."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from dynofa_ros.simulation.summary import event_table, json_ready, ros2_benchmark, summarise
from run_samples import make_run


def test_a_summary_is_strict_json_and_says_what_is_simulated():
    figures = json.loads(json.dumps(json_ready(summarise(make_run())), allow_nan=False))
    assert figures["simulated_board"]
    assert figures["emulated_clocks"]
    assert figures["on_time_rate_outside_guard"] == 1.0
    assert figures["energy_j"] == pytest.approx(42.0)
    assert figures["accounting"]["front"]["complete"]


def test_recovery_is_told_per_event_and_application():
    table = event_table(make_run(late=True))
    assert [row["recovery_ms"] for row in table] == [{"front": 0.0}, {"front": None}]


def test_an_application_that_begins_later_is_not_judged_by_earlier_events():
    run = make_run()
    late = tuple(dataclasses.replace(f, application="rear") for f in run.frames if f.t_s >= 5.5)
    rows = event_table(dataclasses.replace(run, frames=run.frames + late))
    assert all("rear" not in row["recovery_ms"] for row in rows)


def test_ros2_benchmark_keys_are_there_and_agree_with_the_frames():
    figures = ros2_benchmark(make_run().frames)
    assert figures["NUM_FRAMES_SENT"] == 60
    assert figures["NUM_MISSED_FRAMES"] == 0
    assert figures["MEAN_PLAYBACK_FRAME_RATE"] == pytest.approx(10.0)
    assert figures["MIN_LATENCY"] <= figures["MEAN_LATENCY"] <= figures["MAX_LATENCY"]
    assert ros2_benchmark(()) == {}


def test_json_ready_replaces_what_json_cannot_say():
    value = {"a": (math.nan, np.float32(1.5), {"b": math.inf}), 3: np.int64(2)}
    assert json_ready(value) == {"a": [None, 1.5, {"b": None}], "3": 2}
