"""The end-to-end benchmark runs real processes and accounts for every frame."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

from bench_transport import describe, targets_of
from dynofa_ros.dds_profile import PROFILE_VARIABLES
from dynofa_ros.demo.commands import environment
from ros_harness import write_family
from transport_trial import STAGES, Outcome, Setting, run_trial

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def private_environment(monkeypatch, tmp_path):
    """What the trial sets for its own process is undone, and profiles go to a cache of the test's own."""
    for name in environment(1):
        monkeypatch.setenv(name, "")
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_every_frame_of_a_run_is_accounted_for(tmp_path, private_environment):
    setting = Setting(64, 48, seconds=2.0, rate_hz=10.0, reliability="reliable")
    outcome = run_trial(setting, family=str(write_family(tmp_path)))
    assert outcome.sent == setting.frames == 20
    assert outcome.received == outcome.sent
    assert outcome.inferred + sum(outcome.drops.values()) == outcome.received
    assert len(outcome.rows) == outcome.inferred
    result = describe(setting, outcome)
    assert result["lost"] == sum(outcome.drops.values())
    assert result["minus_inference"]["min_ms"] > 0.0
    assert set(outcome.busy) == {"perception", "camera"}
    json.dumps(result, allow_nan=False, default=float)


def _outcome(rows, ticks_ms):
    return Outcome(
        sent=len(rows) + 1, late=0, received=len(rows), inferred=len(rows), drops={}, subnet="s", busy={},
        rows=np.array(rows, np.float64).reshape(-1, 1 + len(STAGES)), intervals_ms=np.array(ticks_ms),
    )  # fmt: skip


def test_figures_are_those_of_the_rows():
    rows = [[9.0, 1.0, 0.5, 0.5, 5.0, 0.1, 8.0], [11.0, 1.0, 0.5, 0.5, 6.0, 0.1, 9.0]]
    result = describe(Setting(640, 480, 1.0), _outcome(rows, [20.5, 19.0]))
    assert result["minus_inference"]["median_ms"] == pytest.approx(4.5)
    assert result["minus_inference_in_node"]["max_ms"] == pytest.approx(3.0)
    assert result["timer_jitter"]["max_ms"] == pytest.approx(1.0)
    met = {target.name: target.met for target in targets_of("640x480", result)}
    assert met == {
        "640x480 end to end minus inference, median": False,
        "640x480 end to end minus inference, p99": True,
        "640x480 frames lost of 3": False,
        "640x480 50 Hz timer, jitter p95": True,
    }


def test_a_run_without_results_has_no_figures_and_misses_its_targets():
    result = describe(Setting(1920, 1080, 1.0), _outcome([], []))
    assert result["minus_inference"] is None
    assert [target.met for target in targets_of("1080p", result)] == [None, False]
