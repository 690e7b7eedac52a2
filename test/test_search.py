from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

from dynofa_ros.supernet.measure import bootstrap_interval
from dynofa_ros.supernet.search import (
    TOLERANCE,
    Candidate,
    budgets,
    mutate,
    pareto_front,
    search_budget,
    spread,
)
from dynofa_ros.supernet.space import OfaMbv3Space
from dynofa_ros.supernet.subnet_spec import uniform_spec

SPACE = OfaMbv3Space(0.5, 10, (64, 96, 128, 160))
SMALLEST, LARGEST = uniform_spec("small", 64, 2, 3, 3), uniform_spec("large", 160, 4, 7, 6)


def test_every_budget_between_the_extremes_has_candidates_near_it_best_first():
    rng = np.random.default_rng(1)
    for budget in budgets(SPACE, SMALLEST, LARGEST, 8)[1:-1]:
        found = search_budget(SPACE, budget, lambda spec: sum(spec.kernel_size), rng, 3, 3)
        assert len(found) == 6
        assert all(abs(candidate.macs / budget - 1) <= TOLERANCE for candidate in found)
        assert [c.accuracy for c in found] == sorted((c.accuracy for c in found), reverse=True)
        assert len({candidate.spec.architecture() for candidate in found}) == 6


def test_evolution_finds_better_ones_than_chance():
    rng = np.random.default_rng(2)
    wanted = rng.choice((3, 5, 7), 20)

    def score(spec):
        return float(np.mean(np.array(spec.kernel_size) == wanted))

    evolved = search_budget(SPACE, 30e6, score, rng, 8, 40)[0].accuracy
    chance = search_budget(SPACE, 30e6, score, rng, 48, 0)[0].accuracy
    assert evolved > chance


def test_mutants_stay_in_the_space():
    rng = np.random.default_rng(3)
    for _ in range(50):
        SPACE.validate(mutate(SPACE, LARGEST, rng))


def test_the_front_rises_in_cost_and_accuracy():
    candidates = [
        Candidate(SMALLEST, macs, accuracy) for macs, accuracy in ((3, 0.5), (1, 0.4), (2, 0.6), (4, 0.7))
    ]
    assert [c.macs for c in pareto_front(candidates)] == [1, 2, 4]


def test_of_two_equally_costly_the_better_is_on_the_front():
    candidates = [Candidate(SMALLEST, 1, 0.4), Candidate(SMALLEST, 1, 0.5)]
    assert [c.accuracy for c in pareto_front(candidates)] == [0.5]


@pytest.mark.parametrize(
    ("costs", "kept"),
    [
        ((10, 11, 15, 16, 30), [10, 16, 30]),
        ((10, 11), [10, 11]),
        ((10,), [10]),
        ((10, 13, 16), [10, 13, 16]),
        ((10, 11, 13), [10, 13]),
    ],
)
def test_a_spread_front_keeps_its_ends_and_drops_near_duplicates(costs, kept):
    front = [Candidate(SMALLEST, cost, cost / 100) for cost in costs]
    assert [candidate.macs for candidate in spread(front, 1.2)] == kept


def test_the_interval_counts_scans_not_images():
    rng = np.random.default_rng(4)
    scans = np.repeat(np.arange(50), 100)
    by_scan = np.repeat(rng.random(50) < 0.8, 100)
    by_image = rng.random(5000) < 0.8
    wide, narrow = (np.diff(bootstrap_interval(correct, scans))[0] for correct in (by_scan, by_image))
    assert wide > 4 * narrow
    low, high = bootstrap_interval(by_scan, scans)
    assert low < by_scan.mean() < high
