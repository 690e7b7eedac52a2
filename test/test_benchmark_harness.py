"""The benchmarks' harness: order, statistics, targets and files. Nothing is timed."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disturbance import ASSUMED_WAIT_S, preemptions, waited_s
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import load_family
from harness import Part, compose, read_results, write_json
from layer_costs import layer_costs
from machine import machine_description, machine_name
from ratios import contender_summary, geometric_mean, round_ratios, speed_up, summary
from rounds import Rounds, interleave
from targets import at_least, at_most, verdict


class FakeTime:
    """A clock that only work moves, and the time spent waiting for a core."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waited_s = 0.0
        self.calls: list[str] = []

    def work(self, name: str, time_ms: float, wait_ms: float = 0.0):
        def run() -> None:
            self.calls.append(name)
            self.now_s += time_ms / 1e3
            self.waited_s += wait_ms / 1e3

        return run

    def interleave(self, contenders, rounds, **options) -> Rounds:
        return interleave(
            contenders, rounds, clock_s=lambda: self.now_s, waited=lambda: self.waited_s, **options
        )


def rounds_of(disturbed=None, **times_ms) -> Rounds:
    times = {name: np.array(values, float).reshape(len(values), -1) for name, values in times_ms.items()}
    flags = {name: np.zeros(len(array), bool) for name, array in times.items()}
    for name, turns in (disturbed or {}).items():
        flags[name][turns] = True
    return Rounds(times, flags)


def test_every_round_runs_every_contender_and_the_order_alternates():
    time = FakeTime()
    names = ["a", "b", "c"]
    time.interleave({name: time.work(name, 100.0) for name in names}, rounds=6, settle=0)
    rounds = [time.calls[-18:][start : start + 3] for start in range(0, 18, 3)]
    assert all(sorted(order) == names for order in rounds)
    assert all(first != second for first, second in pairwise(rounds))
    assert Counter(order[0] for order in rounds) == {"a": 2, "b": 2, "c": 2}
    assert rounds[1] == rounds[0][::-1]


def test_each_contender_is_warmed_before_the_first_round():
    time = FakeTime()
    measured = time.interleave({"a": time.work("a", 50.0), "b": time.work("b", 300.0)}, rounds=1, settle=0)
    assert time.calls[:5] == ["a"] * 4 + ["b"]
    assert measured.times_ms["a"].shape == (1, 1)


def test_settling_calls_do_not_count_and_a_batch_does():
    time = FakeTime()
    number = count()

    def first_of_turn_is_slow() -> None:
        index = next(number)
        time.now_s += 1.0 if index == 0 or index % 4 == 1 else 0.002

    measured = time.interleave({"a": first_of_turn_is_slow}, rounds=3, settle=1, batch=3)
    # Call 0 is the warm-up, turns begin with calls 1, 5 and 9.
    assert measured.times_ms["a"] == pytest.approx(np.array([[2.0, 2.0, 2.0]] * 3))


def test_turns_that_waited_for_a_core_are_marked():
    time = FakeTime()
    contenders = {"calm": time.work("calm", 4.0, 0.05), "torn": time.work("torn", 8.0, 0.5)}
    measured = time.interleave(contenders, rounds=7, batch=2)
    assert measured.samples("calm") == pytest.approx([4.0] * 14)
    assert not measured.disturbed["calm"].any()
    assert measured.disturbed["torn"].all()
    assert measured.is_mostly_disturbed("torn")


def test_the_kernel_is_asked_how_long_threads_waited(tmp_path):
    for thread, line in (("11", b"100 2000000 3"), ("12", b"5 500000 1")):
        (tmp_path / thread).mkdir()
        (tmp_path / thread / "schedstat").write_bytes(line)
    assert waited_s(tmp_path) == pytest.approx(2.5e-3)


def test_without_an_answer_preemptions_are_counted(tmp_path):
    (tmp_path / "11").mkdir()
    before = preemptions()
    assert waited_s(tmp_path) >= before * ASSUMED_WAIT_S


def test_disturbed_times_are_left_out_and_counted():
    measured = rounds_of({"a": [2, 5]}, a=[1.0, 1.0, 90.0, 1.0, 1.0, 80.0, 1.0, 1.0])
    figures = contender_summary(measured, "a")
    assert figures["max_ms"] == 1.0
    assert (figures["n"], figures["disturbed_turns"], figures["mostly_disturbed"]) == (6, 2, False)


def test_where_nearly_all_was_disturbed_the_fastest_fifth_counts_and_that_is_said():
    times = [float(value) for value in range(10, 60)]
    figures = contender_summary(rounds_of({"a": range(50)}, a=times), "a")
    assert figures["mostly_disturbed"]
    assert figures["n"] == 10
    assert figures["max_ms"] == 19.0


def test_ratios_are_taken_within_rounds():
    drift = [1.0, 2.0, 4.0, 8.0, 16.0]
    measured = rounds_of(slow=[3.0 * factor for factor in drift], fast=drift)
    assert round_ratios(measured, "slow", "fast") == pytest.approx([3.0] * 5)


def test_a_ratio_needs_both_sides_of_a_round_undisturbed():
    measured = rounds_of(
        {"slow": [0], "fast": [1]}, slow=[99, 6, 6, 6, 6, 6, 6.0], fast=[2, 99, 2, 2, 2, 2, 2.0]
    )
    assert round_ratios(measured, "slow", "fast") == pytest.approx([3.0] * 5)


