from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.manager.models.thermal_model import ThermalModel, ThermalObserver, ThermalState

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


# The state estimated from telemetry


class Bench:
    """A junction that the observer sees through a noisy sensor."""

    def __init__(self, true=MODEL, ambient_shift_degc=0.0):
        self.true, self.shift_degc = true, ambient_shift_degc
        self.state = true.steady(5.0)
        self.observer = ThermalObserver(MODEL)
        self.now_s = 0.0
        self.random = random.Random(1)
        self.errors_degc = []

    def run(self, power_w, seconds, reading=lambda degc: degc, horizon_s=30.0):
        """`errors_degc`: predicted bound minus what constant power leads to, after the first five seconds."""
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            self.state = self.true.advance(self.state, power_w, 0.1)
            degc = reading(self.degc() + self.random.gauss(0.0, 0.3))
            self.observer.take(degc, power_w + self.random.gauss(0.0, 0.2), self.now_s)
            if self.now_s > 5.0:
                offset, slope = self.observer.prediction(horizon_s)
                later = self.true.temperature_degc(self.true.advance(self.state, power_w, horizon_s))
                self.errors_degc.append(offset + slope * power_w - later - self.shift_degc)
        return self

    def degc(self):
        return self.true.temperature_degc(self.state) + self.shift_degc


@pytest.mark.parametrize("ambient_shift_degc", [-15.0, 0.0, 30.0])
def test_every_board_of_the_published_spread_is_predicted_for_half_a_minute(ambient_shift_degc):
    """R 1.36 to 1.52 degC/W, T0 39.8 to 42.7 degC, tau 70 to 130 and 1 to 4 s; the model is in the middle."""
    for r, t0, slow, fast in itertools.product((1.36, 1.52), (39.8, 42.7), (70.0, 130.0), (1.0, 4.0)):
        bench = Bench(ThermalModel(t0, r, fast, slow, 0.25), ambient_shift_degc)
        for power_w, seconds in ((5.0, 30), (14.0, 60), (9.0, 40), (15.0, 200), (5.0, 60)):
            bench.run(power_w, seconds)
        assert min(bench.errors_degc) > -2.5
        assert max(bench.errors_degc) < 3.0
        assert sum(map(abs, bench.errors_degc)) / len(bench.errors_degc) < 1.0


def test_one_sample_would_not_tell_a_hot_ambient_from_a_warm_board():
    """The fast part alone has not settled and the ambient does not cool down with time constants."""
    bench = Bench(ambient_shift_degc=30.0).run(8.0, 60.0)
    assert bench.observer.offset_degc > 20.0
    assert abs(bench.errors_degc[-1]) < 1.0


@pytest.mark.parametrize("reading", [lambda _: math.nan, lambda _: 48.5], ids=["absent", "stuck"])
def test_without_a_reading_the_model_goes_on_and_says_so(reading):
    bench = Bench().run(5.0, 60.0)
    bench.errors_degc.clear()
    bench.run(15.0, 60.0, reading)
    assert bench.observer.trouble
    assert min(bench.errors_degc) > -2.0
    assert abs(bench.observer.temperature_degc() - bench.degc()) < 3.0
    bench.run(15.0, 5.0)
    assert not bench.observer.trouble


def test_jumps_are_left_out_and_a_lasting_one_is_believed():
    bench = Bench().run(5.0, 60.0)
    before = bench.observer.temperature_degc()
    bench.run(5.0, 1.0, lambda _: 120.0)
    assert "jumps" in bench.observer.trouble
    assert bench.observer.temperature_degc() == pytest.approx(before, abs=0.5)
    bench.run(5.0, 5.0, lambda degc: degc + 40.0)
    assert bench.observer.temperature_degc() == pytest.approx(before + 40.0, abs=2.0)


ANYTHING = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(ANYTHING, st.floats(0.0, 50.0) | ANYTHING, st.floats(-1.0, 100.0)), max_size=60))
def test_whatever_is_read_the_prediction_is_finite_and_rises_with_power(readings):
    observer = ThermalObserver(MODEL)
    now_s = 0.0
    for degc, power_w, dt_s in readings:
        now_s += dt_s
        observer.take(
            degc if abs(degc) < 200.0 else math.nan, power_w if 0 <= power_w < 2e3 else math.nan, now_s
        )
    if observer.known:
        offset, slope = observer.prediction(30.0)
        assert math.isfinite(offset)
        assert slope > 0.0
        assert observer.sigma_degc() >= 0.0


def test_without_a_reading_uncertainty_grows_to_that_of_the_start_and_no_further():
    bench = Bench()
    start = ThermalObserver(MODEL)
    start.take(math.nan, 5.0, 0.0)
    bench.run(5.0, 60.0)
    known_degc = bench.observer.sigma_degc()
    for step in range(1, 500):
        bench.observer.take(math.nan, 5.0, bench.now_s + 60.0 * step)
    assert known_degc < 1.0 < bench.observer.sigma_degc() <= start.sigma_degc()
    assert bench.observer.temperature_degc() == pytest.approx(
        MODEL.temperature_degc(MODEL.steady(5.0)), abs=1.5
    )


@pytest.mark.parametrize("wrong_s", [0.1, 3.5, 20.0])
@pytest.mark.parametrize("wrong_degc", [0.0, 100.0])
def test_wrong_readings_are_forgotten_though_the_right_one_never_moves(wrong_degc, wrong_s):
    """Also where nothing was read for a while before."""
    steady_degc = MODEL.temperature_degc(MODEL.steady(5.0))
    observer = ThermalObserver(MODEL)
    observer.take(steady_degc, 5.0, 0.0)
    for step in range(round(wrong_s * 10)):
        observer.take(wrong_degc, 5.0, 5.0 + 0.1 * step)
    for step in range(600):
        observer.take(steady_degc, 5.0, 26.0 + 0.1 * step)
    a, b = observer.prediction(30.0)
    assert observer.trouble == ""
    assert observer.temperature_degc() == pytest.approx(steady_degc, abs=0.5)
    assert a + b * 5.0 == pytest.approx(steady_degc, abs=3.0)


def test_a_single_wrong_reading_after_a_silence_counts_for_nothing():
    observer = ThermalObserver(MODEL)
    for step in range(100):
        observer.take(48.4, 5.0, 0.1 * step)
    before_degc = observer.temperature_degc()
    observer.take(100.0, 5.0, 20.0)
    assert observer.temperature_degc() == pytest.approx(before_degc, abs=0.5)
    assert observer.trouble == "the temperature jumps to 100.0 degC"
