"""What is in force stays where it is as good in everything but cost, and costs little more; else never."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.manager.arbiter.arbiter import arbitrate
from test_arbiter import SEARCHES, brute_force, brute_force_key, every_key, feasible, numbers, problems

NEAR = 2e-8


@st.composite
def problems_in_force(draw):
    """A problem with something in force; clocks that a table lacks (a new cap) too."""
    question = draw(problems())
    choices = tuple(draw(st.integers(0, len(a.points) - 1)) for a in question.applications)
    clocks = tuple(draw(st.sampled_from((*t.available_mhz, 1234.0))) for t in question.clocks)
    return replace(
        question, incumbent=(choices, clocks), inertia=draw(st.sampled_from([0.0, 0.05, 0.5, 5.0]))
    )


def incumbent_key(question):
    """Terms of what is in force; None where a table lacks one of its clocks."""
    choices, mhz = question.incumbent
    if any(f not in table.available_mhz for f, table in zip(mhz, question.clocks, strict=True)):
        return None
    clocks = {table.domain: f for f, table in zip(mhz, question.clocks, strict=True)}
    return brute_force_key(question, choices, clocks)


def kept(question, incumbent, best):
    """Whether the incumbent equals the best up to its cost, and costs at most the inertia more."""
    at = [name for name, _ in best].index("cost")
    same = numbers(incumbent)[:at] == pytest.approx(numbers(best)[:at], abs=NEAR)
    return same and incumbent[at][1] <= best[at][1] + question.inertia


@pytest.mark.parametrize("compiled", SEARCHES)
@settings(max_examples=400, deadline=None)
@given(question=problems_in_force())
def test_the_incumbent_is_kept_exactly_where_it_costs_at_most_the_inertia_more(question, compiled):
    result = arbitrate(question, compiled=compiled)
    found = brute_force_key(question, result.choices, result.clocks)
    best, incumbent = brute_force(question), incumbent_key(question)
    expected = incumbent if incumbent is not None and kept(question, incumbent, best) else best
    assert numbers(found) == pytest.approx(numbers(expected), abs=NEAR)


@settings(max_examples=300, deadline=None)
@given(problems_in_force())
def test_what_is_in_force_breaks_no_constraint_that_some_choice_keeps(question):
    if any(feasible(key) for key in every_key(question) if dict(key)["forbidden"] == 0):
        assert arbitrate(question).feasible


@settings(max_examples=200, deadline=None)
@given(problems_in_force())
def test_asked_again_about_its_own_choice_it_keeps_it(question):
    first = arbitrate(question)
    clocks = tuple(first.clocks[table.domain] for table in question.clocks)
    again = arbitrate(replace(question, incumbent=(first.choices, clocks)))
    assert (again.choices, again.clocks) == (first.choices, first.clocks)
