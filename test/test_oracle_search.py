"""The oracle's search equals exhaustive search and carries waiting, switching, actuation and heat."""

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dynofa_ros.simulation.oracle.search import OracleSearch
from dynofa_ros.simulation.oracle.survivors import Continuations, levels, spread, stairs
from dynofa_ros.simulation.oracle.throttled import LINGER_S, throttled
from oracle_samples import small_problem


class OneFrameAtATime:
    """The frame model once more, as plain as it can be: one sequence of actions, event by event."""

    def __init__(self, problem):
        self.problem = problem
        self.actions = problem.actions[0]

    def score(self, sequence):
        """(misses, below floor, lost accuracy, energy)."""
        delays = self.problem.elements[0].actuation_s
        clock, changes, free_s, changed_s, last = self.problem.elements[0].initial, 0, 0.0, 0.0, None
        timeline, work_j, misses, below, lost = [(0.0, clock)], 0.0, 0, 0, 0.0
        best = max(self.actions.accuracy)
        for frame, action in zip(self.problem.frames, sequence, strict=True):
            accuracy = 0.0
            if free_s < frame.next_arrival_s:
                point, wanted = int(self.actions.point[action]), int(self.actions.clock[action])
                start_s = max(frame.arrival_s, free_s)
                switch_s = self.problem.switch_s if last not in (None, point) else 0.0
                if wanted != clock:
                    delay_s = delays[min(changes, len(delays) - 1)]
                    asked_s = max(free_s, start_s - delay_s) if wanted > clock else free_s
                    changed_s = max(asked_s, changed_s) + delay_s
                    timeline.append((changed_s, wanted))
                    changes += 1
                end_s, joule = self.run(frame, point, start_s, timeline, switch_s)
                clock, free_s, last, work_j = wanted, end_s, point, work_j + joule
                if end_s - frame.release_s <= frame.target_s:
                    accuracy = float(self.actions.accuracy[action])
                    below += accuracy < frame.min_accuracy
            misses += accuracy == 0.0
            lost += round((best - accuracy) * 1e4) if frame.wants_accuracy else 0
        return misses, below, lost, work_j + self.idle_j(timeline)

    def run(self, frame, point, start_s, timeline, switch_s):
        now_s, left, joule = start_s, 1.0, 0.0
        moments = sorted({*(t for t, _ in timeline), *(c.until_s for c in self.problem.conditions), math.inf})
        for moment in moments:
            if moment <= now_s:
                continue
            holding = next(c for c in self.problem.conditions if c.until_s > now_s)
            clock = next(clock for since_s, clock in reversed(timeline) if since_s <= now_s)
            needs_s = holding.time_s[0][point, clock] * frame.factor + switch_s
            used_s = min(moment - now_s, left * needs_s)
            joule += used_s * holding.power_w[0][point, clock]
            left -= used_s / needs_s
            now_s += used_s
            if left < 1e-12:
                break
        return now_s, joule

    def idle_j(self, timeline):
        ends = [*(t for t, _ in timeline[1:]), self.problem.horizon_s]
        idle_w = self.problem.conditions[0].idle_w[0]
        return sum((end - t) * idle_w[clock] for (t, clock), end in zip(timeline, ends, strict=True))


