"""Clocks for bursts never cost what the percentile planned for had."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.manager.arbiter.arbiter import arbitrate
from dynofa_ros.manager.arbiter.headroom import with_headroom
from dynofa_ros.manager.arbiter.problem import ArbiterElement, ClockTable
from dynofa_ros.manager.qos import Objective
from test_arbiter import CPU, app, point, problem

GPU = ClockTable("gpu", (300.0, 400.0, 600.0, 800.0, 1000.0), 1000.0)
TIMES_MS = st.floats(4.0, 20.0)
TARGETS_MS = st.floats(10.0, 40.0)


def test_clocks_ride_out_bursts_where_accuracy_counts():
    question = problem(app(latency_ms=33.0, period_ms=50.0))
    plain = arbitrate(question)
    wide = with_headroom(question, plain, [1.5], arbitrate)
    assert wide.choices == plain.choices
    assert wide.clocks["cpu0"] > plain.clocks["cpu0"]
    saving = replace(
        question, applications=(app(latency_ms=33.0, period_ms=50.0, objective=Objective.MIN_ENERGY),)
    )
    assert with_headroom(saving, arbitrate(saving), [1.5], arbitrate) == arbitrate(saving)


@settings(max_examples=150, deadline=None)
@given(
    times_ms=st.tuples(TIMES_MS, TIMES_MS),
    targets_ms=st.tuples(TARGETS_MS, TARGETS_MS),
    budget_w=st.floats(6.0, 12.0),
    bursts=st.tuples(st.floats(1.0, 2.0), st.floats(1.0, 2.0)),
    objectives=st.tuples(*[st.sampled_from(list(Objective))] * 2),
)
def test_it_never_breaks_what_held(times_ms, targets_ms, budget_w, bursts, objectives):
    apps = [
        app(name, points=(point("net", time_ms, 0.9, element),), latency_ms=target_ms, objective=objective)
        for name, element, time_ms, target_ms, objective in zip(
            "ab", ("gpu", "cpu"), times_ms, targets_ms, objectives, strict=True
        )
    ]
    question = problem(
        replace(apps[0], max_power_w=budget_w), apps[1],
        clocks=(CPU, GPU), elements=(ArbiterElement("cpu", 4), ArbiterElement("gpu")),
    )  # fmt: skip
    plain = arbitrate(question)
    wide = with_headroom(question, plain, bursts, arbitrate)
    assert wide.choices == plain.choices
    assert wide.feasible or not plain.feasible
