"""`dynofa simulate`: what it shows, writes and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from dynofa_ros.cli import main
from scenario_samples import application, scenario_text

EVENTS = ["{t: 0.5, corunner: {element: gpu, slowdown: 1.5, power_w: 1}}", "{t: 1, power_budget_w: 9}"]


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "small.yaml"
    apps = [application("front", 33.3, 15), application("rear", 50, 40, objective="min_energy")]
    path.write_text(scenario_text(apps, EVENTS, 3.0), encoding="utf-8")
    return path


def simulate(*arguments):
    return main(["simulate", *map(str, arguments)])


def test_it_shows_a_table_that_says_simulated(scenario, capsys):
    assert simulate(scenario, "--policy", "linux", "--policy", "powersave") == 0
    text = capsys.readouterr().out
    assert "SIMULATED: small on jetson_orin_nano_super, 3 s, seed 1, nominal V(f)" in text
    assert all(word in text for word in ("linux", "powersave", "front", "rear", "misses %", "J above idle"))


def test_without_a_policy_it_compares_the_manager_with_linux(scenario, tmp_path, capsys):
    assert simulate(scenario, "--json", tmp_path / "out.json") == 0
    assert list(json.loads((tmp_path / "out.json").read_text())["policies"]) == ["dynofa", "linux"]


def test_results_are_written_as_json_and_wall_clock_times_apart(scenario, tmp_path):
    out = tmp_path / "deep" / "out.json"
    assert simulate(scenario, "--policy", "dynofa", "--seed", "7", "--voltage", "steep", "--json", out) == 0
    result, times = (json.loads(p.read_text()) for p in (out, out.with_suffix(".timing.json")))
    assert result["schema"] == "dynofa/simulation/1"
    assert (result["seed"], result["voltage"], result["simulated"]) == (7, "steep", True)
    scores = result["policies"]["dynofa"]
    named = {
        "latency_ms", "miss_rate", "longest_miss_burst", "p_miss_given_miss", "mean_accuracy",
        "on_time_accuracy", "recovery_ms", "energy_j", "idle_energy_j", "energy_above_idle_j",
        "energy_mj_per_frame", "switches", "clock_changes", "peak_degc", "throttled_s", "gap_to_oracle",
    }  # fmt: skip
    assert named <= set(scores)
    assert set(scores["applications"]) == {"front", "rear"}
    assert set(scores["latency_ms"]) == {"p50", "p95", "p99", "max"}
    assert "decision_us" not in out.read_text()
    assert times["policies"]["dynofa"]["decision_us"]["p50"] > 0.0


def test_the_same_input_gives_the_same_bytes_in_another_process(scenario, tmp_path):
    def run(name, hash_seed):
        command = [
            sys.executable, "-c", "import sys; from dynofa_ros.cli import main; sys.exit(main(sys.argv[1:]))",
            "simulate", str(scenario), "--policy", "dynofa", "--policy", "linux", "--policy", "alert",
            "--json", str(tmp_path / name),
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=100)
        return (tmp_path / name).read_bytes()

    assert run("one.json", "1") == run("two.json", "2")


def test_a_shipped_scenario_goes_by_its_name(capsys):
    assert simulate("published_corunner", "--policy", "linux") == 0
    assert "published_corunner on jetson_xavier_nx, extrapolated, 30 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing"], "no such scenario; give a .yaml file or one of"),
        (["gone.yaml"], "gone.yaml:1: the file: cannot be read"),
        (["steady", "--policy", "magic"], "policy = 'magic': unknown; choose from dynofa, linux"),
    ],
)
def test_unusable_input_is_one_line(arguments, complaint, capsys):
    assert simulate(*arguments) == 2
    text = capsys.readouterr().err
    assert complaint in text
    assert text.count("\n") == 1


def test_a_mistake_in_a_scenario_is_named_with_file_line_field_and_value(scenario, capsys):
    scenario.write_text(scenario.read_text().replace("slowdown: 1.5", "slowdown: slow"), encoding="utf-8")
    assert simulate(scenario) == 2
    error = capsys.readouterr().err
    assert f"{scenario}:9: events[0].corunner.slowdown = 'slow': must be a number from 1 to 100" in error


def test_results_that_cannot_be_written_are_an_error(scenario, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert simulate(scenario, "--policy", "linux", "--json", tmp_path / "file" / "out.json") == 2
    assert "results cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", "1.5", "4294967296", "x"])
def test_a_senseless_seed_is_refused(scenario, seed, capsys):
    with pytest.raises(SystemExit):
        simulate(scenario, f"--seed={seed}")
    assert "must be a whole number from 0 to 4294967295" in capsys.readouterr().err
