"""The compiled search by itself: loads only what belongs to it, and agrees with numpy on larger problems."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from dynofa_ros.engine import frame_kernel
from dynofa_ros.manager.arbiter import arbiter_kernel
from dynofa_ros.manager.arbiter.arbiter import arbitrate
from dynofa_ros.manager.arbiter.arbiter_kernel import ArbiterKernel
from dynofa_ros.manager.arbiter.choice import Choices, Question
from dynofa_ros.manager.arbiter.chosen import Chosen
from dynofa_ros.manager.arbiter.search import Search

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from decisions import later, question

ENOUGH = 10**7


@pytest.fixture(scope="module")
def kernel() -> ArbiterKernel:
    loaded = arbiter_kernel.load()
    if loaded is None:
        pytest.skip(f"runs {arbiter_kernel.describe()}")
    return loaded


def test_another_library_is_not_taken():
    other = frame_kernel.load()
    if other is None:
        pytest.skip("there is no other library")
    with pytest.raises((OSError, AttributeError)):
        ArbiterKernel(other.file)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_best_of_larger_problems_is_the_same_without_it(kernel, seed, exclusive):
    asked = question(seed, applications=3, points=12, cpu_clocks=6, gpu_clocks=5, exclusive=exclusive)
    posed = Question.of(asked)
    by_numpy, found = Search(posed, ENOUGH).run(), kernel.solve(posed, ENOUGH)
    assert by_numpy.bound is None
    assert found.bound is None
    assert by_numpy.values == pytest.approx(found.values, abs=2e-8)


@pytest.mark.parametrize("seed", [19, *range(6)])
def test_where_inferences_wait_a_budget_that_ends_the_search_early_suffices_for_the_targets(seed):
    """The bounds of slow clocks count no waiting and are out of reach: they must not use up the budget."""
    asked = question(seed, applications=4, points=50, cpu_clocks=32, gpu_clocks=20, exclusive=True)
    assert arbitrate(asked).feasible


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_a_choice_leads_to_the_same_without_it(kernel, seed, exclusive):
    posed = Question.of(later(question(seed, 3, 12, 6, 5, exclusive), np.random.default_rng(seed)))
    rng = np.random.default_rng(seed)
    for _ in range(5):
        setting = int(rng.integers(posed.layout.settings.count))
        entries = posed.layout.entries_at(rng.integers(12, size=3).tolist(), setting)
        choice = Choices(posed, np.array([setting]), np.array(entries)[:, None])
        chosen = Chosen(posed, setting, entries, kernel.evaluate(posed, entries))
        assert chosen.figures == Chosen.of(posed, choice).figures
        assert [chosen.term(kind) for kind in posed.kinds] == pytest.approx(
            choice.values(choice.everything)[:, 0]
        )


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("seed", [1, 6, 20])
def test_a_spent_budget_is_reported_with_a_bound_that_the_best_does_not_undercut(kernel, seed, compiled):
    asked = question(seed, applications=4, points=24, cpu_clocks=8, gpu_clocks=8, exclusive=True)
    hurried = arbitrate(asked, node_budget=50, compiled=compiled)
    best = arbitrate(asked, node_budget=ENOUGH)
    assert best.exact
    assert not hurried.exact
    asked_again = Question.of(asked)
    names = [kind.name for kind in asked_again.kinds]
    values = [_values(asked_again, result) for result in (hurried, best)]
    places = [i for i, name in enumerate(names) if name == hurried.bound.term]
    assert any(
        values[0][:i] == pytest.approx(values[1][:i], abs=2e-8)
        and values[0][i] == pytest.approx(hurried.bound.value)
        and hurried.bound.least <= values[1][i] + 2e-8
        for i in places
    )


def _values(asked, result):
    setting = asked.layout.settings.index_of(tuple(result.clocks.values()))
    entries = asked.layout.entries_at(result.choices, setting)
    choice = Choices(asked, np.array([setting]), np.array(entries)[:, None])
    return list(choice.values(choice.everything)[:, 0])
