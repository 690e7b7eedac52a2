"""The compiled search by itself: loads only what belongs to it, and agrees with numpy on larger problems."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from dynofa_ros.engine import frame_kernel
from dynofa_ros.manager import arbiter_kernel
from dynofa_ros.manager.arbiter import arbitrate
from dynofa_ros.manager.arbiter_kernel import ArbiterKernel
from dynofa_ros.manager.choice import Choices, Question
from dynofa_ros.manager.search import Search

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from decisions import question

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
    searches = [Search(Question.of(asked), ENOUGH, used) for used in (None, kernel)]
    for search in searches:
        search.run()
        assert search.bound is None
    assert searches[0].best_values == pytest.approx(searches[1].best_values, abs=2e-8)


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
    layout = asked.layout
    setting = layout.settings.index_of(tuple(result.clocks.values()))
    points = [first + i for first, i in zip(layout.first_point, result.choices, strict=False)]
    entries = [[layout.entries(point, setting)] for point in points]
    choice = Choices(asked, np.array([setting]), np.array(entries))
    return list(choice.values(choice.everything)[:, 0])
