"""Scenario files: what is accepted, and what each mistake is answered with."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynofa_ros.errors import ConfigError
from dynofa_ros.simulation.scenarios.events import EVENT_READERS
from dynofa_ros.simulation.scenarios.scenario import (
    ScenarioError,
    load_scenario,
    scenario_path,
    shipped_scenarios,
)
from scenario_samples import EXAMPLE, application, join, scenario_of, scenario_text

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def load_text(folder, text):
    path = folder / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return load_scenario(path)


def test_the_documented_example_is_read_as_it_stands(tmp_path):
    scenario = load_text(tmp_path, EXAMPLE)
    assert (scenario.name, scenario.board, scenario.duration_s, scenario.seed) == (
        "example", "jetson_orin_nano_super", 60.0, 1,
    )  # fmt: skip
    front = scenario.applications[0]
    assert (front.period_ms, front.jitter_ms) == (33.3, 2.0)
    assert (front.qos.latency_ms, front.qos.min_accuracy, front.qos.priority) == (25.0, 0.74, 1)
    assert math.isnan(front.qos.max_power_w)
    assert [event.kind for event in scenario.events] == [
        "corunner", "corunner", "qos", "ambient_degc", "cap", "fault", "power_budget_w",
    ]  # fmt: skip
    corunner = scenario.events[0].change
    assert corunner.busy == pytest.approx(1.0 - 1.0 / 1.38)
    assert scenario.events[3].ramp_s == 20.0


def test_null_lifts_and_an_explicit_busy_share_counts(tmp_path):
    events = [
        "{t: 0.1, cap: {domain: gpu, mhz: null}}",
        "{t: 0.2, power_budget_w: null}",
        "{t: 0.3, cores: null}",
        "{t: 0.4, bandwidth_gbps: null}",
        "{t: 0.5, corunner: {element: gpu, slowdown: 2.0, busy: 0.1}}",
        "{t: 0.6, qos: {application: a, min_accuracy: null}}",
    ]
    scenario = scenario_of(tmp_path, [application("a")], events)
    cap, budget, cores, bandwidth, corunner, qos = (event.change for event in scenario.events)
    assert math.isnan(cap.mhz)
    assert math.isnan(budget.power_w)
    assert (cores.count, bandwidth.gbps, corunner.busy, corunner.power_w) == (0, 0.0, 0.1, 0.0)
    assert math.isnan(dict(qos.fields)["min_accuracy"])


def test_events_are_sorted_by_time_and_those_of_one_moment_stay_as_written(tmp_path):
    events = ["{t: 1, cores: 4}", "{t: 0.5, cores: 2}", "{t: 1, bandwidth_gbps: 3}"]
    scenario = scenario_of(tmp_path, [], events)
    assert [(event.t_s, event.kind) for event in scenario.events] == [
        (0.5, "cores"), (1.0, "cores"), (1.0, "bandwidth_gbps"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("dynofa/scenario/1", "dynofa/scenario/2", 1, "schema = 'dynofa/scenario/2': must be one of"),
        ("name: example", "nam: example", 2, "nam: unknown key: use one of schema, name"),
        ("jetson_orin_nano_super ", "jetson_nano ", 3, "board = 'jetson_nano': cannot be used"),
        ("duration_s: 60", "duration_s: .nan", 4, "duration_s = nan: must be a number from 0.1"),
        ("duration_s: 60", "duration_s: 1e3", 4, "duration_s = '1e3': must be a number"),
        ("seed: 1", "seed: -1", 5, "seed = -1: must be a whole number from 0 to 4294967295"),
        ("seed: 1", "seed: true", 5, "seed = True: must be a whole number"),
        ("period_ms: 33.3", "period_ms: 0", 7, "applications[0].period_ms = 0: must be a number from 1 to"),
        ("jitter_ms: 2.0", "jitter_ms: 20", 7, "applications[0].jitter_ms = 20: must be less than half"),
        ("ofa_mbv3_w12", "ofa_gone", 7, "applications[0].family = 'ofa_gone': cannot be used"),
        ("latency_ms: 25, ", "", 8, "applications[0].qos.latency_ms: is missing: add it"),
        ("percentile: 0.95", "percentile: 95", 8, "qos.percentile = 95: must be a number from 0.5"),
        ("objective: max_accuracy", "objective: fast", 8, "objective = 'fast': must be one of max_accuracy"),
        ("priority: 1", "priority: 1.5", 8, "priority = 1.5: must be a whole number from 0 to 255"),
        ("element: gpu, slowdown: 1.38", "element: npu, slowdown: 1.38", 10, "element = 'npu': must be one"),
        ("slowdown: 1.38", "slowdown: 0.5", 10, "events[0].corunner.slowdown = 0.5: must be a number from 1"),
        ("power_w: 1.2", "power_w: .inf", 10, "corunner.power_w = inf: must be a number"),
        ("t: 2.5,", "t: 60,", 10, "events[0].t = 60: must lie before the end at 60 s"),
        ("t: 12.0, corunner", "t: 12.0, cpu: 1, corunner", 11, "events[1].cpu: unknown key"),
        ("application: front", "application: rear", 12, "application = 'rear': must be one of front"),
        ("ambient_degc: 55", "ambient_degc: hot", 13, "ambient_degc = 'hot': must be a number from -40"),
        ("domain: gpu", "domain: gpu0", 14, "cap.domain = 'gpu0': must be one of cpu0, gpu, emc"),
        ("mhz: 510", "mhz: 51", 14, "cap.mhz = 51: must be at least the lowest clock, 306 MHz"),
        ("sensor: gpu_temperature", "sensor: gpu", 15, "fault.sensor = 'gpu': must be one of gpu_temper"),
        ("kind: stuck", "kind: broken", 15, "fault.kind = 'broken': must be one of stuck, missing, nan"),
        ("power_budget_w: 10", "power_budget_w: 10, cores: 2", 16, "must have exactly one of corunner"),
        ("power_budget_w: 10", "power_budget_w: 0", 16, "events[6].power_budget_w = 0: must be a number"),
        ("power_budget_w: 10", "power_budget_w: 10, ramp_s: 5", 16, "ramp_s = 5: needs a budget before"),
        ("power_budget_w: 10", "cores: 7", 16, "events[6].cores = 7: must be at most the board's 6"),
        ("power_budget_w: 10", "power_mode: FAST", 16, "power_mode = 'FAST': must be one of the board's"),
        ("power_budget_w: 10", "manager_restart: {}", 16, "manager_restart.down_s: is missing: add it"),
        ("power_budget_w: 10", "power_mode: 15W, ramp_s: 2", 16, "ramp_s = 2: power_mode cannot be ramped"),
        ("power_budget_w: 10", "leave: {application: me}", 16, "leave.application = 'me': must be one of"),
        ("power_budget_w: 10", "camera: {application: front}", 16, "camera: changes nothing"),
        (
            "power_budget_w: 10", "camera: {application: front, period_ms: 3}", 16, "must be less than half",
        ),
        ("power_budget_w: 10", "qos: {application: front}", 16, "events[6].qos: changes nothing"),
        ("power_budget_w: 10", "t: 3", 16, "t: is there twice: keep one"),
        ("seed: 1", "seed: [1", 6, "is no YAML"),
        ("seed: 1", "seed: !!python/name:os.system", 5, "is no YAML"),
    ],
)  # fmt: skip
def test_each_mistake_is_answered_with_file_line_field_and_value(tmp_path, old, new, line, complaint):
    with pytest.raises(ConfigError) as error:
        load_text(tmp_path, EXAMPLE.replace(old, new, 1))
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'scenario.yaml'}:{line}: "), text
    assert complaint in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("applications", "events", "complaint"),
    [
        (["a", "a"], [], "applications[1].name = 'a': is already there"),
        (["a"], [join(1, application("a"))], "events[0].join.name = 'a': is already there"),
        (
            ["a"],
            ["{t: 1, leave: {application: a}}", "{t: 1.5, qos: {application: a, latency_ms: 3}}"],
            "events[1].qos.application = 'a': must be one of none",
        ),
        (
            ["a"],
            ["{t: 1, qos: {application: a, min_accuracy: 0.7}, ramp_s: 0.5}"],
            "min_accuracy = 0.7: cannot be ramped from or to null",
        ),
    ],
)  # fmt: skip
def test_events_must_be_possible_when_they_happen(tmp_path, applications, events, complaint):
    with pytest.raises(ScenarioError, match=re.escape(complaint)):
        scenario_of(tmp_path, [application(name) for name in applications], events)


def test_an_application_that_comes_back_has_the_family_and_placements_that_it_had(tmp_path):
    other = application("a").replace("period_ms", "placements: gpu/*, period_ms")
    events = ["{t: 0.5, leave: {application: a}}", join(1, other)]
    with pytest.raises(ScenarioError, match=re.escape("placements = 'gpu/*': must be '*' as before")):
        scenario_of(tmp_path, [application("a")], events)


def test_an_application_may_leave_and_come_back(tmp_path):
    events = ["{t: 0.5, leave: {application: a}}", join(1, application("a"))]
    assert len(scenario_of(tmp_path, [application("a")], events).events) == 2


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "[]", "3", "a: &x [*x]\n", "{" * 2000, "\x1f", "a: 2026-13-40"]
)
def test_what_is_no_scenario_at_all_is_refused(tmp_path, text):
    with pytest.raises(ScenarioError):
        load_text(tmp_path, text)


def test_expanding_aliases_ends_early(tmp_path):
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30))
    with pytest.raises(ScenarioError, match="more than 100000 values"):
        load_text(tmp_path, f"a0: &a0 [x]\n{levels}")


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=r"gone\.yaml:1: the file: cannot be read"):
        load_scenario(tmp_path / "gone.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path / "binary.yaml")


def test_a_board_file_and_a_family_file_may_lie_beside_the_scenario(tmp_path):
    shipped = scenario_path("steady").parent.parent
    for kind, name in (("boards", "jetson_xavier_nx"), ("families", "ofa_mbv3_w12")):
        text = (shipped / kind / f"{name}.yaml").read_text(encoding="utf-8")
        (tmp_path / f"my_{name}.yaml").write_text(text, encoding="utf-8")
    labels = shipped / "families" / "imagenet_labels.txt"
    (tmp_path / labels.name).write_text(labels.read_text(encoding="utf-8"), encoding="utf-8")
    text = EXAMPLE.replace("jetson_orin_nano_super ", "my_jetson_xavier_nx.yaml ").replace(
        "family: ofa_mbv3_w12", "family: my_ofa_mbv3_w12.yaml"
    )
    scenario = load_text(tmp_path, text)
    assert scenario.spec().name == "jetson_xavier_nx"
    assert scenario.family_file("my_ofa_mbv3_w12.yaml") == tmp_path / "my_ofa_mbv3_w12.yaml"


def test_an_unknown_name_lists_the_shipped_scenarios():
    with pytest.raises(ConfigError, match=r"no such scenario.*gpu_corunner.*steady"):
        scenario_path("nothing")


SHIPPED = shipped_scenarios()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_scenario_is_valid_named_after_its_file_and_described(path):
    scenario = load_scenario(path)
    assert scenario.name == path.stem
    assert scenario.description
    assert all(event.t_s <= scenario.duration_s - 2.0 for event in scenario.events)


def test_the_shipped_scenarios_cover_every_kind_of_event():
    scenarios = [load_scenario(path) for path in SHIPPED]
    assert len(scenarios) >= 16
    assert "demo" not in [scenario.name for scenario in scenarios]
    assert {event.kind for scenario in scenarios for event in scenario.events} == set(EVENT_READERS)
    assert {len(scenario.applications) for scenario in scenarios} >= {1, 2, 3}


# Properties


def _number():
    return st.one_of(
        st.floats(allow_nan=True, allow_infinity=True),
        st.integers(-(10**20), 10**20),
        st.sampled_from(["null", "true", "''", "[]", "{}", "~", "1e3", "0x10", "2026-01-01", ".nan", "gpu"]),
    )


@QUICK
@given(data=st.data())
def test_a_changed_value_is_accepted_or_named_and_nothing_else_happens(tmp_path, data):
    """Every scalar of the example, replaced by anything: loaded, or refused with its file."""
    scalars = list(re.finditer(r"(?<=: )[\w./]+(?=[,}\s])", EXAMPLE))
    where = data.draw(st.sampled_from(scalars))
    value = str(data.draw(_number())).replace("inf", ".inf").replace("nan", ".nan")
    text = EXAMPLE[: where.start()] + value + EXAMPLE[where.end() :]
    try:
        scenario = load_text(tmp_path, text)
    except ConfigError as error:
        assert str(error).startswith(str(tmp_path / "scenario.yaml"))
        return
    assert scenario.duration_s > 0.0
    assert all(0.0 <= event.t_s < scenario.duration_s for event in scenario.events)
    assert all(math.isfinite(app.period_ms) and app.period_ms >= 1.0 for app in scenario.applications)


@QUICK
@given(text=st.text(max_size=200))
def test_arbitrary_text_is_refused_and_never_crashes(tmp_path, text):
    with pytest.raises(ConfigError):
        load_text(tmp_path, text)


@QUICK
@given(cut=st.integers(0, len(EXAMPLE) - 1), length=st.integers(1, 40))
def test_a_damaged_file_is_accepted_or_refused_with_its_name(tmp_path, cut, length):
    try:
        load_text(tmp_path, EXAMPLE[:cut] + EXAMPLE[cut + length :])
    except ConfigError as error:
        assert str(error).startswith(str(tmp_path / "scenario.yaml"))


@QUICK
@given(
    period_ms=st.floats(1.0, 60_000.0),
    share=st.floats(0.0, 0.49),
    latency_ms=st.floats(0.02, 1e6),
    percentile=st.floats(0.5, 0.9999),
    priority=st.integers(0, 255),
    t_s=st.floats(0.0, 1.9),
)
def test_what_is_written_is_what_is_read(tmp_path, period_ms, share, latency_ms, percentile, priority, t_s):
    jitter_ms = float(f"{period_ms * share:.6f}")
    text = (
        f"{{name: a, family: ofa_mbv3_w12, period_ms: {period_ms:.9f}, jitter_ms: {jitter_ms:.6f}, "
        f"qos: {{latency_ms: {latency_ms:.9f}, percentile: {percentile:.9f}, priority: {priority}}}}}"
    )
    path = tmp_path / "scenario.yaml"
    path.write_text(scenario_text([text], [f"{{t: {t_s:.9f}, cores: 3}}"]), encoding="utf-8")
    scenario = load_scenario(path)
    app = scenario.applications[0]
    assert app.period_ms == pytest.approx(period_ms, abs=1e-8)
    assert app.jitter_ms == jitter_ms
    assert app.qos.latency_ms == pytest.approx(latency_ms, abs=1e-8)
    assert (app.qos.priority, scenario.events[0].change.count) == (priority, 3)
    assert scenario.events[0].t_s == pytest.approx(t_s, abs=1e-8)


def test_the_documentation_lists_every_shipped_scenario_and_kind_of_event():
    text = (Path(__file__).parents[1] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    assert all(f"| `{path.stem}` |" in text for path in SHIPPED)
    assert all(f"| `{kind}` |" in text for kind in EVENT_READERS)


@pytest.mark.parametrize("when", ["from the start", "joining"])
def test_placements_that_match_nothing_are_refused_with_their_line_and_those_there_are(tmp_path, when):
    nowhere = application("b").replace("period_ms", "placements: 'dla*', period_ms")
    starting = when == "from the start"
    text = scenario_text([application("a"), nowhere] if starting else [application("a")])
    path = tmp_path / "scenario.yaml"
    if not starting:
        text = scenario_text([application("a")], [join(0.5, nowhere)])
    path.write_text(text, encoding="utf-8")
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "dla" in row)
    with pytest.raises(ScenarioError) as refused:
        load_scenario(path)
    message = str(refused.value)
    assert message.startswith(f"{path}:{line}: ")
    assert "placements = 'dla*'" in message
    assert "available: gpu/" in message or "available: cpu/" in message
