from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dynofa_ros.engine.fingerprint import machine_fingerprint
from dynofa_ros.engine.profile import PointTiming, Profile
from dynofa_ros.engine.profile_keeper import PERIOD_S, ProfileKeeper
from dynofa_ros.engine.profile_store import cache_dir, complete, default_path, refine, stored_profile
from dynofa_ros.engine.profiler import ProfilerOptions, profile_points, timing
from dynofa_ros.engine.refinement import BLOCK, Refinement
from dynofa_ros.errors import ConfigError
from engine_samples import on, small_bank


@pytest.fixture(scope="module")
def bank():
    return small_bank()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def marked_profile(bank):
    """A profile that cannot have been measured."""
    timings = {key: PointTiming(123.0, 124.0, 125.0, 7, energy_mj=1.0) for key in bank.keys}
    return Profile(machine_fingerprint(bank.family, bank.libraries), timings)


def kept_path(bank):
    return default_path(machine_fingerprint(bank.family, bank.libraries))


def start(bank, path=None, log=lambda _: None):
    """What a starting node does."""
    known = stored_profile(bank.family, path, log)
    return complete(bank, known, path, log, budget_s=0.1)


def test_the_profile_is_measured_at_first_start_and_found_at_the_second(bank):
    log: list[str] = []
    first = start(bank, log=log.append)
    assert "measuring 3 operating points" in log[0]
    log.clear()
    assert start(bank, log=log.append).points.keys() == first.points.keys()
    assert log == []


def test_a_point_that_is_missing_is_measured_and_the_others_stay(bank):
    whole = marked_profile(bank)
    whole.only([on("small"), on("large")]).save(kept_path(bank))
    profile = start(bank)
    assert profile.points[on("small")].latency_ms == 123.0
    assert profile.points[on("middle")].latency_ms != 123.0
    assert stored_profile(bank.family, None).points.keys() == whole.points.keys()


def test_points_of_another_version_of_a_library_are_measured_anew(bank):
    whole = marked_profile(bank)
    fingerprint = dataclasses.replace(whole.fingerprint, libraries={"openvino": "openvino 0.1"})
    Profile(fingerprint, whole.points).save(kept_path(bank))
    assert all(timing.latency_ms != 123.0 for timing in start(bank).points.values())
    assert stored_profile(bank.family, None).fingerprint.libraries == bank.libraries


@pytest.mark.parametrize("content", ["{", '{"schema": "dynofa/profile/1"}'])
def test_a_stored_profile_that_cannot_be_used_is_measured_anew(bank, content):
    path = kept_path(bank)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    log: list[str] = []
    profile = start(bank, log=log.append)
    assert str(path) in log[0]
    assert stored_profile(bank.family, None).points.keys() == profile.points.keys()


def test_a_given_file_is_used_or_refused_never_replaced(bank, tmp_path):
    path = tmp_path / "mine.json"
    marked_profile(bank).save(path)
    assert start(bank, path) == marked_profile(bank)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="schema"):
        start(bank, path)
    assert path.read_text() == "{}"


def test_a_given_file_without_a_resident_point_or_of_another_library_is_refused(bank, tmp_path):
    path = tmp_path / "part.json"
    whole = marked_profile(bank)
    whole.only([on("small")]).save(path)
    with pytest.raises(ConfigError, match=r"middle on cpu/openvino/fp32/1, large on .* profile random"):
        start(bank, path)
    fingerprint = dataclasses.replace(whole.fingerprint, libraries={"openvino": "openvino 0.1"})
    Profile(fingerprint, whole.points).save(path)
    with pytest.raises(ConfigError, match=r"library openvino: 'openvino 0\.1'"):
        start(bank, path)


@pytest.mark.parametrize(
    ("xdg", "home"), [("", ""), ("relative", "relative"), (None, None), ("", "/some/home")]
)
def test_the_cache_is_an_absolute_folder_whatever_the_environment_says(monkeypatch, xdg, home):
    for name, value in (("XDG_CACHE_HOME", xdg), ("HOME", home)):
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    folder = cache_dir()
    assert folder is None or folder.is_absolute()
    if home == "/some/home":
        assert folder == Path("/some/home/.cache/dynofa_ros")


