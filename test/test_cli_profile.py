from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

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


EMULATED = "simulated:jetson_orin_nano_super"


def test_with_a_simulated_board_points_are_measured_at_its_emulated_clocks_too(tmp_path, capsys):
    out = tmp_path / "profile.json"
    options = ["--seconds", "1", "--board", EMULATED, "--out", str(out)]
    assert main(["profile", str(write_family(tmp_path)), *FAST, *options]) == 0
    for point in json.loads(out.read_text())["points"]:
        sweep = point["sweep"]
        assert (sweep["board"], sweep["emulated"]) == ("jetson_orin_nano_super", True)
        assert [time["clock_mhz"] for time in sweep["times"]] == [345.6, 576.0, 1036.8, 1728.0]
    assert "emulated clocks of jetson_orin_nano_super" in capsys.readouterr().out


def test_a_profile_of_emulated_clocks_is_not_kept_for_this_machine(tmp_path, cache, capsys):
    assert main(["profile", str(write_family(tmp_path)), *FAST, "--board", EMULATED]) == 2
    assert "give --out FILE" in capsys.readouterr().err
    assert not cache.exists()


def test_a_board_whose_clocks_cannot_be_set_is_refused_before_measuring(tmp_path, cache, capsys):
    assert main(["profile", str(write_family(tmp_path)), *FAST, "--board", "linux"]) == 2
    assert "reads only" in capsys.readouterr().err
    assert not cache.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_puts_the_clocks_back(tmp_path, number):
    """In a process of its own, whose board says so when it is restored."""
    program = """
import signal, sys
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.cli import main
from dynofa_ros.engine import profiler_clocks
restore = SimulatedBoard.restore
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background ignores it
SimulatedBoard.restore = lambda board: (restore(board), print("restored", flush=True))
after = profiler_clocks.SweptClocks.after
profiler_clocks.SweptClocks.after = lambda *seen: (signal.raise_signal(int(sys.argv[1])), after(*seen))
sys.exit(main(sys.argv[2:]))
"""
    command = [
        "profile",
        str(write_family(tmp_path)),
        *FAST,
        "--board",
        EMULATED,
        "--out",
        str(tmp_path / "p"),
    ]
    run = subprocess.run(
        [sys.executable, "-c", program, str(int(number)), *command],
        capture_output=True, text=True, env=os.environ, check=False,
    )  # fmt: skip
    assert run.returncode == 128 + number
    assert run.stdout.rstrip().endswith("restored")
    assert not (tmp_path / "p").exists()
