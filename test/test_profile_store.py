from __future__ import annotations

from pathlib import Path

import pytest

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.fingerprint import machine_fingerprint
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.engine.profile import Profile, SubnetTiming
from dynofa_ros.engine.profile_store import cache_dir, default_path, load_or_measure
from dynofa_ros.engine.profiler import profile_bank, timing
from dynofa_ros.errors import ConfigError
from engine_samples import small_family


@pytest.fixture(scope="module")
def bank():
    return SubnetBank.load(small_family(), OpenVinoBackend())


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def marked_profile(bank):
    """A profile that cannot have been measured."""
    return Profile(machine_fingerprint(bank), {name: SubnetTiming(123.0, 124.0, 7) for name in bank.names})


def test_the_profile_is_measured_at_first_start_and_found_at_the_second(bank):
    log: list[str] = []
    first = load_or_measure(bank, log=log.append, budget_s=0.1)
    assert "measuring 3 sub-networks" in log[0]
    log.clear()
    assert load_or_measure(bank, log=log.append, budget_s=0.1) == first
    assert log == []


def test_a_broken_stored_profile_is_measured_anew(bank):
    path = default_path(machine_fingerprint(bank))
    path.parent.mkdir(parents=True)
    path.write_text("{")
    log: list[str] = []
    profile = load_or_measure(bank, log=log.append, budget_s=0.1)
    assert str(path) in log[0]
    assert Profile.load(path, machine_fingerprint(bank)) == profile


def test_a_given_file_is_used_or_refused_never_replaced(bank, tmp_path):
    path = tmp_path / "mine.json"
    marked_profile(bank).save(path)
    assert load_or_measure(bank, path) == marked_profile(bank)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="schema"):
        load_or_measure(bank, path)
    assert path.read_text() == "{}"


def test_a_profile_without_a_resident_sub_network_is_refused(bank, tmp_path):
    whole = marked_profile(bank)
    Profile(whole.fingerprint, {"small": whole.subnets["small"]}).save(tmp_path / "part.json")
    with pytest.raises(ConfigError, match="middle, large"):
        load_or_measure(bank, tmp_path / "part.json")


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
    assert set(load_or_measure(bank, log=log.append, budget_s=0.1).subnets) == set(bank.names)
    assert "not stored" in log[-1]


def test_rounds_are_reported_and_bounded_by_the_budget(bank):
    ticks = iter(range(10_000))
    seen: list[int] = []
    profile = profile_bank(
        bank,
        rounds=50,
        budget_s=30.0,
        progress=lambda done, total: seen.append(done),
        clock_s=lambda: float(next(ticks)),
        pause=lambda: None,
        preempted=lambda: 0,
    )
    assert seen == list(range(1, len(seen) + 1))
    assert 5 <= len(seen) < 50
    assert profile.subnets["small"] == SubnetTiming(1000.0, 1000.0, len(seen))


def test_preempted_inferences_do_not_count_and_without_others_the_fastest_do():
    quiet, disturbed = [(1.0, False)] * 5, [(9.0, True)] * 20
    assert timing(quiet + disturbed) == SubnetTiming(1.0, 1.0, 5, 20)
    assert timing([(2.0, True)] * 5 + disturbed) == SubnetTiming(2.0, 2.0, 5, 25)
