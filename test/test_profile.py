from __future__ import annotations

import dataclasses
import json
import math

import pytest

from dynofa_ros.engine.fingerprint import Fingerprint, cpu_model, gpu_model
from dynofa_ros.engine.points import operating_points
from dynofa_ros.engine.profile import PointTiming, Profile
from dynofa_ros.errors import ConfigError
from engine_samples import on, small_family

HERE = Fingerprint(
    "cpu A", "", "x86_64", 4, "0-3", "random", "random", "abc", {"openvino": "openvino 1", "torch": "torch 2"}
)
TIMINGS = {
    on("small"): PointTiming(1.0, 1.5, 1.7, 9),
    on("middle"): PointTiming(2.0, 2.5, 2.6, 9, energy_mj=12.5),
    on("large"): PointTiming(1.8, 2.1, 2.2, 9),
}


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "deep" / "profile.json"
    Profile(HERE, TIMINGS).save(path)
    return path


def test_a_profile_comes_back_as_it_was_saved(stored):
    loaded = Profile.load(stored, HERE)
    assert loaded.fingerprint == HERE
    assert repr(loaded.points) == repr(TIMINGS)  # NaN equals nothing
    assert [file.name for file in stored.parent.iterdir()] == ["profile.json"]


@pytest.mark.parametrize(
    "change",
    [{"cpu": "cpu B"}, {"gpu": "GPU B"}, {"cores": 2}, {"affinity": "0,2"}, {"weights_sha256": "x"}],
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
        (("fingerprint", "libraries"), {"openvino": 1}, "fingerprint.libraries"),
        (("points",), [], "points"),
        (("points", 0), 1, "points[0]"),
        (("points", 0, "subnet"), "", "points[0].subnet"),
        (("points", 0, "placement"), "cpu/openvino", "points[0].placement"),
        (("points", 0, "subnet"), "middle", "points[1]"),
        (("points", 0, "latency_ms"), math.nan, "points[0].latency_ms"),
        (("points", 0, "n"), 0, "points[0].n"),
        (("points", 1, "latency_p95_ms"), "fast", "points[1].latency_p95_ms"),
        (("points", 1, "latency_p99_ms"), None, "points[1].latency_p99_ms"),
        (("points", 1, "preempted"), -1, "points[1].preempted"),
        (("points", 1, "energy_mj"), -1.0, "points[1].energy_mj"),
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


def test_a_profile_of_an_older_version_says_what_to_do(stored):
    stored.write_text('{"schema": "dynofa/profile/1", "fingerprint": {}, "subnets": {}}')
    with pytest.raises(ConfigError, match=r"'dynofa/profile/1' is not .* with: dynofa profile random"):
        Profile.load(stored, HERE)


def test_another_version_of_a_library_is_told_apart_where_both_have_it(stored):
    newer = dataclasses.replace(HERE, libraries={"openvino": "openvino 9"})
    assert HERE.digest == newer.digest
    assert HERE.differences(newer) == ["library openvino: 'openvino 1' / 'openvino 9'"]
    with pytest.raises(ConfigError, match="library openvino"):
        Profile.load(stored, newer)
    assert HERE.differences(dataclasses.replace(HERE, libraries={"onnxruntime": "onnxruntime 1"})) == []


def test_points_of_a_library_that_changed_are_measured_again():
    other = ("small", "cpu/torch/fp32/1")
    profile = Profile(HERE, {**TIMINGS, other: PointTiming(9.0, 9.0, 9.0, 5)})
    assert set(profile.of_libraries({"openvino": "openvino 9"}).points) == {other}
    assert profile.of_libraries(HERE.libraries).points == profile.points


def test_profiles_merge_by_point_and_by_library():
    newer = Profile(
        dataclasses.replace(HERE, libraries={"onnxruntime": "onnxruntime 3"}),
        {on("small"): PointTiming(0.5, 0.6, 0.7, 9)},
    )
    both = Profile(HERE, TIMINGS).merged(newer)
    assert both.points[on("small")].latency_ms == 0.5
    assert both.points[on("large")] is TIMINGS[on("large")]
    assert set(both.fingerprint.libraries) == {"openvino", "torch", "onnxruntime"}


def test_a_profile_of_a_busy_machine_names_the_points_concerned():
    profile = Profile(HERE, {**TIMINGS, on("large"): PointTiming(9.0, 9.0, 9.0, 5, 25)})
    assert profile.disturbed == (on("large"),)


def test_operating_points_rise_in_latency_and_know_no_accuracy_of_random_weights():
    points = operating_points(small_family(), Profile(HERE, TIMINGS), "cpu0", 0.85, 1728.0)
    assert [point.subnet for point in points] == ["small", "large", "middle"]
    assert [point.latency_ms for point in points] == [1.0, 1.8, 2.0]
    assert all(math.isnan(point.accuracy) and point.accuracy_source == "none" for point in points)
    assert points[0].validated().clocked_fraction == 0.85
    assert (points[1].backend, points[1].element, points[1].precision, points[1].threads) == (
        "openvino", "cpu", "fp32", 1,
    )  # fmt: skip
    assert points[2].energy_mj == 12.5
    assert [point.key for point in points] == [on("small"), on("large"), on("middle")]


def test_only_points_on_the_processor_follow_its_clock():
    gpu = ("small", "gpu/torch/fp16/1")
    profile = Profile(HERE, {**TIMINGS, gpu: PointTiming(0.1, 0.1, 0.1, 9)})
    points = {point.key: point for point in operating_points(small_family(), profile, "cpu0", 0.85)}
    assert (points[gpu].clock_domain, points[gpu].clocked_fraction) == ("", 0.0)
    assert points[on("small")].clock_domain == "cpu0"


def test_the_processor_is_named_also_where_cpuinfo_does_not(tmp_path):
    cpuinfo = tmp_path / "proc/cpuinfo"
    cpuinfo.parent.mkdir()
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Quick CPU: 3 GHz\n")
    assert cpu_model(tmp_path) == "Quick CPU: 3 GHz"
    cpuinfo.write_text("processor\t: 0\n")
    assert cpu_model(tmp_path)
    (tmp_path / "proc/device-tree").mkdir()
    (tmp_path / "proc/device-tree/model").write_text("NVIDIA Jetson Orin Nano\0")
    assert cpu_model(tmp_path) == "NVIDIA Jetson Orin Nano"


def test_the_graphics_processor_is_named_where_the_driver_lists_it(tmp_path):
    assert gpu_model(tmp_path) == ""
    card = tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0"
    card.mkdir(parents=True)
    (card / "information").write_text("Model: \t\t NVIDIA Fast 9\nIRQ: 5\n")
    assert gpu_model(tmp_path) == "NVIDIA Fast 9"
