"""Comparison of policies: suites, cached runs, intervals, verdicts, page and plots."""

import dataclasses
import json
import math

import pytest

import bench_manager
from dynofa_ros.cli import main
from dynofa_ros.errors import ConfigError
from dynofa_ros.simulation.compare import fingerprint, runs
from dynofa_ros.simulation.compare.check import Check
from dynofa_ros.simulation.compare.checks import checks
from dynofa_ros.simulation.compare.dot_plot import Dot, Series, dot_plot
from dynofa_ros.simulation.compare.figures import (
    advantage,
    against,
    dominated,
    energy_j,
    groups_of,
    miss_rate,
)
from dynofa_ros.simulation.compare.linux_checks import allowed_saving, energy_saving, latency_saving
from dynofa_ros.simulation.compare.markdown import number, table
from dynofa_ros.simulation.compare.oracle_tables import accuracy_table, energy_table
from dynofa_ros.simulation.compare.page import page
from dynofa_ros.simulation.compare.report import document, write_report
from dynofa_ros.simulation.compare.run import run_policies
from dynofa_ros.simulation.compare.runs import Run, run_suite
from dynofa_ros.simulation.compare.statistics import interval, t_quantile
from dynofa_ros.simulation.compare.suite import load_suite, suite_path
from dynofa_ros.simulation.scenarios.scenario import load_scenario
from oracle_worlds import scenario_text


def suite_file(folder, **changes):
    scenario = folder / "energy.yaml"
    scenario.write_text(scenario_text("energy", 6), encoding="utf-8")
    block = {"scenarios": ["energy.yaml"], "policies": ["linux", "powersave"], "seeds": [1, 2], **changes}
    path = folder / "suite.yaml"
    path.write_text(
        json.dumps({"schema": "dynofa/suite/1", "name": "small", "blocks": [block]}), encoding="utf-8"
    )
    return path


CALM = {"upward": 3, "upward_of_subnet": 0, "most_upward_in_dwell": 1, "without_cause": 0}


def figures(
    misses=0, energy=100.0, accuracy=0.75, objective="min_energy", released=1000, applications=1, **more
):
    wanted = math.nan if objective == "min_energy" else accuracy
    return {
        "scenario": "x",
        "extrapolated": False,
        "applications": applications,
        "allowed_misses": 50.0,
        "merit": {
            "over_budget_s": 0.0,
            "misses": misses,
            "below_floor": 0,
            "accuracy": wanted,
            "energy_j": energy + 300.0,
        },
        "scores": {
            "objective": objective,
            "released": released,
            "inferred": released,
            "miss_rate": misses / released,
            "on_time_accuracy": accuracy,
            "energy_above_idle_j": energy,
            "energy_j": energy + 300.0,
            "idle_energy_j": 300.0,
            "latency_to_target": {"p95": 0.8},
        },
        "recovery_frames": [],
        "quiet_frames": [],
        "duration_s": 60.0,
        "steady": False,
        "steadiness": {"front": dict(CALM)},
        "timing": {"decision_us": {"p50": 100.0, "p99": 900.0}, "cpu_s": 0.25},
        **more,
    }


def group(seeds=4, scenario="x", **policies):
    found = [
        Run(scenario, policy, seed, "nominal", figures(**make(seed)))
        for policy, make in policies.items()
        for seed in range(seeds)
    ]
    return groups_of(found)[0]


def test_a_suite_lists_every_world_once_with_all_its_policies(tmp_path):
    suite = load_suite(suite_file(tmp_path, seeds={"first": 101, "count": 3}, voltages=["flat", "steep"]))
    assert suite.runs == 12
    assert {(job.seed, job.voltage) for job in suite.jobs} == {
        (seed, voltage) for seed in (101, 102, 103) for voltage in ("flat", "steep")
    }
    assert all(job.policies == ("linux", "powersave") for job in suite.jobs)


