from __future__ import annotations

import json

import pytest

from dynofa_ros.cli import main
from ros_harness import write_family


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dynofa_ros" / "profiles"


def test_a_family_is_measured_shown_and_kept_where_the_node_looks(tmp_path, cache, capsys):
    assert main(["profile", str(write_family(tmp_path)), "--rounds", "5"]) == 0
    (file,) = cache.glob("*.json")
    document = json.loads(file.read_text())
    assert list(document["subnets"]) == ["xs", "s", "m", "l"]
    assert document["fingerprint"]["family"] == "tiny"
    assert "tiny" in capsys.readouterr().out


def test_random_weights_have_a_profile_and_a_fingerprint_of_their_own(tmp_path):
    out = tmp_path / "profile.json"
    family = str(write_family(tmp_path))
    assert main(["profile", family, "--random-weights", "--rounds", "5", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["fingerprint"]["weights_sha256"] == "random"


def test_a_profile_that_cannot_be_written_is_an_error_in_one_line(tmp_path, capsys):
    out = tmp_path / "file" / "profile.json"
    out.parent.write_text("")
    assert main(["profile", str(write_family(tmp_path)), "--rounds", "5", "--out", str(out)]) == 2
    assert str(out) in capsys.readouterr().err
