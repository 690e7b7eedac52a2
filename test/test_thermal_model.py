from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.manager.thermal_model import ThermalModel, ThermalState

MODEL = ThermalModel(41.2, 1.44, 2.5, 100.0, 0.25)
WATTS = st.floats(0.0, 30.0)


def test_steady_state_is_t0_plus_r_times_power():
    assert MODEL.temperature_degc(MODEL.steady(10.0)) == pytest.approx(55.6)
    assert MODEL.temperature_degc(MODEL.steady(10.0), ambient_degc=35.0) == pytest.approx(65.6)


def test_a_step_of_power_reaches_63_percent_of_each_part_after_its_time_constant():
    state = MODEL.advance(MODEL.steady(0.0), 10.0, 2.5)
    assert state.fast_w == pytest.approx(6.32, abs=0.01)
    assert MODEL.advance(MODEL.steady(0.0), 10.0, 100.0).slow_w == pytest.approx(6.32, abs=0.01)


@given(WATTS, WATTS, st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_two_steps_equal_one_long_step(start_w, power_w, first_s, second_s):
    start = MODEL.steady(start_w)
    twice = MODEL.advance(MODEL.advance(start, power_w, first_s), power_w, second_s)
    once = MODEL.advance(start, power_w, first_s + second_s)
    assert (twice.fast_w, twice.slow_w) == pytest.approx((once.fast_w, once.slow_w))


@given(WATTS, WATTS, WATTS, st.floats(0.1, 300.0))
def test_the_prediction_equals_the_simulation(fast_w, slow_w, power_w, horizon_s):
    state = ThermalState(fast_w, slow_w)
    offset, slope = MODEL.prediction(state, horizon_s)
    simulated = MODEL.temperature_degc(MODEL.advance(state, power_w, horizon_s))
    assert offset + slope * power_w == pytest.approx(simulated)


@given(st.floats(30.0, 100.0), WATTS)
def test_an_observed_state_explains_the_temperature(temperature_degc, power_w):
    state = MODEL.observe(temperature_degc, power_w)
    assert MODEL.temperature_degc(state) == pytest.approx(temperature_degc)