@pytest.mark.parametrize("name", ["manager", "quick"])
def test_shipped_suites_are_valid(name):
    assert load_suite(suite_path(name)).runs > 0


def test_published_figures_use_ten_seeds_that_were_never_tuned_on():
    suite = load_suite(suite_path("manager"))
    assert all(job.seed > 100 for job in suite.jobs)
    worlds = {(job.scenario, job.voltage) for job in suite.jobs}
    counts = [sum((job.scenario, job.voltage) == world for job in suite.jobs) for world in worlds]
    assert min(counts) >= 10
    assert {voltage for _, voltage in worlds} == {"flat", "nominal", "steep"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policies": ["linux", "windows"]}, ["blocks[0].policies", "windows", "powersave"]),
        ({"seeds": "many"}, ["blocks[0].seeds", "many"]),
        ({"seeds": [-1]}, ["blocks[0].seeds", "-1"]),
        ({"voltages": ["high"]}, ["blocks[0].voltages", "high", "nominal"]),
        ({"scenarios": ["nowhere"]}, ["nowhere"]),
        ({"without": ["nowhere"]}, ["without", "nowhere"]),
        ({"speed": 3}, ["blocks[0].speed", "known"]),
    ],
)
def test_a_wrong_suite_is_refused_with_file_field_and_value(tmp_path, changes, words):
    with pytest.raises(ConfigError) as refusal:
        load_suite(suite_file(tmp_path, **changes))
    for word in words:
        assert word in str(refusal.value)


def test_finished_runs_are_not_run_again(tmp_path, monkeypatch):
    suite = load_suite(suite_file(tmp_path))
    counts = []
    first = run_suite(suite, tmp_path / "cache", workers=1, done=counts.append)
    assert sum(counts) == suite.runs == len(first)
    monkeypatch.setattr(runs, "run_policies", lambda *_: pytest.fail("ran again"))
    counts.clear()
    again = run_suite(suite, tmp_path / "cache", workers=1, done=counts.append)
    assert sum(counts) == suite.runs
    assert [run[:4] for run in again] == [run[:4] for run in first]


def test_a_run_depends_on_seed_policy_scenario_and_the_code_that_it_imports(tmp_path, monkeypatch):
    job = load_suite(suite_file(tmp_path)).jobs[0]
    key = fingerprint.run_key(job, "linux")
    assert key == fingerprint.run_key(job, "linux")
    assert key != fingerprint.run_key(job, "powersave")
    assert key != fingerprint.run_key(dataclasses.replace(job, seed=9), "linux")
    monkeypatch.setattr(fingerprint, "code_digest", lambda module: f"other {module}")
    assert key != fingerprint.run_key(job, "linux")


def test_the_code_of_one_policy_does_not_invalidate_another():
    assert fingerprint.code_digest("dynofa_ros.simulation.policies.linux") != fingerprint.code_digest(
        "dynofa_ros.simulation.policies.oracle"
    )


def test_the_interval_is_students():
    found = interval([1.0, 2.0, 3.0, 4.0])
    assert found.mean == 2.5
    assert found.half == pytest.approx(3.182 * math.sqrt(5.0 / 3.0) / 2.0)
    assert t_quantile(40) == pytest.approx(2.0211, abs=1e-4)
    assert math.isnan(interval([1.0]).half)
    assert interval([2.0, 2.0]).sign == 1
    assert interval([-1.0, 1.0]).sign == 0


def test_misses_decide_before_the_objective():
    found = group(
        dynofa=lambda seed: {"misses": 3 + seed % 2, "energy": 50.0},
        alert=lambda seed: {"misses": seed % 2, "energy": 90.0 + seed},
        poet=lambda seed: {"misses": 3 + seed % 2, "energy": 49.0 + seed * 0.01},
    )
    assert against(found, "alert")[0] == "worse"
    assert against(found, "poet")[0] == "worse"
    assert found.difference("dynofa", "alert", miss_rate).mean == pytest.approx(0.003)
    assert found.ratio("dynofa", "poet", energy_j).mean == pytest.approx(0.0201, abs=1e-3)


