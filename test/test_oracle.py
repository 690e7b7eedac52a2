"""The oracle's plan comes true in the simulator, and nobody does better."""

import math

import numpy as np
import pytest

from dynofa_ros.simulation.merit import Merit, beats, merit_of
from dynofa_ros.simulation.policies import make_policy
from dynofa_ros.simulation.scenarios.scenario import load_scenario
from dynofa_ros.simulation.world.simulator import play, simulate_idle
from dynofa_ros.simulation.world.truth import truth_of
from oracle_worlds import WORLDS, at_the_current_limit, shortened, world

RIVALS = (
    "dynofa",
    "linux",
    "powersave",
    "performance",
    "alert",
    "alert_tuned",
    "poet",
    "dynamic_ofa_rule",
    "dvfs_only",
    "subnet_only",
    "static_best",
)

RELEASES = {name: name in ("two", "join") for name in WORLDS}
"""Whether a governor has a clock in between, so that its delays are not known exactly."""


def planned_and_played(truth):
    policy = make_policy("oracle")
    record = play(truth, policy)
    return policy.plan, record


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_every_frame_ends_when_it_was_planned_to(tmp_path, name):
    plan, record = planned_and_played(world(tmp_path, name))
    ends = {(plan.applications[f.frame.application][0], f.frame.index): f.end_s for f in plan.plan.frames}
    played = [
        (ends[app, frame.index], frame.end_s) for app, frames in record.frames.items() for frame in frames
    ]
    late_ms = np.abs(np.diff(np.array(played), axis=1)).ravel() * 1e3
    assert np.nanmean(late_ms) < (0.5 if RELEASES[name] else 1e-6)
    assert merit_of(record).misses == plan.plan.misses


@pytest.mark.parametrize("name", ["accuracy", "energy", "cap", "two"])
def test_uses_the_energy_that_was_planned(tmp_path, name):
    truth = world(tmp_path, name)
    plan, record = planned_and_played(truth)
    held = [(c.until_s, c.base_w) for c in plan.problem.conditions]
    ends = [min(until_s, 8.0) for until_s, _ in held]
    base_j = sum(w * (b - a) for (_, w), a, b in zip(held, [0.0, *ends], ends, strict=False))
    assert plan.plan.energy_j + base_j == pytest.approx(record.energy_j, rel=1e-3)


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_no_policy_beats_it(tmp_path, name):
    assert_unbeaten(world(tmp_path, name, seed=2))


@pytest.mark.parametrize(
    ("name", "share"), [("xavier_placement", 0.2), ("three_apps", 0.15), ("heat", 0.2), ("cores_cap", 0.2)]
)
def test_no_policy_beats_it_in_shipped_scenarios_made_short(name, share):
    assert_unbeaten(shortened(name, share, seed=2))


@pytest.mark.parametrize("seed", [5, 6, 8])
def test_no_policy_beats_it_where_three_applications_join_and_leave(seed):
    assert_unbeaten(shortened("join_leave", 0.1, seed=seed), ("performance", "alert_tuned", "dynofa"))


@pytest.mark.parametrize(("share", "seed"), [(0.15, 9), (0.2, 8)])
def test_no_policy_beats_it_where_the_supply_would_throttle(share, seed):
    assert_unbeaten(shortened("overcurrent", share, seed=seed), ("alert", "alert_tuned", "dynofa"))


def test_no_policy_beats_it_where_two_applications_share_what_the_supply_gives(tmp_path):
    assert_unbeaten(at_the_current_limit(tmp_path), ("dynofa", "alert", "poet", "performance"))


@pytest.mark.parametrize(
    ("name", "duration_s", "rivals"),
    [
        ("backlog", 0.5, ("dynofa", "performance")),
        ("holds", 1, ("dynofa", "performance")),
        ("unreachable", 2, ("powersave", "linux", "static_best")),
        ("no_budget", 2, ("alert", "linux")),
        ("crossing", 0.7, ("performance", "alert")),
    ],
)
def test_no_policy_beats_it_where_targets_are_hard_to_meet(tmp_path, name, duration_s, rivals):
    assert_unbeaten(world(tmp_path, name, duration_s=duration_s), rivals)


def assert_unbeaten(truth, rivals=RIVALS):
    idle_j = simulate_idle(truth).energy_j
    best = merit_of(play(truth, make_policy("oracle")))
    for rival in rivals:
        merit = merit_of(play(truth, make_policy(rival)))
        assert not beats(merit, best, idle_j), f"{rival}: {merit} against {best}"


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_it_does_not_pass_the_lower_bound(tmp_path, name):
    truth = world(tmp_path, name, seed=3)
    bound, best = (merit_of(play(truth, make_policy(policy))) for policy in ("lower_bound", "oracle"))
    assert (bound.misses, bound.below_floor) <= (best.misses, best.below_floor)
    if math.isnan(best.accuracy):
        assert bound.energy_j <= best.energy_j + 1e-6
    else:
        assert bound.accuracy >= best.accuracy - 1e-9


def test_a_power_budget_is_kept_from_the_next_second_on(tmp_path):
    _, record = planned_and_played(world(tmp_path, "budget"))
    assert merit_of(record).over_budget_s <= 1.0


def test_heat_is_foreseen_on_the_path(tmp_path):
    truth = world(tmp_path, "accuracy", duration_s=30)
    text = truth.scenario.file.read_text(encoding="utf-8")
    truth.scenario.file.write_text(
        text.replace("events: [", "events: [{t: 1, ambient_degc: 73}, "), encoding="utf-8"
    )

    hot = truth_of(load_scenario(truth.scenario.file), 1)
    plan, record = planned_and_played(hot)
    assert plan.plan.peak_degc == pytest.approx(record.peak_degc, abs=0.3)
    assert merit_of(record).misses == plan.plan.misses


def test_misses_outweigh_everything_but_a_power_budget():
    good = Merit(0.0, 0, 0, 0.70, 100.0)
    assert beats(good, Merit(0.0, 1, 0, 0.90, 10.0), 0.0)
    assert beats(Merit(0.0, 5, 5, 0.1, 900.0), Merit(1.0, 0, 0, 0.9, 1.0), 0.0)
    assert beats(good, Merit(0.0, 0, 1, 0.90, 10.0), 0.0)
    assert beats(Merit(0.0, 0, 0, 0.701, 200.0), good, 0.0)
    assert not beats(Merit(0.0, 0, 0, 0.70, 99.95), good, 0.0)
    assert beats(Merit(0.0, 0, 0, 0.70, 99.0), good, 50.0)
