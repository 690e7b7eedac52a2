from __future__ import annotations

import json

import pytest

from dynofa_ros.cli import main
from dynofa_ros.engine.placement import usable_cores
from ros_harness import write_family

FAST = ("--rounds", "5", "--threads", "1", "--placements", "cpu/openvino/fp32/1")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dynofa_ros" / "profiles"


def test_a_family_is_measured_shown_and_kept_where_the_node_looks(tmp_path, cache, capsys):
    assert main(["profile", str(write_family(tmp_path)), *FAST]) == 0
    (file,) = cache.glob("*.json")
    document = json.loads(file.read_text())
    measured = [(point["subnet"], point["placement"]) for point in document["points"]]
    assert measured == [(name, "cpu/openvino/fp32/1") for name in ("xs", "s", "m", "l")]
    assert document["fingerprint"]["family"] == "tiny"
    assert "tiny" in capsys.readouterr().out


def test_placements_measured_before_stay_in_the_kept_profile(tmp_path, cache):
    family = str(write_family(tmp_path))
    threads = str(len(usable_cores()) + 1)
    assert main(["profile", family, *FAST]) == 0
    placement = f"cpu/openvino/fp32/{threads}"
    command = ["--rounds", "5", "--threads", threads, "--placements", placement]
    assert main(["profile", family, *command]) == 0
    (file,) = cache.glob("*.json")
    points = json.loads(file.read_text())["points"]
    assert {point["placement"] for point in points} == {"cpu/openvino/fp32/1", placement}
    assert len(points) == 8


def test_little_memory_means_several_passes_and_the_same_points(tmp_path):
    out = tmp_path / "profile.json"
    options = ["--rounds", "5", "--threads", "1,2", "--placements", "cpu/openvino/fp32/*", "--memory-mb", "1"]
    assert main(["profile", str(write_family(tmp_path)), *options, "--out", str(out)]) == 0
    points = json.loads(out.read_text())["points"]
    assert len({(point["subnet"], point["placement"]) for point in points}) == 8


def test_a_placement_that_is_not_here_is_an_error_with_what_there_is(tmp_path, capsys):
    assert main(["profile", str(write_family(tmp_path)), "--placements", "tpu/*", "--rounds", "5"]) == 2
    message = capsys.readouterr().err
    assert "tpu/*" in message
    assert "cpu/openvino/fp32/1" in message


def test_random_weights_have_a_profile_and_a_fingerprint_of_their_own(tmp_path):
    out = tmp_path / "profile.json"
    family = str(write_family(tmp_path))
    assert main(["profile", family, "--random-weights", *FAST, "--out", str(out)]) == 0
    assert json.loads(out.read_text())["fingerprint"]["weights_sha256"] == "random"


def test_a_profile_that_cannot_be_written_is_an_error_in_one_line(tmp_path, capsys):
    out = tmp_path / "file" / "profile.json"
    out.parent.write_text("")
    assert main(["profile", str(write_family(tmp_path)), *FAST, "--out", str(out)]) == 2
    assert str(out) in capsys.readouterr().err