def test_a_cache_that_cannot_be_written_does_not_stop_the_start(bank, cache, monkeypatch):
    (cache / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))
    log: list[str] = []
    assert set(start(bank, log=log.append).points) == set(bank.keys)
    assert "not stored" in log[-1]


def counted(bank, **options):
    """Profile with a clock that each look moves on by one second; and the progress seen."""
    ticks = iter(range(10_000))
    seen: list[tuple[int, int]] = []
    fields = {
        "clock_s": lambda: float(next(ticks)), "pause": lambda: None, "preempted": lambda: 0, **options
    }  # fmt: skip
    profile = profile_points(bank, bank.keys, ProfilerOptions(**fields), lambda *at: seen.append(at))
    return profile, seen


def test_rounds_are_reported_and_bounded_by_the_budget(bank):
    profile, seen = counted(bank, rounds=50, budget_s=60.0)
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert all(total == 150 for _, total in seen)
    assert 15 <= len(seen) < 150
    timing = profile.points[on("small")]
    assert (timing.latency_ms, timing.latency_p99_ms, timing.n) == (1000.0, 1000.0, len(seen) // 3)


def test_some_points_take_part_in_fewer_rounds_but_never_in_too_few(bank):
    profile, _ = counted(bank, rounds=30, budget_s=1e9, every={on("large"): 3})
    assert (profile.points[on("small")].n, profile.points[on("large")].n) == (30, 10)
    profile, _ = counted(bank, rounds=30, budget_s=1.0, every={on("large"): 3})
    assert profile.points[on("large")].n >= 5


def test_preempted_inferences_do_not_count_and_without_others_the_fastest_do():
    quiet, disturbed = [(1.0, False)] * 5, [(9.0, True)] * 20
    assert repr(timing(quiet + disturbed)) == repr(PointTiming(1.0, 1.0, 1.0, 5, 20))
    assert repr(timing([(2.0, True)] * 5 + disturbed)) == repr(PointTiming(2.0, 2.0, 2.0, 5, 25))


def fed(values, point=("net", "p")):
    refinement = Refinement()
    for value in values:
        refinement.take(point, value)
    return refinement


def test_refinement_takes_the_least_median_of_full_blocks_once():
    slow, fast, torn = [3.0] * BLOCK, [2.0] * BLOCK, [0.1] * (BLOCK - 1)
    refinement = fed([*slow, *fast, *slow, *torn])
    assert refinement.collect() == {("net", "p"): 2.0}
    assert refinement.collect() == {}


def test_single_fast_inferences_do_not_lower_a_profile():
    assert fed([0.1, *[3.0] * (BLOCK - 1)]).collect() == {("net", "p"): 3.0}


def test_a_loaded_machine_never_raises_the_profile_and_a_faster_one_lowers_it(bank):
    marked_profile(bank).save(kept_path(bank))
    fingerprint = marked_profile(bank).fingerprint
    refine(fingerprint, {on("small"): 500.0, on("large"): 61.5, ("stranger", "p"): 1.0}, pytest.fail)
    points = stored_profile(bank.family, None).points
    assert points[on("small")].latency_ms == 123.0
    assert points[on("large")].latency_ms == pytest.approx((123.0 + 61.5) / 2)
    assert points.keys() == marked_profile(bank).points.keys()


def test_the_keeper_stores_every_minute_and_at_the_end_and_never_into_a_given_file(bank):
    marked_profile(bank).save(kept_path(bank))
    refinement = Refinement()
    keeper = ProfileKeeper(refinement, marked_profile(bank).fingerprint, pytest.fail)

    def latency_ms():
        return stored_profile(bank.family, None).points[on("small")].latency_ms

    keeper.tick(0.0)
    for _ in range(BLOCK):
        refinement.take(on("small"), 23.0)
    keeper.tick(PERIOD_S - 1.0)
    assert latency_ms() == 123.0
    keeper.tick(PERIOD_S)
    assert latency_ms() == pytest.approx(73.0)
    for _ in range(BLOCK):
        refinement.take(on("small"), 23.0)
    ProfileKeeper(refinement, None, pytest.fail).store()
    assert latency_ms() == pytest.approx(73.0)
