from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.operating_point import OperatingPoint, pareto_front

POINT = OperatingPoint("p", latency_ms=10.0, accuracy=0.9, clocked_fraction=0.8, reference_mhz=1000.0)


MEMORY_BOUND = replace(
    POINT, latency_ms=4.5, clock_domain="gpu", reference_mhz=1000.0, memory_domain="emc",
    memory_mhz=(665.0, 2133.0, 3199.0), clocked_ms=(0.2, 3.4, 4.1), fixed_ms=(20.9, 2.4, 0.4),
    floor_ms=(21.1, 6.6, 0.0),
)  # fmt: skip
ELEMENT = replace(POINT, clock_domain="gpu")


def test_half_the_clock_doubles_the_clocked_share():
    assert ELEMENT.time_ms({"gpu": 500.0}) == pytest.approx(18.0)
    assert ELEMENT.time_ms({"gpu": 1000.0}) == pytest.approx(10.0)


def test_unknown_clocks_do_not_stretch_and_the_full_clock_stands_in():
    assert ELEMENT.time_ms({}) == 10.0
    assert ELEMENT.time_ms({"gpu": math.nan}) == 10.0
    profiled_anywhere = replace(ELEMENT, reference_mhz=math.nan)
    assert profiled_anywhere.time_ms({"gpu": 500.0}) == 10.0
    assert profiled_anywhere.time_ms({"gpu": 500.0}, full_mhz=1000.0) == pytest.approx(18.0)


@pytest.mark.parametrize(
    ("gpu", "emc", "expected_ms"),
    [
        (1000.0, 3199.0, 4.5),
        (1000.0, math.nan, 4.5),  # an unknown memory clock is the highest
        (500.0, 3199.0, 8.6),
        (1000.0, 2133.0, 6.6),  # the floor
        (500.0, 2133.0, 9.2),
        (1000.0, 2500.0, 6.6),  # between two entries the lower one
        (1000.0, 665.6, 21.1),
        (1000.0, 204.0, 21.1),
        (1000.0, 664.0, 21.1),
    ],
)
def test_a_memory_table_has_a_slope_a_fixed_part_and_a_floor_per_memory_clock(gpu, emc, expected_ms):
    assert MEMORY_BOUND.validated().time_ms({"gpu": gpu, "emc": emc}) == pytest.approx(expected_ms)


CLOCKS_MHZ = st.one_of(st.floats(50.0, 5000.0), st.sampled_from([math.nan, math.inf, 0.0, -1.0]))


@given(st.lists(st.tuples(CLOCKS_MHZ, CLOCKS_MHZ), min_size=1), st.booleans())
def test_arrays_say_what_numbers_say(settings, table):
    point = MEMORY_BOUND if table else ELEMENT
    gpu, emc = np.array(settings).T
    expected = [point.time_ms({"gpu": g, "emc": m}, full_mhz=1000.0) for g, m in settings]
    clocks = {"gpu": gpu, "emc": emc}
    assert point.times_ms(clocks, full_mhz=1000.0) == pytest.approx(expected)
    clocked = [point.clocked_at({"gpu": g, "emc": m}, full_mhz=1000.0) for g, m in settings]
    assert point.clocked_time_ms(clocks, full_mhz=1000.0) == pytest.approx(clocked)
    assert np.all(point.clocked_time_ms(clocks, full_mhz=1000.0) <= point.times_ms(clocks, 1000.0) + 1e-9)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subnet", ""),
        ("latency_ms", 0.0),
        ("latency_ms", math.nan),
        ("accuracy", 1.2),
        ("clocked_fraction", math.nan),
        ("energy_mj", -1.0),
        ("reference_mhz", math.inf),
        ("latency_ms", math.inf),
        ("placement", "gpu/tensorrt/fp16/0"),
        ("threads", -1),
        ("memory_mhz", (2133.0,)),
        ("latency_ms", -1.0),
        ("latency_ms", 1e-300),
        ("latency_ms", 1e300),
        ("latency_p95_ms", 9.99),
        ("latency_p95_ms", -3.0),
        ("latency_p95_ms", 1e12),
        ("latency_p95_ms", math.inf),
        ("reference_mhz", 1e-300),
        ("reference_mhz", 1e300),
        ("reference_mhz", -5.0),
        ("macs", 1e300),
        ("macs", -1.0),
        ("energy_mj", 1e300),
        ("accuracy", -0.1),
    ],
)
def test_refuses_points_that_contradict_themselves(field, value):
    with pytest.raises(RefusedMessage, match="clocked_ms" if field == "memory_mhz" else field):
        replace(POINT, **{field: value}).validated()


@pytest.mark.parametrize("field", ["latency_p95_ms", "reference_mhz", "energy_mj", "macs"])
@pytest.mark.parametrize("unknown", [math.nan, 0.0])
def test_what_was_not_measured_may_be_absent(field, unknown):
    replace(POINT, **{field: unknown}).validated()
    replace(POINT, latency_p95_ms=POINT.latency_ms).validated()  # nothing varied


def test_a_refusal_names_point_field_value_and_rule():
    told = r"'p' refused: latency_p95_ms = 5.0 must be at least latency_ms, at most 3.6e\+06, or NaN"
    with pytest.raises(RefusedMessage, match=told):
        replace(POINT, latency_p95_ms=5.0).validated()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_mhz", (665.0, 665.0, 3199.0)),
        ("memory_mhz", (0.0, 665.0, 3199.0)),
        ("memory_mhz", (1e-300, 665.0, 3199.0)),
        ("memory_mhz", (665.0, 2133.0, 1e300)),
        ("memory_mhz", (665.0, 2133.0, math.nan)),
        ("memory_domain", ""),
        ("clocked_ms", (1.0, 1.0)),
        ("fixed_ms", (20.9, 2.4, -0.1)),
        ("floor_ms", (21.1, 6.6, math.nan)),
        ("reference_mhz", math.nan),
        ("latency_ms", 50.0),
        ("latency_ms", 2.0),
    ],
)
def test_refuses_memory_tables_that_contradict_themselves(field, value):
    with pytest.raises(RefusedMessage, match=field):
        replace(MEMORY_BOUND, **{field: value}).validated()


def test_the_front_rises_in_latency_and_accuracy():
    slow_and_bad = replace(POINT, subnet="q", latency_ms=20.0, accuracy=0.8)
    good = replace(POINT, subnet="r", latency_ms=30.0, accuracy=0.95)
    assert pareto_front([good, slow_and_bad, POINT]) == [POINT, good]