class EverySequence:
    """The frame model a third time, for all sequences of actions at once, grown frame by frame."""

    def __init__(self, problem):
        self.problem, self.actions = problem, problem.actions[0]

    def best(self, chunk=0):
        """The least (misses, below floor, lost accuracy, energy) of all that begin with `chunk`."""
        n = 1
        state = {name: np.zeros(n) for name in ("free", "changed", "work", "misses", "below", "lost", "idle")}
        state |= {name: np.zeros(n, dtype=int) for name in ("clock", "changes", "before")} | {
            "last": np.full(n, -1)
        }
        for number, frame in enumerate(self.problem.frames):
            state = self.grown(state, frame, [chunk] if number == 0 else range(len(self.actions.point)))
        idle_w = self.problem.conditions[0].idle_w[0]
        energy = (
            state["work"]
            + state["idle"]
            + idle_w[state["clock"]] * (self.problem.horizon_s - state["changed"])
        )
        order = (state["misses"], state["below"], state["lost"])
        for term in order:
            energy = np.where(term == term[np.isfinite(energy)].min(), energy, np.inf)
        at = int(energy.argmin())
        return (*(round(float(term[at])) for term in order), float(energy[at]))

    def grown(self, state, frame, allowed):
        count = len(state["free"])
        old = {name: np.repeat(values, len(allowed)) for name, values in state.items()}
        action = np.tile(np.array(allowed), count)
        point, wanted = self.actions.point[action], self.actions.clock[action]
        start = np.maximum(old["free"], frame.arrival_s)
        switch = self.problem.switch_s * ((old["last"] != point) & (old["last"] >= 0))
        delays = np.array(self.problem.elements[0].actuation_s)
        delay = delays[np.minimum(old["changes"], len(delays) - 1)]
        ahead = np.where(wanted > old["clock"], start - delay, old["free"])
        moved = wanted != old["clock"]
        changed = np.where(
            moved, np.maximum.reduce([ahead, old["free"], old["changed"]]) + delay, old["changed"]
        )
        first_s = np.maximum(old["changed"], start)
        second_s = np.where(moved, np.maximum(changed, start), start)
        forever_s = np.full(len(start), np.inf)
        end, joule = start, np.zeros(len(start))
        left = np.ones(len(start))
        for clock, until in ((old["before"], first_s), (old["clock"], second_s), (wanted, forever_s)):
            since = -np.inf
            for holding in self.problem.conditions:
                needs = holding.time_s[0][point, clock] * frame.factor + switch
                room = np.minimum(until, holding.until_s) - np.maximum(end, since)
                part = np.clip(room / needs, 0.0, left)
                end, left = end + part * needs, left - part
                joule = joule + part * needs * holding.power_w[0][point, clock]
                since = holding.until_s
        accuracy = self.actions.accuracy[action]
        on_time = end - frame.release_s <= frame.target_s
        idle_w = self.problem.conditions[0].idle_w[0]
        new = {
            "free": end,
            "changed": changed,
            "work": old["work"] + joule,
            "idle": old["idle"] + idle_w[old["clock"]] * (changed - old["changed"]),
            "misses": old["misses"] + ~on_time,
            "below": old["below"] + (on_time & (accuracy < frame.min_accuracy)),
            "clock": wanted,
            "before": np.where(moved, old["clock"], old["before"]),
            "changes": old["changes"] + moved,
            "last": point,
        }
        best = self.actions.accuracy.max()
        loss = np.rint((best - np.where(on_time, accuracy, 0.0)) * 1e4)
        new["lost"] = old["lost"] + (loss if frame.wants_accuracy else 0.0)
        dropped = old["free"] >= frame.next_arrival_s
        passed = old | {
            "misses": old["misses"] + 1,
            "lost": old["lost"] + (round(best * 1e4) if frame.wants_accuracy else 0),
        }
        return {name: np.where(dropped, passed[name], new[name]) for name in new}


def score(plan, problem):
    best = problem.actions[0].accuracy.max()
    lost = [
        round((best - (0.0 if f.missed else problem.actions[0].accuracy[f.action])) * 1e4)
        for f in plan.frames
        if f.frame.wants_accuracy
    ]
    return plan.misses, plan.below_floor, sum(lost), plan.energy_j


