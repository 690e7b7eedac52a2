from __future__ import annotations

import dataclasses
import json
import math

import pytest

from dynofa_ros.engine.fingerprint import Fingerprint, cpu_model
from dynofa_ros.engine.profile import Profile, SubnetTiming, operating_points
from dynofa_ros.errors import ConfigError
from engine_samples import small_family

HERE = Fingerprint("cpu A", 4, "x86_64", "openvino 1", "cpu", "fp32", 1, "random", "random", "abc")
TIMINGS = {
    "small": SubnetTiming(1.0, 1.5, 9),
    "middle": SubnetTiming(2.0, 2.5, 9),
    "large": SubnetTiming(1.8, 2.1, 9),
}


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "deep" / "profile.json"
    Profile(HERE, TIMINGS).save(path)
    return path


def test_a_profile_comes_back_as_it_was_saved(stored):
    assert Profile.load(stored, HERE) == Profile(HERE, TIMINGS)
    assert [file.name for file in stored.parent.iterdir()] == ["profile.json"]


@pytest.mark.parametrize(
    "change",
    [{"cpu": "cpu B"}, {"cores": 2}, {"library": "openvino 2"}, {"weights_sha256": "x"}, {"threads": 2}],
)
def test_a_foreign_profile_is_refused_with_both_fingerprints(stored, change):
    here = dataclasses.replace(HERE, **change)
    with pytest.raises(ConfigError) as refused:
        Profile.load(stored, here)
    message = str(refused.value)
    assert str(HERE) in message
    assert str(here) in message
    field, value = next(iter(change.items()))
    assert f"{field}: {getattr(HERE, field)!r} / {value!r}" in message
    assert str(stored) in message


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("schema",), "dynofa/profile/9", "schema"),
        (("fingerprint",), None, "fingerprint"),
        (("fingerprint", "cores"), "4", "fingerprint.cores"),
        (("subnets",), {}, "subnets"),
        (("subnets", "small"), 1, "subnets.small"),
        (("subnets", "small", "latency_ms"), math.nan, "subnets.small.latency_ms"),
        (("subnets", "small", "n"), 0, "subnets.small.n"),
        (("subnets", "small", "latency_p95_ms"), "fast", "subnets.small.latency_p95_ms"),
        (("subnets", "small", "preempted"), -1, "subnets.small.preempted"),
    ],
)
def test_malformed_profiles_name_the_field(stored, path, value, field):
    document = json.loads(stored.read_text())
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    stored.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as refused:
        Profile.load(stored, HERE)
    assert refused.value.field == field


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_files_that_are_no_profile_are_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.json"):
        Profile.load(path, HERE)


def test_a_profile_of_a_busy_machine_names_the_sub_networks_concerned():
    profile = Profile(HERE, {**TIMINGS, "large": SubnetTiming(9.0, 9.0, 5, 25)})
    assert profile.disturbed == ("large",)


def test_operating_points_rise_in_latency_and_know_no_accuracy_of_random_weights():
    points = operating_points(small_family(), Profile(HERE, TIMINGS), "cpu0", 0.85, 1728.0)
    assert [point.subnet for point in points] == ["small", "large", "middle"]
    assert [point.latency_ms for point in points] == [1.0, 1.8, 2.0]
    assert all(math.isnan(point.accuracy) and point.accuracy_source == "none" for point in points)
    assert points[0].validated().clocked_fraction == 0.85
    assert points[1].backend == "openvino"


def test_the_processor_is_named_also_where_cpuinfo_does_not(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Quick CPU: 3 GHz\n")
    assert cpu_model(cpuinfo) == "Quick CPU: 3 GHz"
    cpuinfo.write_text("processor\t: 0\n")
    assert cpu_model(cpuinfo)
