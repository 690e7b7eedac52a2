"""The simulator against cases worked out by hand, and what must hold in every run."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynofa_ros.errors import DynofaError
from dynofa_ros.simulation.policies import POLICIES, make_policy
from dynofa_ros.simulation.world.simulator import play, simulate, simulate_idle
from dynofa_ros.simulation.world.truth import truth_of
from scenario_samples import Pinned, application, join, quiet_truth, scenario_of

FULL = {"gpu": 1020.0, "cpu0": 1728.0}


def point(truth, subnet, element, threads=0, app="a"):
    return next(
        p
        for p in truth.points[app]
        if p.subnet == subnet and p.element == element and (threads in (0, p.threads))
    )


def lone_ms(truth, chosen, slowdown=1.0):
    clocks = {**FULL, "emc": 3199.0}
    return truth.law.time_ms(chosen, clocks, slowdown, 0.0)


def outcomes(truth, choices, clocks=FULL, app="a"):
    return play(truth, Pinned(choices, clocks)).frames[app]


def test_latency_is_overhead_and_inference(tmp_path):
    truth = quiet_truth(scenario_of(tmp_path, [application("a")]), {"a": [0.5, 0.6]})
    chosen = point(truth, "m731_r224", "gpu")
    for frame, release_s in zip(outcomes(truth, {"a": chosen}), (0.5, 0.6), strict=True):
        assert frame.received_s == pytest.approx(release_s + 0.001, abs=1e-12)
        assert frame.waited_ms == 0.0
        assert frame.inference_ms == pytest.approx(lone_ms(truth, chosen), abs=1e-9)
        assert frame.latency_ms == pytest.approx(1.0 + lone_ms(truth, chosen), abs=1e-9)
        assert frame.on_time
        assert frame.accuracy == chosen.accuracy


def test_a_co_runner_that_arrives_in_mid_inference_slows_what_is_left(tmp_path):
    events = ["{t: 0.52, corunner: {element: cpu, slowdown: 2.0}}"]
    truth = quiet_truth(scenario_of(tmp_path, [application("a")], events), {"a": [0.5]})
    chosen = point(truth, "m731_r224", "cpu", threads=1)
    (frame,) = outcomes(truth, {"a": chosen})
    done_ms = 20.0 - 1.0
    assert frame.inference_ms == pytest.approx(done_ms + 2.0 * (lone_ms(truth, chosen) - done_ms), abs=1e-6)


def test_a_cap_that_arrives_in_mid_inference_slows_what_is_left(tmp_path):
    events = ["{t: 0.505, cap: {domain: gpu, mhz: 510}}"]
    truth = quiet_truth(scenario_of(tmp_path, [application("a")], events), {"a": [0.5, 0.7]})
    chosen = point(truth, "m731_r224", "gpu")
    first, second = outcomes(truth, {"a": chosen})
    slow_ms = truth.law.time_ms(chosen, {**FULL, "gpu": 510.0, "emc": 3199.0})
    assert second.inference_ms == pytest.approx(slow_ms, abs=1e-9)
    assert lone_ms(truth, chosen) <= first.inference_ms < second.inference_ms


def test_two_applications_take_turns_on_the_gpu(tmp_path):
    apps = [application("a"), application("b")]
    truth = quiet_truth(scenario_of(tmp_path, apps), {"a": [0.5], "b": [0.502]})
    a, b = point(truth, "m731_r224", "gpu"), point(truth, "m235_r176", "gpu", app="b")
    record = play(truth, Pinned({"a": a, "b": b}, FULL))
    first, second = record.frames["a"][0], record.frames["b"][0]
    assert first.waited_ms == 0.0
    assert second.waited_ms == pytest.approx(lone_ms(truth, a) - 2.0, abs=1e-9)
    assert second.latency_ms == pytest.approx(1.0 + second.waited_ms + lone_ms(truth, b), abs=1e-9)
    assert second.measured_ms == pytest.approx(second.waited_ms + second.inference_ms)


@pytest.mark.parametrize(("threads", "waits"), [((2, 4), False), ((4, 4), True)])
def test_applications_run_side_by_side_on_the_cpu_while_their_threads_fit(tmp_path, threads, waits):
    apps = [application("a"), application("b")]
    truth = quiet_truth(scenario_of(tmp_path, apps), {"a": [0.5], "b": [0.501]})
    a = point(truth, "m235_r176", "cpu", threads[0])
    b = point(truth, "m235_r176", "cpu", threads[1], "b")
    frame = outcomes(truth, {"a": a, "b": b}, app="b")[0]
    assert frame.waited_ms == pytest.approx(lone_ms(truth, a) - 1.0 if waits else 0.0, abs=1e-9)


def test_fewer_cores_than_threads_take_longer(tmp_path):
    truth = quiet_truth(scenario_of(tmp_path, [application("a")], ["{t: 0.1, cores: 2}"]), {"a": [0.5]})
    chosen = point(truth, "m235_r176", "cpu", threads=4)
    (frame,) = outcomes(truth, {"a": chosen})
    assert frame.inference_ms == pytest.approx(2.0 * lone_ms(truth, chosen), abs=1e-6)


def test_a_power_mode_takes_cores_away(tmp_path):
    events = ["{t: 0.4, power_mode: 10W_4CORE}"]
    scenario = scenario_of(tmp_path, [application("a")], events, board="jetson_xavier_nx")
    truth = quiet_truth(scenario, {"a": [0.1, 0.5]})
    chosen = point(truth, "m235_r176", "cpu", threads=6)
    first, second = outcomes(truth, {"a": chosen}, {"cpu0": 1190.4, "gpu": 803.25})
    assert second.inference_ms == pytest.approx(first.inference_ms * 6 / 4, abs=1e-6)


def test_a_switch_costs_what_the_world_says(tmp_path):
    truth = quiet_truth(scenario_of(tmp_path, [application("a")]), {"a": [0.5, 0.6, 0.7]})
    small, large = point(truth, "m235_r176", "gpu"), point(truth, "m731_r224", "gpu")
    frames = outcomes(truth, {"a": [small, small, large]})
    assert [frame.waited_ms for frame in frames] == pytest.approx([0.0, 0.0, truth.switch_ms], abs=1e-9)
    assert frames[2].latency_ms == pytest.approx(1.0 + truth.switch_ms + lone_ms(truth, large), abs=1e-9)


def test_the_newest_frame_wins_the_mailbox(tmp_path):
    truth = quiet_truth(scenario_of(tmp_path, [application("a")]), {"a": [0.5, 0.51, 0.52, 0.53, 0.9]})
    chosen = point(truth, "m731_r224", "cpu", threads=2)
    frames = outcomes(truth, {"a": chosen})
    assert 30.0 < lone_ms(truth, chosen) < 80.0
    assert [frame.drop for frame in frames] == ["", "replaced", "replaced", "", ""]
    assert frames[3].chosen_s == frames[0].end_s
    assert not any(frame.on_time for frame in frames[1:3])


def test_who_leaves_takes_its_frames_along_and_may_come_back(tmp_path):
    events = ["{t: 0.51, leave: {application: a}}", join(1.0, application("a"))]
    scenario = scenario_of(tmp_path, [application("a"), application("b")], events)
    truth = quiet_truth(scenario)
    streams = truth.noise.streams["a"]
    assert len(streams) == 2
    slow = point(truth, "m731_r224", "cpu", threads=1)
    policy = Pinned({"a": slow, "b": point(truth, "m235_r176", "gpu", app="b")}, FULL)
    record = play(truth, policy)
    frames = record.frames["a"]
    assert all(f.end_s < 0.51 for f in frames[: len(streams[0])] if f.inferred)
    assert all(f.inferred or f.drop for f in frames)
    assert [entry[1:] for entry in policy.heard if entry[1] in ("join", "leave")] == [
        ("join", "a"), ("join", "b"), ("leave", "a"), ("join", "a"),
    ]  # fmt: skip
    assert any(f.inferred for f in frames[len(streams[0]) :])


def test_a_policy_hears_of_targets_restarts_and_results_when_they_happen(tmp_path):
    events = ["{t: 0.5, qos: {application: a, latency_ms: 20}}", "{t: 0.7, manager_restart: {down_s: 1}}"]
    truth = quiet_truth(scenario_of(tmp_path, [application("a")], events), {"a": [0.6]})
    policy = Pinned({"a": point(truth, "m235_r176", "gpu")}, FULL)
    record = play(truth, policy)
    heard = {what: (t_s, value) for t_s, what, value in policy.heard}
    assert heard["target"][0] == 0.5
    assert heard["target"][1].latency_ms == 20.0
    assert heard["restart"] == (0.7, 1.0)
    assert heard["result"] == (record.frames["a"][0].end_s, record.frames["a"][0])
    assert record.frames["a"][0].target_ms == 20.0


def test_a_suspended_application_starts_nothing_until_it_resumes(tmp_path):
    class Suspending(Pinned):
        def on_join(self, app):
            self.world.schedule(0.4, lambda: self.world.suspend("a", 0.8))

    truth = quiet_truth(scenario_of(tmp_path, [application("a")]), {"a": [0.3, 0.5, 0.6]})
    chosen = point(truth, "m235_r176", "gpu")
    first, dropped, late = play(truth, Suspending({"a": chosen}, FULL)).frames["a"]
    assert first.on_time
    assert dropped.drop == "replaced"
    assert late.chosen_s == 0.8


def test_the_idle_run_has_the_same_events_and_no_frames(tmp_path):
    events = ["{t: 0.5, corunner: {element: gpu, slowdown: 2, power_w: 3}}"]
    quiet = simulate_idle(truth_of(scenario_of(tmp_path, [application("a")]), 1))
    loaded = simulate_idle(truth_of(scenario_of(tmp_path, [application("a")], events), 1))
    assert quiet.frames == loaded.frames == {}
    assert loaded.energy_j - quiet.energy_j > 3.0 * 1.5 - 1e-6


def test_energy_is_known_second_by_second(tmp_path):
    scenario = scenario_of(tmp_path, [application("a")], duration_s=4.0)
    record = simulate(scenario, "linux")
    assert len(record.energy_by_second_j) == 4
    assert record.energy_by_second_j[-1] == pytest.approx(record.energy_j, rel=1e-9)
    assert list(record.energy_by_second_j) == sorted(record.energy_by_second_j)


def test_a_trace_is_kept_on_demand(tmp_path):
    scenario = scenario_of(tmp_path, [application("a")])
    assert simulate(scenario, "linux").trace == ()
    trace = simulate(scenario, "linux", record=True).trace
    assert [p.t_s for p in trace[:3]] == pytest.approx([0.0, 0.1, 0.2])
    assert trace[-1].power_w > 3.0
    assert set(trace[0].clocks_mhz) == {"cpu0", "gpu", "emc"}


def test_unknown_policies_and_voltages_are_named(tmp_path):
    scenario = scenario_of(tmp_path, [application("a")])
    with pytest.raises(DynofaError, match=r"policy = 'magic': unknown; choose from dynofa, linux"):
        simulate(scenario, "magic")
    with pytest.raises(DynofaError, match=r"voltage = 'high': unknown curve; choose from flat"):
        simulate(scenario, "linux", voltage="high")


@pytest.mark.parametrize("voltage", ["flat", "nominal", "steep"])
def test_the_voltage_curve_changes_energy_but_no_frame(tmp_path, voltage):
    scenario = scenario_of(tmp_path, [application("a")])
    truth, nominal = truth_of(scenario, 1, voltage), truth_of(scenario, 1)
    choices = {"a": point(nominal, "m731_r224", "gpu")}
    low = {"gpu": 306.0, "cpu0": 115.2}
    played, reference = play(truth, Pinned(choices, low)), play(nominal, Pinned(choices, low))
    assert [f.latency_ms for f in played.frames["a"]] == [f.latency_ms for f in reference.frames["a"]]
    differs = played.energy_j != reference.energy_j
    assert differs == (voltage != "nominal")
    assert (played.energy_j > reference.energy_j) == (voltage == "flat")


def test_the_same_input_gives_the_same_run(tmp_path):
    apps = [application("a", period_ms=20.0), application("b", period_ms=33.3, latency_ms=30)]
    events = ["{t: 0.5, corunner: {element: gpu, slowdown: 1.7}}"]
    scenario = scenario_of(tmp_path, apps, events)

    def fingerprint(seed):
        record = simulate(scenario, "dynofa", seed)
        return record.energy_j, [[f.end_s for f in frames] for frames in record.frames.values()]

    assert repr(fingerprint(3)) == repr(fingerprint(3))
    assert repr(fingerprint(3)) != repr(fingerprint(4))


def test_every_policy_has_a_name_of_its_own():
    for name in POLICIES:
        assert make_policy(name).name == name


def test_an_application_may_be_kept_to_some_placements(tmp_path):
    apps = [application("a").replace("period_ms", "placements: 'gpu/*, cpu/*/*/2', period_ms")]
    points = truth_of(scenario_of(tmp_path, apps), 1).points["a"]
    assert {(p.element, p.threads) for p in points if p.element == "cpu"} == {("cpu", 2)}
    assert any(p.element == "gpu" for p in points)


# What must hold in every run

EVENTS = st.sampled_from(
    [
        "corunner: {element: gpu, slowdown: 3.0, power_w: 2.0}",
        "corunner: {element: cpu, slowdown: 1.5, power_w: 1.0}",
        "cap: {domain: gpu, mhz: 306}",
        "cores: 1",
        "power_mode: 15W",
        "bandwidth_gbps: 40",
        "ambient_degc: 80",
        "power_budget_w: 6",
        "fault: {sensor: clocks, kind: nan, duration_s: 1}",
        "manager_restart: {down_s: 0.5}",
        "camera: {application: a, period_ms: 4}",
        "qos: {application: a, latency_ms: 4}",
    ]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(st.tuples(st.floats(0.0, 1.9), EVENTS), max_size=5),
    periods=st.lists(st.floats(3.0, 200.0), min_size=1, max_size=3),
    policy=st.sampled_from(["linux", "powersave", "alert", "dynofa"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_released_frame_is_inferred_dropped_or_unfinished(tmp_path, events, periods, policy, seed):
    apps = [application("abc"[i], period_ms=period, latency_ms=30) for i, period in enumerate(periods)]
    scenario = scenario_of(tmp_path, apps, [f"{{t: {t_s:.6f}, {what}}}" for t_s, what in events])
    record = simulate(scenario, policy, seed)
    truth = truth_of(scenario, seed)
    assert record.energy_j > 0.0
    for name, frames in record.frames.items():
        assert len(frames) == truth.noise.frames(name)
        fates = Counter(frame.drop for frame in frames)
        assert set(fates) <= {"", "replaced", "unfinished"}
        for frame in frames:
            assert frame.inferred == (frame.drop == "")
            if frame.inferred:
                assert frame.release_s < frame.received_s <= frame.chosen_s <= frame.start_s < frame.end_s
                assert frame.end_s <= scenario.duration_s
            else:
                assert math.isnan(frame.end_s)
        ends = [frame.end_s for frame in frames if frame.inferred]
        assert ends == sorted(ends)
