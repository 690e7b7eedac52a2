"""The scenario of the demonstration and the plan made from it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from dynofa_ros.demo.plan import Measured, co_runner_processes, latency_ms, make_plan
from dynofa_ros.demo.scenario import RelativeLatency, load_scenario
from dynofa_ros.errors import ConfigError
from dynofa_ros.paths import share_dir

SHIPPED = share_dir() / "config" / "scenarios" / "demo.yaml"
MEASURED = Measured({"small": 1.0, "middle": 2.0, "large": 4.0}, 5.0)


def changed(tmp_path: Path, change) -> Path:
    """A copy of the shipped scenario with one change."""
    data = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    change(data)
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_the_shipped_scenario_shows_what_it_promises():
    scenario = load_scenario(SHIPPED)
    kinds = {event.kind for event in scenario.events}
    assert {"qos", "corunner", "cap", "join"} <= kinds
    times = sorted({event.t_s for event in scenario.events})
    assert all(after - before >= 2.0 for before, after in zip(times, times[1:], strict=False))
    assert scenario.duration_s - times[-1] >= 2.0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d.update(schema="dynofa/demo/9"), "schema: 'dynofa/demo/9'"),
        (lambda d: d.update(extra=1), "extra: unknown key"),
        (lambda d: d.pop("board"), "board: is missing"),
        (lambda d: d.update(events=[]), "events: "),
        (lambda d: d["events"][0].update(t=-1), r"events\[0\]\.t: -1"),
        (lambda d: d["events"][0].update(t=1e9), r"events\[0\]\.t"),
        (lambda d: d["events"][0].update(cap={"domain": "cpu0", "mhz": 1.0}), "exactly one of"),
        (
            lambda d: d["events"][0]["qos"].update(application="nobody"),
            r"events\[0\]\.qos\.application: 'nobody'",
        ),
        (lambda d: d["events"][0]["qos"].update(objective="fast"), "objective: 'fast'"),
        (lambda d: d["events"][0]["qos"].update(percentile=1.5), "percentile: 1.5"),
        (lambda d: d["events"][0]["qos"].update(latency={"subnet": "large"}), "latency.factor: is missing"),
        (lambda d: d["events"][0]["qos"].update(latency=math.nan), "latency: nan"),
        (lambda d: d["camera"].update(rate_hz=True), "camera.rate_hz: True"),
        (lambda d: d["applications"].append(d["applications"][0]), "names must differ"),
    ],
)
def test_a_wrong_scenario_is_refused_with_field_and_value(tmp_path, change, complaint):
    with pytest.raises(ConfigError, match=complaint):
        load_scenario(changed(tmp_path, change))


def test_a_file_that_is_no_yaml_is_refused_by_name(tmp_path):
    path = tmp_path / "scenario.yaml"
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"scenario\.yaml"):
        load_scenario(path)


@pytest.mark.parametrize(("subnet", "expected"), [("largest", 13.0), ("smallest", 7.0), ("middle", 9.0)])
def test_a_relative_target_is_overhead_plus_factor_times_latency(subnet, expected):
    assert latency_ms(RelativeLatency(subnet, 2.0), MEASURED) == pytest.approx(expected)


def test_an_unknown_subnetwork_in_a_target_is_named():
    with pytest.raises(ConfigError, match="'huge' is unknown; largest, smallest or small, middle, large"):
        latency_ms(RelativeLatency("huge", 1.0), MEASURED)


@pytest.mark.parametrize(
    ("cores", "machine", "expected"),
    [("half", 2, 1), ("half", 8, 4), ("all_but_one", 1, 1), ("all_but_one", 8, 7), (3, 2, 2), (0, 4, 0)],
)
def test_a_co_runner_fits_the_machine(cores, machine, expected):
    assert co_runner_processes(cores, machine) == expected


def test_times_scale_with_the_length_and_labels_carry_milliseconds():
    steps = make_plan(load_scenario(SHIPPED), MEASURED, 60.0, 2)
    original = load_scenario(SHIPPED).events
    assert [step.t_s for step in steps] == [2.0 * event.t_s for event in original]
    assert "ms" in steps[0].label
    join = next(step for step in steps if step.kind == "join")
    assert join.camera is True
    assert join.target is not None


def test_a_qos_event_keeps_the_fields_that_it_does_not_name(tmp_path):
    def two_events(data):
        data["events"] = [
            {"t": 0, "qos": {"application": "front", "latency": 20.0, "min_accuracy": 0.9}},
            {"t": 1, "qos": {"application": "front", "objective": "min_energy"}},
        ]

    steps = make_plan(load_scenario(changed(tmp_path, two_events)), MEASURED, 30.0, 2)
    assert steps[1].target.latency_ms == 20.0
    assert steps[1].target.min_accuracy == 0.9
    assert steps[1].target.objective == 1
    assert steps[1].label == "front: least energy"


def test_a_cap_can_be_lifted(tmp_path):
    def lift(data):
        data["events"] = [{"t": 0, "cap": {"domain": "cpu0", "mhz": None}}]

    (step,) = make_plan(load_scenario(changed(tmp_path, lift)), MEASURED, 30.0, 2)
    assert math.isnan(step.cap[1])
    assert step.label == "cpu0 cap lifted"
