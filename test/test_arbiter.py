"""The arbiter equals an independent exhaustive search, and gives way in the documented order."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.manager.arbiter import arbitrate
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.power_model import BoardPowerModel, DomainPower, ElementPower
from dynofa_ros.manager.problem import (
    ArbiterApplication,
    ArbiterElement,
    ArbiterInput,
    ClockTable,
    HeatLimit,
)
from dynofa_ros.manager.qos import Objective

NAN = math.nan
POWER = BoardPowerModel(
    base_w=3.0,
    elements=(
        ElementPower("cpu", "cpu0", 4, 500.0, 2000.0, 1.0, 4.0, 0.7),
        ElementPower("gpu", "gpu", 0, 300.0, 1000.0, 0.8, 6.0, 0.8),
    ),
    domains=(DomainPower("emc", (200.0, 3200.0), (0.2, 2.0)),),
)
CPU = ClockTable("cpu0", (500.0, 1000.0, 2000.0), full_mhz=2000.0)


def point(name, latency_ms, accuracy, element="cpu", s=0.9, threads=1, placement=""):
    domain = {"cpu": "cpu0", "gpu": "gpu"}[element]
    reference = 2000.0 if element == "cpu" else 1000.0
    return OperatingPoint(
        name, placement, element=element, threads=threads, macs=latency_ms * 1e6, accuracy=accuracy,
        latency_ms=latency_ms, clock_domain=domain, clocked_fraction=s, reference_mhz=reference,
    )  # fmt: skip


FRONT = (point("small", 4.0, 0.90), point("middle", 8.0, 0.94), point("large", 16.0, 0.97))


def app(name="front", **fields):
    return ArbiterApplication(name, **{"points": FRONT, "period_ms": 33.3, "latency_ms": 30.0, **fields})


def problem(*apps, **fields):
    fields = {"clocks": (CPU,), "elements": (ArbiterElement("cpu", 4),), "power": POWER, **fields}
    return ArbiterInput(tuple(apps), **fields)


# Brute force: one combination at a time, in plain Python, straight from the documented order.


def brute_force_key(question, choice, clocks):
    f = {**question.other_clocks, **clocks}
    idle = POWER.base_w + float(POWER.domains[0].at(f.get("emc", NAN)))
    active = {}
    for e in POWER.elements:
        scale = float(e.scale(f.get(e.domain, NAN)))
        idle += e.idle_w * scale
        active[e.element] = e.active_w * scale
    power = idle + sum(e.background * active[e.name] for e in question.elements)
    cores = {e.name: e.cores for e in question.elements}
    busy, over, rows, caution, forbidden = {}, 0.0, [], 0, 0
    for a, i in zip(question.applications, choice, strict=True):
        p = a.points[i]
        mhz = clocks.get(p.clock_domain)
        stretch = (
            1.0 if mhz is None else p.clocked_fraction * p.reference_mhz / mhz + 1.0 - p.clocked_fraction
        )
        median, tail = a.by_element.get(p.element, (a.slowdown, a.slowdown_tail))
        latency = a.overhead_ms + tail * p.latency_ms * stretch
        use = median * p.latency_ms * stretch / a.period_ms if a.period_ms > 0 else 0.0
        share = min(1.0, p.threads / cores[p.element]) if p.threads and cores.get(p.element) else 1.0
        busy[p.element] = busy.get(p.element, 0.0) + use * share
        power += min(use, 1.0) * share * active[p.element]
        over += max(0.0, use - question.busy_limit)
        excess = 0.0 if math.isnan(a.latency_ms) else max(0.0, latency / a.latency_ms - 1.0)
        floor = 0.0 if math.isnan(a.min_accuracy) else max(0.0, a.min_accuracy - p.accuracy)
        rows.append((a, excess, floor, p.accuracy))
        current = None if a.current is None else a.points[a.current].accuracy
        tables = {t.domain: t for t in question.clocks}
        lowered = mhz is not None and mhz < tables[p.clock_domain].current_mhz
        tight = use / question.busy_limit > 1 - a.margin
        tight |= not math.isnan(a.latency_ms) and latency / a.latency_ms > 1 - a.margin
        caution += tight and (lowered or current is None or p.accuracy > current)
        forbidden += i in a.forbidden
    over += sum(max(0.0, value - question.busy_limit) for value in busy.values())
    key = [forbidden, max(0.0, power - question.max_power_w)]
    if question.heat:
        reached = question.heat.offset_degc + question.heat.degc_per_w * power
        key.append(max(0.0, reached - question.heat.limit_degc))
    key.append(over)
    levels = sorted({a.priority for a in question.applications}, reverse=True)
    for column in (1, 2):
        for level in levels:
            values = [row[column] for row in rows if row[0].priority == level]
            key += [sum(value > 1e-9 for value in values), sum(values)]
    key.append(caution)
    for level in levels:
        wants = [r[3] for r in rows if r[0].priority == level and r[0].objective == Objective.MAX_ACCURACY]
        key.append(-sum(wants))
    return [*key, power, -sum(row[3] for row in rows)]


def brute_force(question):
    names = [table.domain for table in question.clocks]
    keys = []
    for setting in itertools.product(*(table.available_mhz for table in question.clocks)):
        clocks = dict(zip(names, setting, strict=True))
        choices = itertools.product(*(range(len(a.points)) for a in question.applications))
        keys += [brute_force_key(question, choice, clocks) for choice in choices]
    for column in range(len(keys[0])):
        best = min(key[column] for key in keys)
        keys = [key for key in keys if key[column] <= best + 1e-9]
    return keys[0]


@st.composite
def points(draw):
    """Sub-networks on one or two placements each, which may lie on different elements."""
    keys = [(f"p{i}", n) for i in range(draw(st.integers(1, 3))) for n in range(draw(st.integers(1, 2)))]
    return tuple(
        point(
            name,
            draw(st.floats(0.5, 40.0)),
            draw(st.floats(0.5, 1.0)),
            draw(st.sampled_from(["cpu", "cpu", "gpu"])),
            draw(st.sampled_from([0.0, 0.5, 0.9, 1.0])),
            draw(st.sampled_from([0, 1, 2])),
            placement=f"placement{n}",
        )
        for name, n in keys
    )


@st.composite
def applications(draw, index):
    family = draw(points())
    indices = st.integers(0, len(family) - 1)
    return ArbiterApplication(
        f"app{index}",
        family,
        latency_ms=draw(st.sampled_from([NAN, 5.0, 15.0, 30.0, 80.0])),
        min_accuracy=draw(st.sampled_from([NAN, 0.6, 0.8, 0.99])),
        max_power_w=draw(st.sampled_from([NAN, NAN, 5.0, 8.0, 12.0])),
        objective=draw(st.sampled_from(list(Objective))),
        priority=draw(st.integers(0, 2)),
        slowdown_tail=draw(st.floats(0.9, 3.0)),
        slowdown=draw(st.floats(0.9, 2.0)),
        by_element=draw(st.sampled_from([{}, {"gpu": (1.1, 1.6)}, {"cpu": (2.0, 2.5)}])),
        overhead_ms=draw(st.floats(0.0, 10.0)),
        period_ms=draw(st.sampled_from([NAN, 10.0, 33.3])),
        current=draw(st.none() | indices),
        forbidden=draw(st.sets(indices, max_size=1).map(frozenset)),
        margin=draw(st.sampled_from([0.0, 0.1, 0.3])),
    )


@st.composite
def problems(draw):
    apps = tuple(draw(applications(i)) for i in range(draw(st.integers(1, 3))))
    current = draw(st.sampled_from([NAN, 1000.0, 2000.0]))
    gpu = ClockTable("gpu", (300.0, 600.0, 1000.0), 1000.0)
    tables = draw(st.sampled_from([(), (CPU,), (CPU, gpu)]))
    return ArbiterInput(
        apps,
        clocks=tuple(replace(table, current_mhz=current) for table in tables),
        elements=(ArbiterElement("cpu", draw(st.sampled_from([1, 4])), draw(st.floats(0.0, 0.5))),),
        power=POWER,
        other_clocks={"emc": 3200.0},
        heat=draw(st.none() | st.builds(HeatLimit, st.floats(40, 80), st.floats(0.1, 2.0), st.just(85.0))),
        busy_limit=draw(st.sampled_from([0.5, 0.9])),
    )


@settings(max_examples=1000, deadline=None)
@given(problems())
def test_equals_exhaustive_search(question):
    result = arbitrate(question)
    expected = brute_force(question)
    assert brute_force_key(question, result.choices, result.clocks) == pytest.approx(expected, abs=2e-8)
    assert result.power_w == pytest.approx(expected[-2])


@settings(max_examples=150, deadline=None)
@given(problems())
def test_reported_violations_are_those_of_the_choice(question):
    result = arbitrate(question)
    for application, choice, latency_ms, names in zip(
        question.applications, result.choices, result.latency_ms, result.violations, strict=True
    ):
        late = latency_ms > application.latency_ms * (1 + 1e-8)
        assert ("latency" in names) == late
        low = application.points[choice].accuracy < application.min_accuracy - 1e-8
        assert ("min_accuracy" in names) == low
    assert ("power_budget" in result.board_violations) == (result.power_w > question.max_power_w + 1e-8)


def test_most_accurate_point_that_fits_at_the_lowest_clock_that_does():
    result = arbitrate(problem(app(latency_ms=20.0)))
    assert FRONT[result.choices[0]].subnet == "large"
    assert result.clocks == {"cpu0": 2000.0}
    relaxed = arbitrate(problem(app(latency_ms=35.0, period_ms=50.0)))
    assert (FRONT[relaxed.choices[0]].subnet, relaxed.clocks) == ("large", {"cpu0": 1000.0})


def test_min_energy_takes_the_least_power_above_the_accuracy_floor():
    result = arbitrate(problem(app(objective=Objective.MIN_ENERGY, min_accuracy=0.93)))
    assert FRONT[result.choices[0]].subnet == "middle"
    assert result.feasible


def test_without_a_target_it_keeps_up_with_the_period():
    result = arbitrate(problem(app(latency_ms=NAN, period_ms=10.0)))
    assert FRONT[result.choices[0]].subnet == "middle"


def test_a_slow_down_moves_to_a_smaller_point():
    result = arbitrate(problem(app(latency_ms=20.0, slowdown_tail=1.5)))
    assert FRONT[result.choices[0]].subnet == "middle"


def test_the_lower_priority_gives_way_when_one_core_cannot_carry_both():
    one_core = {"elements": (ArbiterElement("cpu", 1),)}
    first, second = app("first", priority=2), app("second", priority=1)
    result = arbitrate(problem(first, second, **one_core))
    assert [FRONT[i].subnet for i in result.choices] == ["large", "middle"]
    swapped = arbitrate(problem(replace(first, priority=0), second, **one_core))
    assert [FRONT[i].subnet for i in swapped.choices] == ["middle", "large"]


def test_the_accuracy_floor_gives_way_before_the_latency_target():
    result = arbitrate(problem(app(latency_ms=9.0, min_accuracy=0.96)))
    assert FRONT[result.choices[0]].subnet == "middle"
    assert result.violations == (("min_accuracy",),)


def test_the_power_budget_holds_before_the_latency_target():
    result = arbitrate(problem(app(latency_ms=5.0, max_power_w=6.0)))
    assert result.power_w <= 6.0
    assert result.violations == (("latency",),)


def test_heat_limits_clocks():
    cold = arbitrate(problem(app()))
    hot = arbitrate(problem(app(), heat=HeatLimit(80.0, 1.0, 86.5)))
    assert hot.power_w < cold.power_w
    assert hot.temperature_degc <= 86.5


def test_a_move_up_leaves_the_margin():
    fits_barely = app(latency_ms=17.0, current=1, margin=0.1)
    assert FRONT[arbitrate(problem(fits_barely)).choices[0]].subnet == "middle"
    stays = arbitrate(problem(replace(fits_barely, current=2)))
    assert FRONT[stays.choices[0]].subnet == "large"


def test_an_equally_good_setting_in_force_is_kept():
    question = problem(app(latency_ms=NAN, period_ms=NAN, objective=Objective.MIN_ENERGY))
    free = arbitrate(question)
    kept = arbitrate(replace(question, incumbent=((0,), (1000.0,)), inertia=1.0))
    assert (free.clocks, kept.clocks) == ({"cpu0": 500.0}, {"cpu0": 1000.0})


def test_unknown_accuracy_ranks_by_size_and_never_meets_a_floor():
    unknown = tuple(replace(p, accuracy=NAN) for p in FRONT)
    assert arbitrate(problem(app(points=unknown))).choices == (2,)
    assert arbitrate(problem(app(points=unknown, min_accuracy=0.1))).violations == (("min_accuracy",),)


def test_too_many_combinations_thin_the_clock_tables_and_say_so():
    table = ClockTable("cpu0", tuple(float(mhz) for mhz in range(500, 2001, 10)), 2000.0)
    result = arbitrate(problem(app(latency_ms=17.0), clocks=(table,)), max_combinations=100)
    assert not result.exact
    assert result.feasible


def test_works_without_clocks_power_model_or_elements():
    result = arbitrate(ArbiterInput((app(latency_ms=10.0),)))
    assert FRONT[result.choices[0]].subnet == "middle"
    assert math.isnan(result.power_w)


def test_two_placements_of_one_sub_network_compete_and_the_cooler_one_wins_where_both_fit():
    front = (
        point("net", 10.0, 0.95, "cpu", threads=4, placement="cpu/x/fp32/4"),
        point("net", 9.0, 0.95, "gpu", placement="gpu/x/fp32/1"),
    )
    elements = (ArbiterElement("cpu", 4), ArbiterElement("gpu"))
    gpu = ClockTable("gpu", (300.0, 1000.0), full_mhz=1000.0)
    asked = app(points=front, latency_ms=60.0, objective=Objective.MIN_ENERGY, period_ms=80.0)
    relaxed = arbitrate(problem(asked, clocks=(CPU, gpu), elements=elements))
    keys = [(0, 1)[choice] for choice in relaxed.choices]
    other = replace(asked, points=(front[1 - keys[0]],))
    assert relaxed.power_w < arbitrate(problem(other, clocks=(CPU, gpu), elements=elements)).power_w
    tight = replace(asked, latency_ms=9.5, slowdown_tail=1.0)
    assert arbitrate(problem(tight, clocks=(CPU, gpu), elements=elements)).choices == (1,)
