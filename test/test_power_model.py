"""Figures measured on the Orin Nano Super, most of which the board file was not fitted to."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.board.spec import find_spec
from dynofa_ros.manager.models.latency_model import fit_memory_table, with_memory_table
from dynofa_ros.manager.operating_point import OperatingPoint
from sweep_samples import needs_sweep, rows, samples

POWER = find_spec("jetson_orin_nano_super").power
FULL = {"cpu0": 1728.0, "gpu": 1020.0, "emc": 3199.0}


def test_idle_lies_within_what_was_measured():
    assert 3.0 <= POWER.power_w({"cpu0": 115.2, "gpu": 306.0, "emc": 665.6}, {}) <= 4.8
    assert POWER.power_w({**FULL, "emc": 2133.0}, {}) == pytest.approx(5.7, abs=0.2)


def test_cpu_stress_adds_what_was_measured():
    added = POWER.power_w(FULL, {"cpu": 1.0}) - POWER.power_w(FULL, {})
    assert 3.3 <= added <= 3.5


def measured_point(model):
    fits = fit_memory_table(samples(model))
    return with_memory_table(OperatingPoint(model, element="gpu"), fits, "gpu", 1020.0, "emc")


def draws(row):
    """Board power of a row of the sweep at full clocks: idle and one inference a period."""
    point = measured_point(row.model)
    clocks = {**FULL, "emc": row.emc_mhz}
    return float(POWER.idle_w(clocks)) + POWER.energy_mj(point, clocks) / row.period_ms


@needs_sweep
@pytest.mark.parametrize(
    ("model", "emc_mhz", "within_w"),
    [
        ("mobilenet", None, 0.1),  # the board file was fitted to these and to the memory-bound proxy
        ("cproxyv2", None, 0.8),  # ... and not to these
        ("cproxyv1", (2133.0, 3199.0), 0.2),  # one GPU clock each: below, its table says too little
    ],
)
def test_board_power_of_the_sweep(model, emc_mhz, within_w):
    found = [
        (draws(row), row.power_w)
        for row in rows()
        if row.model == model and row.power_w is not None and (emc_mhz is None or row.emc_mhz in emc_mhz)
    ]
    assert len(found) >= 2
    assert all(abs(modelled - measured) < within_w for modelled, measured in found), found


@needs_sweep
def test_one_mobilenet_inference_takes_about_29_mj():
    point = with_memory_table(
        OperatingPoint("mobilenet", element="gpu"),
        fit_memory_table(samples("mobilenet")),
        "gpu",
        1020.0,
        "emc",
    )
    assert POWER.energy_mj(point, {**FULL, "emc": 2133.0}) == pytest.approx(29.0, abs=1.5)


def test_a_thread_pays_for_its_core_only():
    point = OperatingPoint("p", latency_ms=10.0, threads=2)
    assert POWER.energy_mj(point, FULL) == pytest.approx(3.4 * 2 / 6 * 10.0)


def test_a_stalled_element_draws_its_share():
    power = replace(POWER, elements=tuple(replace(e, stalled_share=0.3) for e in POWER.elements))
    point = OperatingPoint(
        "p", element="gpu", latency_ms=10.0, clock_domain="gpu", clocked_fraction=0.6, reference_mhz=1020.0
    )
    active_w = float(power.active_w("gpu", FULL))
    assert power.energy_mj(point, FULL, 2.0) == pytest.approx(2.0 * active_w * (6.0 + 0.3 * 4.0))
    assert power.energy_mj(point, FULL) == pytest.approx(active_w * float(power.loaded_ms(point, FULL)))
    half = {**FULL, "gpu": 510.0}
    assert power.energy_mj(point, half) == pytest.approx(
        float(power.active_w("gpu", half)) * (12.0 + 0.3 * 4.0)
    )


def test_clocks_that_are_not_known_count_as_full():
    assert POWER.power_w({}, {"cpu": 0.5}) == POWER.power_w(FULL, {"cpu": 0.5})


@given(
    st.one_of(st.floats(1.0, 3000.0), st.sampled_from([math.nan, math.inf, -1.0, 0.0])), st.floats(0.0, 1.0)
)
def test_one_clock_costs_what_an_array_of_clocks_costs(mhz, busy):
    clocks = {"cpu0": mhz, "gpu": mhz, "emc": mhz}
    expected = float(POWER.idle_w(clocks)) + busy * float(POWER.active_w("gpu", clocks))
    assert POWER.power_w(clocks, {"gpu": busy}) == pytest.approx(expected)
    assert math.isfinite(expected)


@given(st.floats(115.2, 1728.0), st.floats(115.2, 1728.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_power_never_falls_with_clock_or_load(f, g, busy, busier):
    low, high = sorted((f, g))
    little, much = sorted((busy, busier))
    less = POWER.power_w({"cpu0": low}, {"cpu": little})
    assert less <= POWER.power_w({"cpu0": high}, {"cpu": much}) + 1e-12


@given(mhz=st.floats(allow_nan=True) | st.sampled_from([*POWER.domains[0].mhz, 0.0, 1e3, 2e3]))
def test_one_clock_of_a_domain_reads_the_table_exactly_as_an_array_does(mhz):
    assert POWER.domains[0].at_clock(mhz) == float(POWER.domains[0].at(mhz))
