"""What is called hopeless never is feasible, and what plainly misses its target is called so."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.manager.arbiter.arbiter import arbitrate
from dynofa_ros.manager.arbiter.hopeless import hopeless
from test_released_clocks import POINTS, application, problem

MISSED = {"latency_ms": 7.9}


def test_a_target_that_no_clock_meets_is_hopeless_whoever_else_there_is():
    assert hopeless(problem(application(**MISSED)))
    assert hopeless(problem(application("a"), application("b", **MISSED)))
    assert not hopeless(problem(application(latency_ms=8.1)))


def test_only_points_that_count_give_hope():
    assert hopeless(problem(application(latency_ms=10.0, forbidden=frozenset({0}))))
    assert not hopeless(problem(application(latency_ms=10.0, forbidden=frozenset({0, 1}))))
    assert hopeless(problem(application(min_accuracy=0.95)))
    assert hopeless(problem(application(latency_ms=10.0, by_element={"gpu": (1.0, 1.5)})))


@settings(deadline=None, max_examples=100)
@given(
    latency_ms=st.floats(5.0, 20.0),
    tail=st.floats(1.0, 2.0),
    overhead_ms=st.floats(0.0, 6.0),
    min_accuracy=st.sampled_from([0.5, 0.9, 0.91]),
    forbidden=st.sets(st.integers(0, len(POINTS) - 1)),
)
def test_what_is_hopeless_is_not_feasible(latency_ms, tail, overhead_ms, min_accuracy, forbidden):
    asked = application(
        latency_ms=latency_ms, slowdown_tail=tail, overhead_ms=overhead_ms, min_accuracy=min_accuracy,
        forbidden=frozenset(forbidden),
    )  # fmt: skip
    question = problem(asked)
    assert not (hopeless(question) and arbitrate(question).feasible)