def test_worse_in_one_figure_and_better_in_none_is_dominated():
    base = {"linux": lambda seed: {"misses": 5, "energy": 100.0 + seed}}
    assert dominated(group(dynofa=lambda seed: {"misses": 5, "energy": 101.0 + seed}, **base), "linux")
    assert not dominated(group(dynofa=lambda seed: {"misses": 4, "energy": 101.0 + seed}, **base), "linux")
    assert not dominated(group(dynofa=lambda seed: {"misses": 5, "energy": 99.0 + seed}, **base), "linux")


def test_a_small_advantage_of_the_oracle_gives_no_ratio():
    def make(oracle_j):
        return group(
            dynofa=lambda seed: {"energy": 85.0 + seed},
            linux=lambda seed: {"energy": 100.0 + seed},
            oracle=lambda seed: {"energy": oracle_j + seed},
        )

    assert advantage(make(80.0)).share == pytest.approx(0.75, abs=0.01)
    assert advantage(make(99.0)).share is None


def test_requirements_are_met_or_missed_with_their_value():
    good = group(
        dynofa=lambda seed: {"energy": 84.0 + seed},
        linux=lambda seed: {"energy": 150.0 + seed},
        oracle=lambda seed: {"energy": 80.0 + seed},
    )
    bad = group(
        scenario="y",
        dynofa=lambda seed: {"energy": 120.0 + seed, "misses": 90},
        linux=lambda seed: {"energy": 150.0 + seed},
        oracle=lambda seed: {"energy": 80.0 + seed},
    )
    verdicts = {check.requirement.split(":")[0]: check for check in checks([good, bad])}
    gap = verdicts["gap to the oracle, min_energy"]
    assert not gap.met
    assert "49" in gap.value
    assert gap.exceptions == ("y",)
    misses = next(check for check in checks([good, bad]) if check.requirement.startswith("misses"))
    assert misses.exceptions == ("y",)
    assert next(check for check in checks([good]) if check.requirement.startswith("misses")).met
    assert verdicts["against alert"].met is None


def check_of(found, start):
    return next(check for check in checks(found) if check.requirement.startswith(start))


def test_published_managers_are_compared_with_every_miss_and_with_those_beyond_the_percentiles():
    late = group(
        dynofa=lambda seed: {"energy": 80.0, "misses": 20 + seed},
        alert=lambda seed: {"energy": 95.0, "misses": 0},
    )
    assert check_of([late], "against alert: never worse on (every miss").exceptions == ("x",)
    assert check_of([late], "against alert: never worse on (misses beyond").met


def steady_hour(**changes):
    more = {"duration_s": 3600.0, "steady": True, "steadiness": {"front": {**CALM, **changes}}}
    return group(scenario="steady_hour", dynofa=lambda seed: more)


def test_an_hour_is_calm_with_one_upward_change_per_dwell_and_none_without_cause():
    assert check_of([steady_hour()], "an hour").met
    assert check_of([group(dynofa=lambda seed: {})], "an hour").met is None
    for changes in ({"most_upward_in_dwell": 2}, {"without_cause": 1}):
        check = check_of([steady_hour(**changes)], "an hour")
        assert not check.met
        assert check.exceptions[0] == "steady_hour, front, seed 0"


def test_frames_below_the_floor_are_judged_where_the_oracle_keeps_it():
    def below(count):
        return lambda seed: {"merit": {**figures()["merit"], "below_floor": count}}

    assert check_of([group(dynofa=below(50), oracle=below(0))], "frames below").met
    assert not check_of([group(dynofa=below(51), oracle=below(0))], "frames below").met
    assert check_of([group(dynofa=below(51), oracle=below(51))], "frames below").met is None


