"""Domains left to the kernel count at the clock that its governor chooses: against all combinations."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.manager.arbiter.arbiter import arbitrate, judge, terms
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterElement, ArbiterInput, ClockTable
from dynofa_ros.manager.arbiter.released import ReleasedClocks
from dynofa_ros.manager.models.power_model import BoardPowerModel, ElementPower
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective

POWER = BoardPowerModel(
    3.0,
    (
        ElementPower("cpu", "cpu0", 4, 500.0, 2000.0, 0.5, 6.0, 0.7),
        ElementPower("gpu", "gpu", 0, 300.0, 1000.0, 0.8, 8.0, 0.8),
    ),
)
CPU = ClockTable("cpu0", (500.0, 1000.0, 2000.0), full_mhz=2000.0)
GPU = ClockTable("gpu", (300.0, 600.0, 1000.0), full_mhz=1000.0)


def point(name, element, latency_ms, accuracy=0.9):
    domain, full_mhz = {"cpu": ("cpu0", 2000.0), "gpu": ("gpu", 1000.0)}[element]
    return OperatingPoint(
        name, element, element=element, threads=2 if element == "cpu" else 0, macs=1e6, accuracy=accuracy,
        latency_ms=latency_ms, clock_domain=domain, clocked_fraction=1.0, reference_mhz=full_mhz,
    )  # fmt: skip


POINTS = (point("net", "gpu", 8.0), point("net", "cpu", 14.0))


def application(name="front", **fields):
    fields = {"latency_ms": 30.0, "period_ms": 33.3, "objective": Objective.MIN_ENERGY, **fields}
    return ArbiterApplication(name, **{"points": POINTS, **fields})


def problem(*apps, busy=0.9, released_mhz=1000.0):
    elements = (ArbiterElement("cpu", 4), ArbiterElement("gpu", 0, background=busy))
    clocks = (CPU, replace(GPU, released_mhz=released_mhz))
    return ArbiterInput(apps or (application(),), clocks, elements, POWER, busy_limit=2.0)


def placed(result, question):
    return [app.points[i].element for app, i in zip(question.applications, result.choices, strict=True)]


def test_an_element_is_not_left_for_a_saving_that_its_governor_undoes():
    question = problem()
    assert placed(arbitrate(question), question) == ["cpu"]
    assert placed(ReleasedClocks.of(question, arbitrate).best, question) == ["gpu"]


def test_it_is_left_where_that_is_cheaper_all_the_same_and_the_power_says_at_which_clock():
    slow_there = (point("net", "gpu", 25.0), POINTS[1])
    question = problem(application(points=slow_there), busy=0.2, released_mhz=600.0)
    result = ReleasedClocks.of(question, arbitrate).best
    assert placed(result, question) == ["cpu"]
    assert result.clocks["gpu"] == 600.0
    assert result.power_w == judge(question, result.choices, result.clocks).power_w


def test_a_domain_that_nobody_else_uses_changes_nothing():
    question = problem(busy=0.0, released_mhz=math.nan)
    assert ReleasedClocks.of(question, arbitrate).best == arbitrate(question)


def test_what_is_in_force_stays_within_the_inertia():
    question = replace(problem(busy=0.45, released_mhz=600.0))
    free = ReleasedClocks.of(question, arbitrate).best
    other = 1 - free.choices[0]
    held = next(
        r
        for mhz in itertools.product(*(t.available_mhz for t in question.clocks))
        if (r := judge(question, (other,), dict(zip(("cpu0", "gpu"), mhz, strict=True)))) and r.feasible
    )
    kept = replace(question, incumbent=((other,), tuple(held.clocks.values())), inertia=100.0)
    assert ReleasedClocks.of(kept, arbitrate).best.choices == (other,)


def test_where_every_point_is_forbidden_it_decides_all_the_same():
    question = problem(application(forbidden=frozenset({0, 1})))
    assert ReleasedClocks.of(question, arbitrate).best.choices in {(0,), (1,)}


def least(question):
    """The best of all combinations, with domains that nobody uses at the clock they are released to."""
    choices = itertools.product(*(range(len(app.points)) for app in question.applications))
    clocks = list(itertools.product(*(t.available_mhz for t in question.clocks)))
    best = None
    for choice, mhz in itertools.product(choices, clocks):
        setting = dict(zip((t.domain for t in question.clocks), mhz, strict=True))
        used = {app.points[i].clock_domain for app, i in zip(question.applications, choice, strict=True)}
        for table in question.clocks:
            if table.domain not in used and table.released_mhz > setting[table.domain]:
                setting[table.domain] = table.released_mhz
        rank = terms(question, judge(question, choice, setting))
        best = rank if best is None or rank < best else best
    return best


@settings(deadline=None, max_examples=60)
@given(
    busy=st.floats(0.05, 1.0),
    released_mhz=st.sampled_from([600.0, 1000.0]),
    targets_ms=st.lists(st.floats(6.0, 60.0), min_size=1, max_size=2),
    objective=st.sampled_from([Objective.MIN_ENERGY, Objective.MAX_ACCURACY]),
)
def test_it_equals_an_exhaustive_search(busy, released_mhz, targets_ms, objective):
    apps = [application(f"a{i}", latency_ms=ms, objective=objective) for i, ms in enumerate(targets_ms)]
    question = problem(*apps, busy=busy, released_mhz=released_mhz)
    assert terms(question, ReleasedClocks.of(question, arbitrate).best) == least(question)
