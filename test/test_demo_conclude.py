"""The end of the demonstration: checks, summary, report, exit code."""

from __future__ import annotations

import json

import pytest

from bag_samples import write_demo_bag
from dynofa_ros.demo.conclude import MANAGED, UNMANAGED, conclude
from dynofa_ros.demo.plan import Measured, Step
from dynofa_ros.demo.scenario import load_scenario
from dynofa_ros.demo.stage import Played
from dynofa_ros.paths import share_dir


@pytest.fixture
def scenario():
    return load_scenario(share_dir() / "config" / "scenarios" / "demo.yaml")


def played(folder, name, subnets, **options):
    bag = write_demo_bag(folder / name / "bag", subnets, **options)
    return Played(bag, Measured({"small": 2.0, "large": 10.0}, 2.0), [Step(0.0, "qos", "front: 10.0 ms")])


def test_a_good_run_passes_and_leaves_summary_and_report(tmp_path, scenario, capsys):
    runs = {MANAGED: played(tmp_path, MANAGED, ["small"]), UNMANAGED: played(tmp_path, UNMANAGED, ["large"])}
    assert conclude(runs, scenario, tmp_path, random_weights=False) == 0
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert [check["passed"] for check in summary["checks"]] == [True, True, True, False]
    assert summary["runs"][MANAGED]["on_time_rate_outside_guard"] == 1.0
    assert summary["runs"][UNMANAGED]["on_time_rate_outside_guard"] == 0.0
    assert summary["runs"][MANAGED]["events"][0]["recovery_ms"] == {"front": 0.0}
    assert summary["machine"]["Machine"]
    assert "unmanaged" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "report.html" in capsys.readouterr().out


def test_a_frame_that_is_unaccounted_for_fails_the_demonstration(tmp_path, scenario):
    runs = {MANAGED: played(tmp_path, MANAGED, ["small"], missing=1)}
    assert conclude(runs, scenario, tmp_path, random_weights=False) == 1


def test_random_weights_are_said_wherever_figures_are(tmp_path, scenario):
    conclude({MANAGED: played(tmp_path, MANAGED, ["small"])}, scenario, tmp_path, random_weights=True)
    assert "RANDOM" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["random_weights"]