def assert_same(found, expected):
    assert found[:3] == expected[:3]
    assert found[3] == pytest.approx(expected[3], abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_a_followed_sequence_costs_what_the_plain_model_says(seed):
    problem = small_problem(seed)
    rng = np.random.default_rng(100 + seed)
    for _ in range(20):
        sequence = rng.integers(0, 16, len(problem.frames))
        plan = OracleSearch(problem).follow(list(sequence))
        assert_same(score(plan, problem), OneFrameAtATime(problem).score(sequence))


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_plain_model_tried_on_every_sequence_of_three_frames(seed):
    problem = small_problem(seed, frames=3)
    plain = OneFrameAtATime(problem)
    best = min(plain.score(sequence) for sequence in itertools.product(range(16), repeat=3))
    assert_same(score(OracleSearch(problem).plan(), problem), best)


@pytest.mark.parametrize("seed", [0, 1])
def test_equals_exhaustive_search_on_six_frames_four_points_and_four_clocks(seed):
    problem = small_problem(seed)
    every = EverySequence(problem)
    best = min(every.best(chunk) for chunk in range(16))
    plan = OracleSearch(problem, keep=16).plan()
    assert plan.exact
    assert_same(score(plan, problem), best)


@pytest.mark.parametrize("seed", [1, 8, 17])
def test_levels_of_backlog_reach_the_least_misses_where_three_of_each_action_do_not(seed):
    problem = small_problem(seed, frames=12, period_s=0.005, target_s=0.02)
    best = OracleSearch(problem, keep=200).plan()
    assert best.exact
    assert OracleSearch(problem).plan().misses > best.misses
    assert OracleSearch(problem, backlogs=80).plan().misses == best.misses


def test_levels_keep_the_cheapest_of_each_clock_that_no_lower_level_undercuts():
    costs = np.array([[0, 3], [2, 1], [2, 9]])
    backlogs_s = np.array([[9.0, 0.0], [0.0, 0.0], [4.0, 9.0]])
    everything = Continuations(costs, costs, np.ones((3, 2)), backlogs_s)
    rows, actions = levels(everything, np.array([0, 0]), 4)
    assert sorted(zip(rows.tolist(), actions.tolist(), strict=True)) == [(0, 0), (1, 1)]
    rows, actions = levels(everything, np.array([0, 1]), 4)
    assert sorted(zip(rows.tolist(), actions.tolist(), strict=True)) == [(0, 0), (1, 0), (1, 1)]


@pytest.mark.parametrize(("over_ms", "violations"), [(12.0, 1), (8.0, 0)])
def test_the_supply_throttles_what_draws_too_much_for_ten_milliseconds(over_ms, violations):
    """A co-runner comes in the middle of an inference."""
    problem = small_problem(0, frames=1, target_s=0.1)
    before, after = problem.conditions
    slow = np.full_like(before.time_s[0], 0.015)
    before, after = (replace(held, time_s=(slow,), highest_w=8.0) for held in (before, after))
    before = replace(before, until_s=10.0)
    whole = OracleSearch(replace(problem, conditions=(before,))).follow([0])
    assert whole.violations == 0
    arrives_s = whole.frames[0].end_s - over_ms / 1e3
    busy = (replace(before, until_s=arrives_s), replace(after, base_w=9.0))
    assert OracleSearch(replace(problem, conditions=busy)).follow([0]).violations == violations


def continuations(cost, energy_j, backlog_s):
    """One action, one row per label."""
    columns = [np.array(values)[:, None] for values in (cost, cost, energy_j, backlog_s)]
    return Continuations(*columns)


def test_a_spread_reaches_the_least_backlog_where_stairs_stop_half_way():
    found = continuations([0] * 6, [1.0, 1.1, 1.2, 1.3, 1.4, 1.5], [6.0, 5.9, 5.8, 5.7, 3.0, 0.0])
    (rows, _), complete = stairs(found, 3)
    assert rows.tolist() == [0, 1, 2]
    assert not complete
    assert spread(found, 3)[0].tolist() == [0, 4, 5]


def test_a_spread_gives_nothing_up_for_less_backlog():
    found = continuations([0, 0, 1], [1.0, 2.0, 0.5], [6.0, 4.0, 0.0])
    assert spread(found, 4)[0].tolist() == [0, 1]
    assert spread(found, 1)[0].tolist() == [0]


def test_a_plan_that_lets_the_supply_throttle_keeps_to_half_the_clocks_until_that_is_over():
    problem = small_problem(0)
    first, last = problem.conditions
    short = replace(problem, conditions=(replace(first, highest_w=3.0), last))
    points = [SimpleNamespace(element="gpu")] * 4
    slowed = throttled(short, [points]).conditions
    assert [held.until_s for held in slowed] == [first.until_s, first.until_s + LINGER_S, math.inf]
    assert [int(held.highest[0]) for held in slowed] == [0, 0, 3]
    for before, after in zip((first, last), slowed[:2], strict=True):
        assert (after.time_s[0][:, :4] == before.time_s[0][:, :1]).all()
        assert math.isinf(after.highest_w)
    assert slowed[2] is last
    assert throttled(problem, [points]).conditions == problem.conditions