def test_recovery_counts_what_the_oracle_manages_and_all_arrivals():
    def after(frames):
        return lambda seed: {
            "recovery_frames": [{"t_s": 5.0, "load": "gpu", "frames": frames}],
            "quiet_frames": [0, 1, 3, None],
        }

    groups = [
        group(dynofa=after(2), oracle=after(0)),
        group(scenario="y", dynofa=after(9), oracle=after(None)),
    ]
    check = check_of(groups, "back within target")
    assert check.met
    assert check.value == (
        "4 of 4 arrivals; of all arrivals 4 of 8; noise alone takes longer at 50.0 % of 32 quiet moments"
    )
    assert not check_of([group(dynofa=after(3), oracle=after(0))], "back within target").met


def test_speed_is_simulated_over_cpu_time_with_one_application():
    slow = {"timing": {"decision_us": {"p99": 900.0}, "cpu_s": 0.31}}
    fast = group(dynofa=lambda seed: {})
    assert check_of([fast], "simulator").met
    check = check_of([fast, group(scenario="y", dynofa=lambda seed: slow)], "simulator")
    assert check.exceptions == ("y",)
    several = group(scenario="y", dynofa=lambda seed: {**slow, "applications": 2})
    assert check_of([fast, several], "simulator").met


def test_latency_against_linux_is_left_out_where_linux_drops_too_much_and_lost_where_only_ours_does():
    def make(**more):
        return lambda seed: {"objective": "max_accuracy", **more}

    dropping = {"scores": {**figures(objective="max_accuracy")["scores"], "inferred": 900}}
    assert math.isnan(latency_saving(group(dynofa=make(), linux=make(**dropping))))
    assert latency_saving(group(dynofa=make(**dropping), linux=make())) == -math.inf
    assert latency_saving(group(dynofa=make(), linux=make())) == pytest.approx(0.0)


def test_energy_against_linux_counts_at_the_same_accuracy_or_with_the_misses_that_are_allowed():
    def make(energy, misses=0):
        return lambda seed: {"energy": energy, "misses": misses, "accuracy": 0.75 * (1.0 - misses / 1000)}

    some_late = group(dynofa=make(60.0, 40), linux=make(100.0))
    assert math.isnan(energy_saving(some_late))
    assert allowed_saving(some_late) == pytest.approx(0.4)
    assert energy_saving(group(dynofa=make(60.0), linux=make(100.0, 40))) == pytest.approx(0.4)
    assert math.isnan(allowed_saving(group(dynofa=make(60.0, 51), linux=make(100.0))))
    assert math.isnan(allowed_saving(group(dynofa=make(60.0), linux=make(100.0, 51))))


