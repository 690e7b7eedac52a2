"""What is called hopeless never is feasible, and what plainly misses its target is called so."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.manager.arbiter.arbiter import arbitrate
from dynofa_ros.manager.arbiter.hopeless import hopeless_points
from test_released_clocks import POINTS, application, problem

EVERY = frozenset(range(len(POINTS)))


def test_points_that_no_clock_makes_fast_enough_are_hopeless_whoever_else_there_is():
    asked = problem(application("a", latency_ms=7.9), application("b", latency_ms=8.1), application("c"))
    assert hopeless_points(asked) == (EVERY, frozenset({1}), frozenset())


def test_so_are_points_below_the_floor_or_too_slow_for_what_was_measured():
    assert hopeless_points(problem(application(min_accuracy=0.95))) == (EVERY,)
    slowed = application(latency_ms=15.0, by_element={"cpu": (1.0, 1.1)})
    assert hopeless_points(problem(slowed)) == (frozenset({1}),)


@settings(deadline=None, max_examples=100)
@given(
    latency_ms=st.floats(5.0, 20.0),
    tail=st.floats(1.0, 2.0),
    overhead_ms=st.floats(0.0, 6.0),
    min_accuracy=st.sampled_from([0.5, 0.9, 0.91]),
)
def test_with_hopeless_points_alone_nothing_is_feasible(latency_ms, tail, overhead_ms, min_accuracy):
    asked = application(
        latency_ms=latency_ms, slowdown_tail=tail, overhead_ms=overhead_ms, min_accuracy=min_accuracy
    )
    (hopeless,) = hopeless_points(problem(asked))
    if hopeless:
        only = replace(asked, forbidden=EVERY - hopeless)
        assert not arbitrate(problem(only)).feasible
