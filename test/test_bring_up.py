"""Placements chosen, resident and profiled, with the back ends that this machine has."""

from __future__ import annotations

import math

import pytest

from dynofa_ros.engine.backends import available_placements
from dynofa_ros.engine.bank import LoadOptions
from dynofa_ros.engine.bring_up import EngineOptions, bring_up
from dynofa_ros.engine.fingerprint import machine_fingerprint
from dynofa_ros.engine.pipeline import PerceptionCore
from dynofa_ros.engine.placement import Placement
from dynofa_ros.engine.profile import PointTiming, Profile
from dynofa_ros.engine.profile_store import default_path, keep, stored_profile
from dynofa_ros.engine.profile_sweep import ClockSweep, ClockTime
from dynofa_ros.engine.results import FrameResult
from dynofa_ros.engine.selection import choose_placements
from dynofa_ros.errors import ConfigError, DynofaError
from engine_samples import noise_frame, small_family


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def choose(wanted, profile=None, threads=1):
    return choose_placements(small_family(), wanted, threads, profile, LoadOptions(), lambda _: None)


def timed(times_ms):
    """A profile with these medians [ms] by (sub-network, placement)."""
    points = {key: PointTiming(ms, ms, ms, 9) for key, ms in times_ms.items()}
    return Profile(machine_fingerprint(small_family(), {}), points)


def on_processor(threads=1):
    return [p for p in available_placements(threads)[0] if p.element == "cpu"]


def test_named_placements_are_taken_as_they_are_with_any_number_of_threads():
    placements, probe = choose("cpu/openvino/fp32/3, cpu/openvino/fp32/1")
    assert set(map(str, placements)) == {"cpu/openvino/fp32/1", "cpu/openvino/fp32/3"}
    assert probe is None


def test_what_does_not_run_here_is_refused_with_what_does():
    with pytest.raises(DynofaError, match=r"'dla0/\*'"):
        choose("cpu/openvino/fp32/1, dla0/*")


def test_auto_takes_the_fastest_back_end_of_a_precision_by_the_profile():
    rivals = [p for p in on_processor() if p.precision == "fp32"]
    if len(rivals) < 2:
        pytest.skip("one back end only: pip install onnxruntime or torch for this test")
    for winner in rivals:
        times = {("middle", str(p)): 1.0 if p == winner else 2.0 for p in rivals}
        placements, probe = choose("auto", timed(times))
        assert winner in placements
        assert probe is None
        assert sum(p.element == "cpu" and p.precision == "fp32" for p in placements) == 1


def test_auto_measures_where_the_profile_does_not_say_and_never_imports_the_reference():
    placements, probe = choose("auto")
    assert "torch" not in {p.backend for p in placements}
    groups = [(p.element, p.precision) for p in placements]
    assert len(groups) == len(set(groups))
    rivals = {str(p) for p in on_processor() if p.precision == "fp32" and p.backend != "torch"}
    if len(rivals) > 1:
        assert rivals <= {where for _, where in probe.points}
        assert {name for name, _ in probe.points} == {"middle"}


def test_a_first_start_is_profiled_and_the_second_finds_everything():
    log: list[str] = []
    options = EngineOptions(placements="cpu/openvino/*", budget_s=0.1)
    first = bring_up(small_family(), options, log.append)
    assert any("measuring" in line for line in log)
    assert {point.key for point in first.points} == set(first.bank.keys)
    assert {point.precision for point in first.points} >= {"fp32"}
    log.clear()
    second = bring_up(small_family(), options, log.append)
    assert {point.key for point in second.points} == {point.key for point in first.points}
    assert not any("measuring" in line for line in log)


def test_auto_keeps_every_sub_network_and_no_placement_that_others_beat():
    engine = bring_up(small_family(), EngineOptions(budget_s=0.1))
    assert set(engine.bank.names) == {"small", "middle", "large"}
    assert {point.key for point in engine.points} == set(engine.bank.keys)
    timings = stored_profile(small_family(), None).points
    macs = {member.spec.name: member.macs for member in engine.bank.family.members}
    for left in engine.bank.not_resident.keys() & timings.keys():
        assert any(
            timings[key].latency_ms <= timings[left].latency_ms and macs[key[0]] >= macs[left[0]]
            for key in engine.bank.keys
        )
    placements = [Placement.parse(where) for _, where in engine.bank.keys]
    assert len({(p.element, p.precision, p.backend) for p in placements}) == len(
        {(p.element, p.precision) for p in placements}
    )


def test_a_given_profile_decides_and_is_never_written(tmp_path):
    family = small_family()
    key = "cpu/openvino/fp32/1"
    times = {(name, key): ms for name, ms in (("small", 1.0), ("middle", 2.0), ("large", 3.0))}
    path = tmp_path / "mine.json"
    timed(times).save(path)
    before = path.read_bytes()
    options = EngineOptions(placements=key, profile_file=path)
    engine = bring_up(family, options)
    assert [point.latency_ms for point in engine.points] == [1.0, 2.0, 3.0]
    assert path.read_bytes() == before
    with pytest.raises(ConfigError, match="cpu/openvino/fp32/2"):
        bring_up(family, EngineOptions(placements="cpu/openvino/fp32/2", profile_file=path))


def test_points_of_a_swept_profile_carry_its_law_and_the_log_says_how_well_it_fits():
    key, times = "cpu/openvino/fp32/1", ((500.0, 3.0), (1000.0, 2.0), (2000.0, 1.4))
    clock_times = tuple(ClockTime(mhz, math.nan, ms, 9) for mhz, ms in times)
    sweep = ClockSweep("robot", False, "cpu0", "", clock_times)
    swept = PointTiming(1.4, 1.5, 1.6, 9, sweep=sweep)
    fingerprint = machine_fingerprint(small_family(), {})
    profile = Profile(fingerprint, {(name, key): swept for name in ("small", "middle", "large")})
    keep(profile, default_path(fingerprint), lambda _: None)
    log: list[str] = []
    options = EngineOptions(placements=key, clock_domain="cpu9", clocked_fraction=0.85)
    point = bring_up(small_family(), options, log.append).points[0]
    assert (point.clock_domain, point.reference_mhz) == ("cpu0", 2000.0)
    assert point.time_ms({"cpu0": 500.0}) == pytest.approx(3.0, rel=0.05)
    (line,) = [text for text in log if "swept over clocks of robot" in text]
    assert line.endswith(f"worst residual {100.0 * sweep.rms:.1f} %")
    assert sweep.rms > 0.005


def test_a_kept_profile_orders_what_becomes_resident():
    family = small_family()
    key = "cpu/openvino/fp32/1"
    times = {(name, key): ms for name, ms in (("small", 1.0), ("middle", 2.0), ("large", 3.0))}
    profile = timed(times)
    keep(profile, default_path(profile.fingerprint), lambda _: None)
    engine = bring_up(family, EngineOptions(placements=key, memory_budget_mb=0.001))
    assert engine.bank.names == ("small", "large")
    assert [point.subnet for point in engine.points] == ["small", "large"]
    core = PerceptionCore("front", engine.bank, engine.points)
    assert isinstance(core.process(noise_frame(), 0.0, 0.0, lambda: 0.0), FrameResult)
    assert math.isnan(engine.points[0].energy_mj)