def test_whoever_beats_the_oracle_is_named():
    found = group(
        dynofa=lambda seed: {"energy": 79.0}, oracle=lambda seed: {"energy": 80.0, "misses": seed // 3}
    )
    check = next(check for check in checks([found]) if "beats" in check.requirement)
    assert not check.met
    assert check.exceptions == ("x by dynofa",)


def test_the_command_writes_page_plots_and_json(tmp_path, capsys):
    suite = suite_file(tmp_path, policies=["dynofa", "linux", "oracle", "lower_bound", "alert"])
    out = tmp_path / "out"
    assert (
        main(["compare", str(suite), "--out", str(out), "--cache", str(tmp_path / "cache"), "--workers", "1"])
        == 0
    )
    page = (out / "results.md").read_text(encoding="utf-8")
    assert "SIMULATED" in page
    assert "| energy | 1 |" in page
    assert "### energy" in page
    for name in ("simulated_energy.svg", "simulated_misses.svg"):
        assert f"({name})" in page
        assert (out / name).read_text(encoding="utf-8").startswith("<svg")
    content = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert content["simulated"] is True
    assert content["scenarios"][0]["policies"]["oracle"]["seeds"] == [1, 2]
    assert "gap to the oracle" in capsys.readouterr().out


def voltage_runs():
    energies = {"dynofa": 84.0, "linux": 150.0, "oracle": 80.0}
    for voltage, factor in (("flat", 0.9), ("nominal", 1.0), ("steep", 1.2)):
        for policy, energy in energies.items():
            for seed in range(3):
                yield Run("x", policy, seed, voltage, figures(energy=energy * factor + seed))


def test_the_page_shows_headlines_under_each_voltage_and_every_policy_in_every_scenario():
    text = page([*groups_of(voltage_runs()), steady_hour()]).replace("\u00a0", " ")
    assert "| headline | flat | nominal | steep |" in text
    for counted in ("at no lower on-time accuracy", "misses within the percentiles"):
        assert f"| energy above idle, one application, {counted} | x | **44 %** | 44 % | 44 % |" in text
    assert "| dynofa | 4 | 3 to 3 | 0 | 1 | 0 |" in text
    assert text.index("### x") < text.index("### steady_hour")
    assert (
        "| linux | 0.00 | 0.00 | 75.00 | 151.0 ± 2.5 | 451.0 ± 2.5 | 0.80 | +0.00 | +0.00 | +66.0 |" in text
    )
    assert "## Against published managers" not in text


def test_numbers_stay_with_their_interval_and_unit():
    assert table(["a", "b"], [["x y", "1.0 % of 2 J"]]).splitlines()[-1] == "| x y | 1.0\u00a0% of 2\u00a0J |"
    assert number(interval([1.0, 2.0]), 0) == "2\u00a0±\u00a06"
    assert number(interval([math.inf, 1.0])) == "never"
    assert number(interval([])) == ""


@pytest.mark.parametrize(("met", "aim", "status"), [(True, False, 0), (False, True, 0), (False, False, 1)])
def test_the_benchmark_fails_where_more_than_an_aim_is_missed(tmp_path, monkeypatch, met, aim, status):
    path = suite_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_manager, "suite_path", lambda name: path)
    monkeypatch.setattr(bench_manager, "checks", lambda groups: [Check("speed", "7", met, aim=aim)])
    assert bench_manager.main(["--workers", "1", "--out", "page"]) == status
    assert (tmp_path / "page" / "results_simulated.md").is_file()


def test_a_scenario_without_any_frame_is_shown_without_shares(tmp_path):
    suite = suite_file(tmp_path, policies=["dynofa", "oracle"], seeds=[1])
    scenario = tmp_path / "energy.yaml"
    text = scenario.read_text(encoding="utf-8")
    head = text.partition("applications:")[0]
    scenario.write_text(f"{head}applications: []\nevents: []\n", encoding="utf-8")
    groups = groups_of(run_suite(load_suite(suite), tmp_path / "out"))
    assert groups[0].runs["oracle"][1]["scores"]["released"] == 0
    assert "| energy |" in energy_table(groups) + accuracy_table(groups)


def test_the_same_runs_give_the_same_document(tmp_path):
    path = tmp_path / "energy.yaml"
    path.write_text(scenario_text("energy", 6), encoding="utf-8")
    scenario = load_scenario(path)

    def made():
        return groups_of(
            Run("energy", policy, 1, "nominal", found)
            for policy, found in run_policies(scenario, 1, "nominal", ["linux", "dynofa"])
        )

    first, second = (document("small", made())["scenarios"] for _ in range(2))
    assert first == second


def test_nothing_to_compare_is_an_error(tmp_path):
    with pytest.raises(Exception, match="no runs"):
        write_report("empty", [], tmp_path)


def test_values_beyond_the_axis_become_arrowheads_at_its_edge():
    dots = [Dot(5.0, 1.0), Dot(500.0), None]
    text = dot_plot("t", "u", ["a", "b", "c"], [Series("one", "#123456", dots)], (0.0, 10.0))
    assert text.count("<circle") == 2
    assert text.count("v8l") == 1
    assert text.count("whisker") == 2
