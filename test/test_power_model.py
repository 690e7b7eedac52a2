"""Figures measured on the Orin Nano Super, most of which the board file was not fitted to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.board.spec import find_spec
from dynofa_ros.manager.operating_point import OperatingPoint

POWER = find_spec("jetson_orin_nano_super").power
FULL = {"cpu0": 1728.0, "gpu": 1020.0, "emc": 3199.0}


def test_idle_lies_within_what_was_measured():
    assert 3.0 <= POWER.power_w({"cpu0": 115.2, "gpu": 306.0, "emc": 665.6}, {}) <= 4.8
    assert POWER.power_w({**FULL, "emc": 2133.0}, {}) == pytest.approx(5.7, abs=0.2)


def test_cpu_stress_adds_what_was_measured():
    added = POWER.power_w(FULL, {"cpu": 1.0}) - POWER.power_w(FULL, {})
    assert 3.3 <= added <= 3.5


def test_mobilenet_at_25_hz_draws_what_the_sweep_measured():
    """Rows mobilenet, 1020 MHz, 40 ms of the sweep: 6.42 W at EMC 2133, 7.46 W at EMC 3199."""
    for emc_mhz, latency_ms, measured_w in ((2133.0, 4.6951, 6.421), (3199.0, 4.2021, 7.463)):
        modelled_w = POWER.power_w({**FULL, "emc": emc_mhz}, {"gpu": latency_ms / 40.0})
        assert modelled_w == pytest.approx(measured_w, abs=0.3)


def test_one_mobilenet_inference_takes_about_29_mj():
    point = OperatingPoint(
        "mobilenet", element="gpu", latency_ms=4.7, clock_domain="gpu", clocked_fraction=0.67
    )
    assert POWER.energy_mj(point, {**FULL, "emc": 2133.0}) == pytest.approx(29.0, abs=1.0)


def test_a_thread_pays_for_its_core_only():
    point = OperatingPoint("p", latency_ms=10.0, threads=2)
    assert POWER.energy_mj(point, FULL) == pytest.approx(3.4 * 2 / 6 * 10.0)


def test_clocks_that_are_not_known_count_as_full():
    assert POWER.power_w({}, {"cpu": 0.5}) == POWER.power_w(FULL, {"cpu": 0.5})


@given(st.floats(115.2, 1728.0), st.floats(115.2, 1728.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_power_never_falls_with_clock_or_load(f, g, busy, busier):
    low, high = sorted((f, g))
    little, much = sorted((busy, busier))
    less = POWER.power_w({"cpu0": low}, {"cpu": little})
    assert less <= POWER.power_w({"cpu0": high}, {"cpu": much}) + 1e-12