def test_where_hardly_any_round_was_undisturbed_for_both_all_rounds_count():
    slow, fast = [6.0] * 9 + [60.0], [2.0] * 10
    measured = rounds_of({"slow": range(5), "fast": range(4, 10)}, slow=slow, fast=fast)
    assert round_ratios(measured, "slow", "fast") == pytest.approx([3.0] * 9 + [30.0])


def test_a_round_counts_by_the_median_of_its_calls():
    measured = rounds_of(a=[[1.0, 2.0, 30.0], [4.0, 5.0, 6.0]] * 3)
    assert measured.per_round("a") == pytest.approx([2.0, 5.0] * 3)


def test_quantiles_of_known_values():
    figures = summary(list(range(1, 102)), unit="us")
    assert figures["median_us"] == 51
    assert figures["p95_us"] == 96
    assert figures["p99_us"] == 100
    assert (figures["min_us"], figures["max_us"], figures["n"]) == (1, 101, 101)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_no_figures_of_nothing_or_of_what_is_not_a_number(values):
    with pytest.raises(ValueError, match="samples"):
        summary(values)


def test_the_geometric_mean_is_the_same_whichever_side_is_the_reference():
    ratios = [2.0, 8.0, 4.0]
    assert geometric_mean(ratios) == pytest.approx(4.0)
    assert geometric_mean([1 / ratio for ratio in ratios]) == pytest.approx(0.25)


@given(st.lists(st.floats(0.5, 20.0), min_size=1, max_size=6), st.integers(0, 9))
def test_the_interval_holds_the_value_and_vanishes_without_spread(medians, seed):
    figures = speed_up({str(i): np.full(9, value) for i, value in enumerate(medians)}, seed)
    assert figures["low"] == pytest.approx(figures["value"])
    assert figures["high"] == pytest.approx(figures["value"])


def test_the_interval_widens_with_the_spread_of_the_rounds():
    rng = np.random.default_rng(0)

    def width(spread: float) -> float:
        figures = speed_up({"p": 3.0 + spread * rng.standard_normal(41)})
        assert figures["low"] <= figures["value"] <= figures["high"]
        return figures["high"] - figures["low"]

    assert width(0.01) < width(0.1) < width(0.5)


@pytest.mark.parametrize(
    ("target", "met", "margin"),
    [
        (at_least("speed", 4.0, 3.2), True, 0.25),
        (at_least("speed", 1.6, 3.2), False, -0.5),
        (at_least("speed", 3.2, 3.2), True, 0.0),
        (at_most("time", 25.0, 50.0), True, 0.5),
        (at_most("time", 75.0, 50.0), False, -0.5),
        (at_most("lost", 0.0, 0.0), True, None),
        (at_most("lost", 1.0, 0.0), False, None),
        (at_least("gpu", None, 5.0, why="no GPU"), None, None),
    ],
)
def test_targets_say_whether_they_are_met_and_by_how_much(target, met, margin):
    assert target.met is met
    assert target.margin == (None if margin is None else pytest.approx(margin))


def test_a_target_that_was_not_run_says_why():
    assert verdict(at_least("gpu", None, 5.0, why="no GPU").document()) == "not run: no GPU"
    assert verdict(at_most("time", 75.0, 50.0).document()) == "missed, margin -50 %"


def test_a_part_writes_what_the_reader_takes(tmp_path, capsys):
    out = tmp_path / "deep" / "sample.json"
    part = Part("sample", "A part.", lambda options: ({"n": np.int64(3)}, [at_least("n", 3.0, 2.0)]))
    part.parser.add_argument("--threads", type=int, default=2)
    assert part.main(["--out", str(out), "--quick"]) == 0
    document = read_results(out)
    assert list(document) == ["schema", "part", "machine", "date", "settings", "results", "targets"]
    assert document["schema"] == "dynofa/benchmark/1"
    assert document["part"] == "sample"
    assert document["settings"]["quick"] is True
    assert document["settings"]["threads"] == 2
    assert document["results"] == {"n": 3}
    assert {"name", "value", "limit", "met"} <= set(document["targets"][0])
    assert "met, margin +50 %" in capsys.readouterr().out


def test_missed_targets_are_results_not_errors(tmp_path):
    out = tmp_path / "sample.json"
    part = Part("sample", None, lambda options: ({}, [at_least("n", 1.0, 2.0)]))
    assert part.main(["--out", str(out)]) == 0
    assert read_results(out)["targets"][0]["met"] is False


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "sample.json"
    write_json(file, compose("sample", {}, {}, []))
    before = file.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_json(file, {"results": math.nan})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "content", [{}, [], {"schema": "dynofa/benchmark/0"}, {"schema": "dynofa/benchmark/1"}]
)
def test_other_files_are_refused_by_name(tmp_path, content):
    file = tmp_path / "other.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"other\.json"):
        read_results(file)


def test_the_machine_is_described():
    machine = machine_description()
    assert machine["cores"] >= 1
    assert machine["cpu"] in machine_name(machine)
    assert machine["packages"]["numpy"] == np.__version__
    json.dumps(machine)


def test_layer_costs_add_up_to_the_family_s_multiply_adds_and_weights():
    family = load_family(family_path("digits"))
    for member in (family.members[0], family.members[-1]):
        network = family.network(member.spec.name)
        costs = list(layer_costs(network))
        assert sum(cost.macs for cost in costs) == member.macs
        biases = network.parameters() - sum(cost.weights for cost in costs)
        assert 0 < biases < 0.05 * network.parameters()
