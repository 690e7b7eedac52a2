"""The baselines in the simulator: through joins, leaves, modes and faults, and where the kernel settles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynofa_ros.board.spec import find_spec
from dynofa_ros.simulation.policies import make_policy
from dynofa_ros.simulation.policies.dynamic_ofa_rule import DynamicOfaRulePolicy
from dynofa_ros.simulation.scenarios.scenario import load_scenario, scenario_path
from dynofa_ros.simulation.world.simulator import play
from dynofa_ros.simulation.world.truth import truth_of

BASELINES = (
    "linux", "performance", "powersave", "dvfs_only", "subnet_only", "dynamic_ofa_rule", "alert", "poet",
)  # fmt: skip
SPEC = find_spec("jetson_orin_nano_super")
GPU = next(d.available_mhz for d in SPEC.domains if d.name == "gpu")


def world(name, **changes):
    return truth_of(replace(load_scenario(scenario_path(name)), **changes), seed=1)


def fates(record):
    return [
        (f.index, f.drop, f.point.key if f.point else None, f.end_s)
        for frames in record.frames.values()
        for f in frames
    ]


@pytest.mark.parametrize("scenario", ["join_leave", "power_modes", "sensor_faults", "three_apps"])
def test_every_baseline_plays_to_the_end_and_runs_what_is_in_the_profile(scenario):
    truth = world(scenario)
    for name in BASELINES:
        record = play(truth, make_policy(name))
        for application, frames in record.frames.items():
            assert len(frames) == truth.noise.frames(application)
            assert all(frame.drop or frame.end_s > frame.release_s for frame in frames)
            assert any(frame.inferred for frame in frames), (name, application)


@pytest.mark.parametrize("name", BASELINES)
def test_the_same_again(name):
    truth = world("gpu_corunner", duration_s=12.0, events=())
    first, again = (play(truth, make_policy(name)) for _ in range(2))
    assert fates(first) == fates(again)
    assert first.energy_j == again.energy_j


def test_linux_settles_where_the_governor_has_70_percent_load():
    """The lowest clock at which the clocked parts of both streams stay below podgov's target load."""
    truth = world("two_equal", duration_s=10.0, events=())
    record = play(truth, make_policy("linux"), record=True)
    settled = {sample.clocks_mhz["gpu"] for sample in record.trace if sample.t_s > 3.0}
    assert len(settled) == 1
    (mhz,) = settled
    rate_hz = sum(1e3 / application.period_ms for application in truth.scenario.applications)
    point = next(frame.point for frame in record.frames["front"] if frame.point)
    clocked_ms = point.clocked_time_ms({"gpu": mhz, "emc": 3199.0})
    load = float(clocked_ms) / 1e3 * rate_hz
    below = GPU[GPU.index(mhz) - 1]
    assert load <= 0.7 < load * mhz / below


def test_pinned_clocks_stay_pinned():
    truth = world("steady", duration_s=5.0)
    for name, end in (("performance", -1), ("powersave", 0)):
        record = play(truth, make_policy(name), record=True)
        assert {sample.clocks_mhz["gpu"] for sample in record.trace if sample.t_s > 0.1} == {GPU[end]}


def test_alert_and_poet_save_energy_at_a_target_that_performance_meets_with_ease():
    truth = world("steady", duration_s=10.0)
    most = play(truth, make_policy("performance"))
    for name in ("alert", "poet", "dvfs_only"):
        record = play(truth, make_policy(name))
        on_time = sum(frame.on_time for frame in record.frames["front"])
        assert on_time >= 0.95 * len(record.frames["front"])
        assert record.energy_j < most.energy_j


def test_a_restart_of_the_process_costs_what_was_published():
    """About 0.5 s without output per switch, 15 frames at 30 Hz; the newest one waits."""
    truth = world("gpu_corunner")
    gaps = {}
    for restart_s in (0.0, 0.5):
        frames = [f for f in play(truth, DynamicOfaRulePolicy(restart_s)).frames["front"] if f.inferred]
        gaps[restart_s] = max(b.end_s - a.end_s for a, b in zip(frames[:-1], frames[1:], strict=True))
    assert gaps[0.0] < 0.1
    assert 0.5 < gaps[0.5] < 0.6


def test_the_published_run_is_played_again():
    """60 ms, co-runner at 2.45 s: published are level 4 to level 2 for 2.6 points, after about 6.2 s."""
    truth = world("published_corunner")
    frames = play(truth, DynamicOfaRulePolicy(restart_s=0.5, unseen=21)).frames["front"]
    during = [frame for frame in frames if 2.45 <= frame.release_s < 20.0]
    runs = (during[i : i + 10] for i in range(len(during) - 9))
    back_s = next(run[0].release_s for run in runs if all(frame.on_time for frame in run))
    assert 3.0 < back_s - 2.45 < 7.0
    accuracies = [frame.accuracy for frame in during if frame.inferred]
    assert len(set(accuracies)) == 3
    assert accuracies[0] - accuracies[-1] == pytest.approx(0.022, abs=0.005)
