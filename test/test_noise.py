"""Chance: keyed by seed, stream and frame, with the measured spread and clusters."""

from __future__ import annotations

import numpy as np
import pytest

from dynofa_ros.simulation.scenarios.timeline import make_timeline
from dynofa_ros.simulation.world.noise import (
    BURST_MEDIAN,
    BURST_SHARE,
    BURST_STAY,
    OVERHEAD_MS,
    Noise,
    normal,
    uniform,
)
from scenario_samples import application, join, scenario_of


def noise(tmp_path, applications, events=(), duration_s=60.0, seed=1):
    scenario = scenario_of(tmp_path, applications, events, duration_s)
    return Noise(make_timeline(scenario, scenario.spec()), seed)


def test_a_number_depends_on_seed_stream_and_place_only():
    long, short = uniform(7, "a", 1000), uniform(7, "a", 10)
    assert np.array_equal(long[:10], short)
    assert not np.isclose(long, uniform(8, "a", 1000)).any()
    assert not np.isclose(long, uniform(7, "b", 1000)).any()


def test_numbers_are_spread_as_they_should():
    flat, bell = uniform(1, "x", 200_000), normal(1, "x", 200_000)
    assert 0.0 < flat.min() < flat.max() < 1.0
    assert np.histogram(flat, 10, (0, 1))[0] / flat.size == pytest.approx(0.1, abs=0.003)
    assert abs(np.corrcoef(flat[:-1], flat[1:])[0, 1]) < 0.01
    assert (bell.mean(), bell.std()) == (pytest.approx(0.0, abs=0.01), pytest.approx(1.0, abs=0.01))


def test_what_other_applications_do_changes_nothing(tmp_path):
    alone = noise(tmp_path, [application("a")]).streams["a"][0]
    events = ["{t: 3, leave: {application: b}}", join(5, application("b", period_ms=7))]
    beside = noise(tmp_path, [application("b"), application("a")], events).streams["a"][0]
    for column in ("release_s", "target_ms", "overhead_ms", "factor"):
        assert np.array_equal(getattr(alone, column), getattr(beside, column))


def test_releases_keep_their_pace_and_jitter_within_bounds(tmp_path):
    jittery = application("a", period_ms=40.0).replace("period_ms: 40.0", "period_ms: 40.0, jitter_ms: 5.0")
    release_s = noise(tmp_path, [jittery]).streams["a"][0].release_s
    assert (np.diff(release_s) > 0.0).all()
    gaps_ms = np.diff(release_s) * 1e3
    assert gaps_ms.mean() == pytest.approx(40.0, abs=0.05)
    assert gaps_ms.min() < 32.0
    assert gaps_ms.max() > 48.0
    assert np.abs(gaps_ms - 40.0).max() <= 10.0


def test_a_camera_follows_its_events(tmp_path):
    events = ["{t: 10, camera: {application: a, period_ms: 10}}"]
    release_s = noise(tmp_path, [application("a")], events, 20.0).streams["a"][0].release_s
    assert np.diff(release_s[release_s < 9.9]) == pytest.approx(0.1)
    assert np.diff(release_s[release_s > 10.2]) == pytest.approx(0.01)


def test_no_frame_is_released_whose_target_ends_after_the_stay(tmp_path):
    events = ["{t: 10, leave: {application: a}}", join(20, application("a"))]
    first, second = noise(tmp_path, [application("a", latency_ms=80)], events, 30.0).streams["a"]
    assert 9.8 < first.release_s[-1] <= 10.0 - 0.08
    assert second.release_s[0] >= 20.0
    assert second.release_s[-1] <= 30.0 - 0.05


def test_frame_numbers_run_on_through_the_stays(tmp_path):
    events = ["{t: 10, leave: {application: a}}", join(20, application("a"))]
    drawn = noise(tmp_path, [application("a")], events, 30.0)
    first, second = drawn.streams["a"]
    assert (first.first, second.first) == (0, len(first))
    assert drawn.frames("a") == len(first) + len(second)
    assert drawn.factor("a", second.first) == second.factor[0]
    assert drawn.overhead_ms("a", 3) == first.overhead_ms[3]


def test_inference_times_have_the_measured_spread_and_bursts(tmp_path):
    factor = noise(tmp_path, [application("a", period_ms=1.0)], (), 200.0).streams["a"][0].factor
    core = np.sort(factor)[: int(len(factor) * (1.0 - BURST_SHARE))]
    assert np.median(factor) == pytest.approx(1.0, abs=0.001)
    assert np.quantile(core, 0.99) == pytest.approx(1.02, abs=0.003)
    slow = factor > (1.0 + BURST_MEDIAN) / 2.0
    assert slow.mean() == pytest.approx(BURST_SHARE, rel=0.2)
    assert (slow[:-1] & slow[1:]).sum() / slow[:-1].sum() == pytest.approx(BURST_STAY, abs=0.1)


def test_the_overhead_is_about_a_millisecond(tmp_path):
    overhead_ms = noise(tmp_path, [application("a", period_ms=5.0)]).streams["a"][0].overhead_ms
    assert np.median(overhead_ms) == pytest.approx(OVERHEAD_MS, rel=0.01)
    assert overhead_ms.min() > 0.0
