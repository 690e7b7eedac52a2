"""The arbiter equals an independent exhaustive search, and gives way in the documented order."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.manager.arbiter import arbiter_kernel
from dynofa_ros.manager.arbiter.arbiter import arbitrate
from dynofa_ros.manager.arbiter.problem import (
    ArbiterApplication,
    ArbiterElement,
    ArbiterInput,
    ClockTable,
    HeatLimit,
)
from dynofa_ros.manager.models.power_model import BoardPowerModel, DomainPower, ElementPower
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective

NAN = math.nan
POWER = BoardPowerModel(
    base_w=3.0,
    elements=(
        ElementPower("cpu", "cpu0", 4, 500.0, 2000.0, 1.0, 4.0, 0.7),
        ElementPower("gpu", "gpu", 0, 300.0, 1000.0, 0.8, 6.0, 0.8, stalled_share=0.4),
    ),
    domains=(DomainPower("emc", (200.0, 3200.0), (0.2, 2.0)),),
)
SEARCHES = [
    pytest.param(False, id="numpy"),
    pytest.param(
        True,
        id="compiled",
        marks=pytest.mark.skipif(not arbiter_kernel.load(), reason=arbiter_kernel.describe()),
    ),
]
CPU = ClockTable("cpu0", (500.0, 1000.0, 2000.0), full_mhz=2000.0)


def point(name, latency_ms, accuracy, element="cpu", s=0.9, threads=1, placement=""):
    domain = {"cpu": "cpu0", "gpu": "gpu"}[element]
    reference = 2000.0 if element == "cpu" else 1000.0
    return OperatingPoint(
        name, placement, element=element, threads=threads, macs=latency_ms * 1e6, accuracy=accuracy,
        latency_ms=latency_ms, clock_domain=domain, clocked_fraction=s, reference_mhz=reference,
    )  # fmt: skip


def by_memory(*args, **fields):
    """The point with a time per memory clock: 30 % more fixed time and a floor at the lower one."""
    p = point(*args, **fields)
    clocked, fixed = p.latency_ms * p.clocked_fraction, p.latency_ms * (1.0 - p.clocked_fraction)
    return replace(
        p,
        memory_domain="emc",
        memory_mhz=(200.0, 3200.0),
        clocked_ms=(clocked, clocked),
        fixed_ms=(fixed + 0.3 * p.latency_ms, fixed),
        floor_ms=(1.2 * p.latency_ms, 0.0),
    )


FRONT = (point("small", 4.0, 0.90), point("middle", 8.0, 0.94), point("large", 16.0, 0.97))


def app(name="front", **fields):
    return ArbiterApplication(name, **{"points": FRONT, "period_ms": 33.3, "latency_ms": 30.0, **fields})


def problem(*apps, **fields):
    fields = {"clocks": (CPU,), "elements": (ArbiterElement("cpu", 4),), "power": POWER, **fields}
    return ArbiterInput(tuple(apps), **fields)


# Brute force: one combination at a time, in plain Python, straight from the documented order.


def unwaited_ms(a, b, others):
    """Time that an inference of b may take before a, one of whose `others` it is, waits for it."""
    period_ms = b.period_ms if b.period_ms > 0 else 0.0
    any_phase_ms = (1 - a.percentile) * period_ms / others
    phase_ms = a.phases_ms.get(b.name, 0.0)
    if abs(a.period_ms - period_ms) <= 0.01 * period_ms:
        return max(any_phase_ms, phase_ms)
    return min(any_phase_ms, phase_ms) if keep_phase(a, b) else any_phase_ms


def keep_phase(a, b):
    ratios = itertools.product((1, 2, 3), repeat=2)
    return any(abs(a.period_ms * m - b.period_ms * n) <= 0.01 * n * b.period_ms for m, n in ratios)


def behind_sets_ms(a, own, others, there):
    """Waiting of a, with a share of its own, behind sets of others (application, share, time) that leave no
    room only together."""
    longest = 0.0
    for size in (2, 3):
        for those in itertools.combinations(others, size):
            rooms = [own + sum(share for c, share, _ in those if c is not b) for b, _, _ in those]
            full = own + sum(share for _, share, _ in those) > 1.0 + 1e-9
            if full and max(rooms) <= 1.0 + 1e-9:
                sets = math.comb(there, size)
                waits = [time - unwaited_ms(a, b, sets) / others_at_work(a, b, those) for b, _, time in those]
                longest = max(longest, min(waits))
    return longest


def others_at_work(a, b, those):
    """How often all of those but b are at work, while b, of whose camera a knows nothing, is."""
    if keep_phase(a, b):
        return 1.0
    uses = [
        min(1.0, time / c.period_ms)
        if c.period_ms > 0 and not keep_phase(a, c) and not keep_phase(b, c)
        else 1.0
        for c, _, time in those
        if c is not b
    ]
    rest = [c for c, _, _ in those if c is not b]
    return min(uses) if len(rest) > 1 and keep_phase(*rest) else math.prod(uses)


def waiting_ms(a, own, others, there):
    """Waiting of a, with a share of its own, behind others (application, share, time), alone and in sets;
    `there`: how many others may be on the element."""
    alone_ms = sum(
        max(0.0, time - unwaited_ms(a, b, there)) for b, share, time in others if own + share > 1.0 + 1e-9
    )
    return alone_ms + behind_sets_ms(a, own, others, there)


def brute_force_key(question, choice, clocks):  # noqa: C901  (the whole order in one place)
    """Name and value of every term, most important first."""
    f = {**question.other_clocks, **clocks}
    base = POWER.base_w + float(POWER.domains[0].at(f.get("emc", NAN)))
    active = {}
    for e in POWER.elements:
        scale = float(e.scale(f.get(e.domain, NAN)))
        base += e.idle_w * scale
        active[e.element] = e.active_w * scale
    base += sum(e.background * active[e.name] for e in question.elements)
    power, cost = base, 0.0
    full = {t.domain: t.full_mhz for t in question.clocks}
    for t in question.clocks:
        if not math.isnan(t.current_mhz) and clocks[t.domain] != t.current_mhz:
            cost += t.change_ms / 1e3 / question.horizon_s * base
    elements = {e.name: e for e in question.elements}
    limits = {name: question.busy_limits.get(name, question.busy_limit) for name in active}
    runs = []
    for a, i in zip(question.applications, choice, strict=True):
        p = a.points[i]
        cores = elements[p.element].cores if p.element in elements else 0
        share = min(1.0, p.threads / cores) if p.threads and cores else 1.0
        time = p.time_ms(f, full.get(p.clock_domain, NAN))
        median, tail = a.by_element.get(p.element, (a.slowdown, a.slowdown_tail))
        runs.append((a, i, p, share, time, median, tail))
    busy, over, rows, caution, forbidden = {}, 0.0, [], 0, 0
    for a, i, p, share, time, median, tail in runs:
        latency = a.overhead_ms + tail * time
        if p.element in elements and elements[p.element].exclusive:
            others = [
                (b, o, m * ms) for b, _, q, o, ms, m, _ in runs if b is not a and q.element == p.element
            ]
            there = sum(any(q.element == p.element for q in b.points) for b in question.applications) - 1
            latency += waiting_ms(a, share, others, there)
        use = median * time / a.period_ms if a.period_ms > 0 else 0.0
        if a.current is not None and i != a.current:
            use += a.switch_ms / 1e3 / question.horizon_s
        busy[p.element] = busy.get(p.element, 0.0) + use * share
        loaded = float(POWER.loaded_ms(p, f, full.get(p.clock_domain, NAN))) / time
        power += min(use, 1.0) * share * active[p.element] * loaded
        over += max(0.0, use - limits[p.element])
        excess = 0.0 if math.isnan(a.latency_ms) else max(0.0, latency / a.latency_ms - 1.0)
        floor = 0.0 if math.isnan(a.min_accuracy) else max(0.0, a.min_accuracy - p.accuracy)
        rows.append((a, excess, floor, p.accuracy))
        current = None if a.current is None else a.points[a.current].accuracy
        tables = {t.domain: t for t in question.clocks}
        own = clocks.get(p.clock_domain)
        lowered = own is not None and own < tables[p.clock_domain].current_mhz
        tight = use / limits[p.element] > 1 - a.margin
        tight |= not math.isnan(a.latency_ms) and latency / a.latency_ms > 1 - a.margin
        caution += tight and (lowered or current is None or p.accuracy > current)
        forbidden += i in a.forbidden
    over += sum(max(0.0, value - limits[name]) for name, value in busy.items())
    key = [("forbidden", forbidden), ("power", max(0.0, power - question.max_power_w))]
    if question.heat:
        reached = question.heat.offset_degc + question.heat.degc_per_w * power
        key.append(("heat", max(0.0, reached - question.heat.limit_degc)))
    key.append(("busy", over))
    levels = sorted({a.priority for a in question.applications}, reverse=True)
    for name, column in (("latency", 1), ("min_accuracy", 2)):
        for level in levels:
            values = [row[column] for row in rows if row[0].priority == level]
            key += [(f"{name} count", sum(value > 1e-9 for value in values))] if len(values) > 1 else []
            key.append((name, sum(values)))
    key.append(("margin", caution))
    for level in levels:
        wants = [r[3] for r in rows if r[0].priority == level and r[0].objective == Objective.MAX_ACCURACY]
        key += [("accuracy", -sum(wants))] if wants else []
    return [*key, ("cost", power + cost), ("accuracy of the others", -sum(row[3] for row in rows))]


def numbers(key):
    return [value for _, value in key]


def every_key(question):
    names = [table.domain for table in question.clocks]
    for setting in itertools.product(*(table.available_mhz for table in question.clocks)):
        clocks = dict(zip(names, setting, strict=True))
        for choice in itertools.product(*(range(len(a.points)) for a in question.applications)):
            yield brute_force_key(question, choice, clocks)


def brute_force(question):
    keys = list(every_key(question))
    for column in range(len(keys[0])):
        best = min(key[column][1] for key in keys)
        keys = [key for key in keys if key[column][1] <= best + 1e-9]
    return keys[0]


def feasible(key):
    """Whether nothing has to give way, moves up within the margin apart."""
    kept = ("power", "heat", "busy", "latency", "min_accuracy")
    return all(value <= 1e-9 for name, value in key if name in kept)


@st.composite
def points(draw):
    """Sub-networks on one or two placements each, which may lie on different elements."""
    keys = [(f"p{i}", n) for i in range(draw(st.integers(1, 3))) for n in range(draw(st.integers(1, 2)))]
    with_memory = draw(st.booleans())
    return tuple(
        (by_memory if with_memory else point)(
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
        period_ms=draw(st.sampled_from([NAN, 10.0, 33.3, 66.7])),
        current=draw(st.none() | indices),
        forbidden=draw(st.sets(indices, max_size=1).map(frozenset)),
        margin=draw(st.sampled_from([0.0, 0.1, 0.3])),
        percentile=draw(st.sampled_from([0.5, 0.95, 0.99])),
        switch_ms=draw(st.sampled_from([0.0, 50.0])),
        phases_ms=draw(
            st.dictionaries(st.sampled_from(["app0", "app1", "app2"]), st.sampled_from([0.0, 4.0, 9.0]))
        ),
    )


@st.composite
def problems(draw):
    apps = tuple(draw(applications(i)) for i in range(draw(st.integers(1, 3))))
    current = draw(st.sampled_from([NAN, 1000.0, 2000.0]))
    gpu = ClockTable("gpu", (300.0, 600.0, 1000.0), 1000.0)
    emc = ClockTable("emc", (200.0, 3200.0), 3200.0)
    tables = draw(st.sampled_from([(), (CPU,), (CPU, gpu), (gpu, emc)]))
    change_ms = draw(st.sampled_from([0.0, 200.0]))
    exclusive = draw(st.booleans())
    cpu = ArbiterElement("cpu", draw(st.sampled_from([1, 4])), draw(st.floats(0.0, 0.5)), exclusive)
    return ArbiterInput(
        apps,
        clocks=tuple(replace(table, current_mhz=current, change_ms=change_ms) for table in tables),
        elements=(cpu, ArbiterElement("gpu", exclusive=exclusive)),
        power=POWER,
        other_clocks={} if emc in tables else {"emc": 3200.0},
        heat=draw(st.none() | st.builds(HeatLimit, st.floats(40, 80), st.floats(0.1, 2.0), st.just(85.0))),
        busy_limit=draw(st.sampled_from([0.5, 0.9])),
        busy_limits=draw(st.sampled_from([{}, {"gpu": 0.4}])),
        horizon_s=draw(st.sampled_from([math.inf, 2.0])),
    )


def check_against_exhaustive_search(question, compiled):
    result = arbitrate(question, compiled=compiled)
    expected = brute_force(question)
    found = brute_force_key(question, result.choices, result.clocks)
    assert numbers(found) == pytest.approx(numbers(expected), abs=2e-8)
    assert (result.exact, result.bound) == (True, None)
    assert result.feasible == feasible(found)


@pytest.mark.parametrize("compiled", SEARCHES)
@settings(max_examples=700, deadline=None)
@given(question=problems())
def test_equals_exhaustive_search(question, compiled):
    check_against_exhaustive_search(question, compiled)


@st.composite
def crowded_problems(draw):
    """Applications that share cores, and often leave each other no room only together."""
    threads, periods = st.integers(1, 4), st.sampled_from([10.0, 20.0, 33.3, 47.0, 110.0])
    latencies, accuracies = st.floats(1.0, 40.0), st.floats(0.5, 1.0)
    apps = tuple(
        app(
            f"app{n}",
            points=tuple(
                point(f"p{i}", draw(latencies), draw(accuracies), threads=draw(threads))
                for i in range(draw(st.integers(1, 2)))
            ),
            period_ms=draw(periods),
            latency_ms=draw(st.sampled_from([15.0, 30.0, 80.0])),
            priority=draw(st.integers(0, 1)),
            percentile=draw(st.sampled_from([0.5, 0.9, 0.99])),
            phases_ms=draw(st.dictionaries(st.sampled_from(["app0", "app1"]), st.just(9.0))),
        )
        for n in range(draw(st.integers(3, 5)))
    )
    return problem(*apps, elements=(ArbiterElement("cpu", 6, exclusive=True),))


@pytest.mark.parametrize("compiled", SEARCHES)
@settings(max_examples=250, deadline=None)
@given(question=crowded_problems())
def test_equals_exhaustive_search_where_several_leave_no_room_only_together(question, compiled):
    check_against_exhaustive_search(question, compiled)


@settings(max_examples=300, deadline=None)
@given(problems())
def test_no_constraint_is_broken_that_some_choice_keeps(question):
    if any(feasible(key) for key in every_key(question) if dict(key)["forbidden"] == 0):
        assert arbitrate(question).feasible


@settings(max_examples=100, deadline=None)
@given(problems(), st.randoms())
def test_the_order_of_applications_and_points_does_not_matter(question, random):
    shuffled = []
    for a in question.applications:
        order = random.sample(range(len(a.points)), len(a.points))
        moved = {
            "points": tuple(a.points[i] for i in order),
            "current": None if a.current is None else order.index(a.current),
            "forbidden": frozenset(order.index(i) for i in a.forbidden),
        }
        shuffled.append(replace(a, **moved))
    random.shuffle(shuffled)
    other = replace(question, applications=tuple(shuffled))
    keys = [
        brute_force_key(q, result.choices, result.clocks)
        for q, result in ((question, arbitrate(question)), (other, arbitrate(other)))
    ]
    assert numbers(keys[0]) == pytest.approx(numbers(keys[1]), abs=2e-8)


@pytest.mark.parametrize("compiled", SEARCHES)
@pytest.mark.parametrize("budget", [0, 60, 300])
@settings(max_examples=150, deadline=None)
@given(question=problems())
def test_a_bound_bounds_the_best_choice(question, compiled, budget):
    result = arbitrate(question, node_budget=budget, compiled=compiled)
    found = brute_force_key(question, result.choices, result.clocks)
    best = brute_force(question)
    if result.exact:
        assert numbers(found) == pytest.approx(numbers(best), abs=2e-8)
        return
    for (name, here), (_, there) in zip(found, best, strict=True):
        if name == result.bound.term and abs(here - result.bound.value) < 2e-8:
            assert result.bound.least <= there + 2e-8
            return
        assert here == pytest.approx(there, abs=2e-8)


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
