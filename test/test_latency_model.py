"""The latency model against times that it was not fitted on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.models.latency_model import fit_latency, fit_memory_table, with_memory_table
from dynofa_ros.manager.operating_point import OperatingPoint
from sweep_samples import needs_sweep, samples

CLOCKS_MHZ = (306.0, 408.0, 510.0, 612.0, 714.0, 816.0, 918.0, 1020.0)


def law(k, b, m=0.0):
    return [(f, max(k * 1e3 / f + b, m)) for f in CLOCKS_MHZ]


@given(st.floats(0.1, 50.0), st.floats(0.0, 50.0))
def test_a_law_without_a_floor_is_found(k, b):
    fit = fit_latency(law(k, b))
    assert (fit.k_ms_ghz, fit.fixed_ms) == pytest.approx((k, b), rel=1e-4, abs=1e-4)


def test_a_floor_is_found():
    fit = fit_latency(law(4.17, 0.36, 6.6))
    assert (fit.k_ms_ghz, fit.fixed_ms, fit.floor_ms) == pytest.approx((4.17, 0.36, 6.6), rel=1e-3)


def test_clocks_measured_twice_count_once():
    fit = fit_latency([*law(3.0, 1.0), (1020.0, 3.0 / 1.02 + 1.0)])
    assert fit.k_ms_ghz == pytest.approx(3.0)


def test_one_clock_alone_is_too_slow_below_and_never_too_fast():
    fit = fit_latency([(1020.0, 10.0)])
    assert fit.time_ms(1020.0) == pytest.approx(10.0)
    assert fit.time_ms(510.0) == pytest.approx(20.0)


@pytest.mark.parametrize("row", [(0.0, 1.0), (1000.0, 0.0), (1000.0, math.nan), (math.inf, 1.0)])
def test_impossible_samples_are_refused_with_their_values(row):
    with pytest.raises(RefusedMessage, match=repr(row[0])):
        fit_latency([(500.0, 2.0), row])


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(CLOCKS_MHZ), st.floats(0.1, 1e3)), min_size=1, max_size=20))
def test_whatever_was_measured_the_fit_is_positive_and_never_rises_with_the_clock(rows):
    fit = fit_latency(rows)
    times = [fit.time_ms(f) for f in CLOCKS_MHZ]
    assert all(time > 0.0 for time in times)
    assert times == sorted(times, reverse=True)


@needs_sweep
@pytest.mark.parametrize(("model", "worst"), [("mobilenet", 0.04), ("proxy", 0.03)])
def test_clocks_that_were_left_out_are_predicted(model, worst):
    """Every second GPU clock is held out, the ends too: 3 inner and 5 outer clocks per memory clock."""
    errors = []
    for rows in samples(model).values():
        clocks = sorted({f for f, _ in rows})
        for held in (clocks[1::2], clocks[2:-1:2]) if len(clocks) > 4 else ():
            fit = fit_latency([row for row in rows if row[0] not in held])
            errors += [abs(fit.time_ms(f) / time - 1.0) for f, time in rows if f in held]
    assert len(errors) >= 24
    assert max(errors) < worst
    assert np.median(errors) < 0.01


@needs_sweep
def test_the_published_constants_are_found_again():
    """k/f + b in arXiv 2606.16106: 3.158 + 1.042 at EMC 3199, 2.023 + 6.395 at EMC 665 for MobileNetV2."""
    fits = fit_memory_table(samples("mobilenet"))
    assert (fits[3199.0].k_ms_ghz, fits[3199.0].fixed_ms) == pytest.approx((3.158, 1.042), rel=0.05)
    assert (fits[665.0].k_ms_ghz, fits[665.0].fixed_ms) == pytest.approx((2.023, 6.395), rel=0.05)
    assert fit_memory_table(samples("proxy"))[2133.0].floor_ms == pytest.approx(6.6, abs=0.05)


@needs_sweep
def test_a_point_carries_the_table():
    point = with_memory_table(
        OperatingPoint("mobilenet", element="gpu"),
        fit_memory_table(samples("mobilenet")),
        "gpu",
        1020.0,
        "emc",
    )
    assert point.latency_ms == pytest.approx(4.2, abs=0.1)
    for emc_mhz, rows in samples("mobilenet").items():
        for f_mhz, time_ms in rows:
            assert point.time_ms({"gpu": f_mhz, "emc": emc_mhz}) == pytest.approx(time_ms, rel=0.03)
