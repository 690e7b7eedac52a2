from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.manager.reflex.slowdown import OverheadEstimator, SlowdownEstimator


def feed(values, **kwargs):
    estimator = SlowdownEstimator(**kwargs)
    for value in values:
        estimator.update(value)
    return estimator


def test_without_samples_it_is_the_prior_and_the_median_is_unknown():
    estimator = SlowdownEstimator(prior=1.15)
    assert estimator.tail(0.95) == 1.15
    assert math.isnan(estimator.median())


def test_few_fast_samples_do_not_go_below_the_prior():
    assert feed([1.0] * 10, prior=1.15).tail(0.95) == 1.15
    assert feed([1.0] * 30, prior=1.15).tail(0.95) == 1.0


def test_a_sustained_slow_down_shows_with_its_second_frame():
    estimator = feed([1.0] * 100)
    estimator.update(1.4)
    estimator.update(1.4)
    assert estimator.tail(0.95) == 1.4


def test_a_load_that_came_while_a_frame_ran_shows_wholly_with_the_next_one():
    assert feed([*[1.0] * 100, 1.15, 1.38]).tail(0.95) == 1.38
    assert feed([*[1.0] * 100, 1.3, 20.0]).tail(0.95) == pytest.approx(1.95)  # a slow frame and an outlier


def test_samples_taken_back_leave_what_was_before():
    estimator = feed([1.0] * 100 + [1.5] * 3)
    estimator.drop_newest(3)
    assert (len(estimator), estimator.tail(0.95)) == (100, 1.0)
    estimator.drop_newest(1000)
    assert (len(estimator), estimator.tail(0.95)) == (0, estimator.prior)


def test_the_interval_of_the_tail_covers_the_true_quantile_nine_times_in_ten():
    rng = np.random.default_rng(2)
    for percentile in (0.5, 0.95):
        true = float(np.exp(0.2 * NormalDist().inv_cdf(percentile)))
        covered = 0
        for _ in range(300):
            low, high = feed(rng.lognormal(0.0, 0.2, 128)).interval(percentile)
            covered += low <= true <= high
        assert 0.84 < covered / 300 <= 1.0
    low, high = feed(rng.lognormal(0.0, 0.2, 128)).interval(0.95)
    assert high - low < 0.3
    assert math.isnan(feed([]).interval(0.95)[0])


def test_one_outlier_does_not_show():
    for before in (1, 2, 5, 40, 128):
        assert feed([*[1.0] * before, 20.0]).tail(0.95) <= 1.15


def test_a_very_first_frame_that_no_noise_explains_shows_until_the_next_ones_tell_otherwise():
    assert feed([5.0]).tail(0.95) == 5.0
    assert feed([1.6]).tail(0.95) == 1.15
    assert feed([5.0, 1.0]).tail(0.95) == 1.15


def test_one_outlier_does_not_show_at_a_high_percentile_either():
    assert feed([*[1.0] * 100, 20.0, *[1.0] * 20]).tail(0.99) <= 1.15


def test_a_load_that_has_gone_is_forgotten_before_the_window_is_through():
    for load in (20, 60, 128):
        assert feed([1.0] * 68 + [1.5] * load + [1.0] * 33).tail(0.95) == 1.0


def test_as_many_samples_exceed_the_tail_as_its_percentile_allows():
    rng = np.random.default_rng(1)
    estimator = feed(rng.lognormal(0.0, 0.2, 200))
    exceeded = 0
    for value in rng.lognormal(0.0, 0.2, 5000):
        exceeded += value > estimator.tail(0.95)
        estimator.update(value)
    assert 0.03 < exceeded / 5000 < 0.06


def test_the_tail_is_the_empirical_quantile_of_a_full_window():
    values = [1.0 + i / 1000.0 for i in range(100)]
    scrambled = [values[(37 * i) % 100] for i in range(100)]
    tail = feed(scrambled, window=100).tail(0.9)
    assert sum(value > tail for value in values) == 9


def test_absurd_samples_are_ignored_and_counted():
    estimator = feed([1.0, math.nan, math.inf, -1.0, 0.0, 1e9, 1.0])
    assert (len(estimator), estimator.ignored) == (2, 5)


def test_overhead_accepts_zero_and_refuses_negative_times():
    estimator = OverheadEstimator(prior=4.0)
    assert estimator.update(0.0)
    assert not estimator.update(-0.1)


BURST = [*[1.0] * 44, 1.5, 1.5, 1.5, *[1.0] * 3]


def test_after_a_slow_frame_the_next_tail_is_what_followed_slow_ones():
    estimator = feed(BURST * 20)
    assert estimator.next_tail(0.95) == estimator.tail(0.95) < 1.2
    estimator.update(1.2)
    assert estimator.next_tail(0.95) == 1.5
    estimator.update(1.0)
    assert estimator.next_tail(0.95) == estimator.tail(0.95) < 1.2


def test_before_anything_followed_a_slow_frame_another_one_is_expected():
    estimator = feed([1.0] * 100)
    estimator.update(1.3)
    assert estimator.next_tail(0.95) == 1.3
    estimator.update(20.0)
    assert estimator.next_tail(0.95) <= 3.0


def test_the_burst_tail_keeps_bursts_that_the_window_has_forgotten():
    estimator = feed(BURST * 2 + [1.0] * 400)
    assert estimator.tail(0.95) == 1.0
    assert estimator.burst_tail(0.95) == 1.5
    assert feed([1.0] * 100).burst_tail(0.95) == pytest.approx(1.15)
    assert feed([]).burst_tail(0.95) == 1.15


def test_a_load_is_no_burst():
    estimator = feed([1.0] * 300 + [1.5] * 300)
    assert estimator.burst_tail(0.95) == estimator.next_tail(0.95) == estimator.tail(0.95) == 1.5


def test_frames_slower_than_any_burst_leave_room_for_bursts_on_top_until_the_window_knows_the_load():
    bursts = [1.0] * 20 + [1.2]
    estimator = feed(bursts * 20)
    room = estimator.burst_tail()
    assert room == pytest.approx(1.2)
    for _ in range(4):
        estimator.update(1.6)
    assert estimator.next_tail(0.95) == estimator.burst_tail(0.95) == pytest.approx(1.6 * room)
    for _ in range(40):
        estimator.update(1.6)
    assert estimator.next_tail(0.95) == pytest.approx(1.6)


def test_a_burst_as_slow_as_others_before_leaves_no_room_for_more():
    estimator = feed(([1.0] * 20 + [1.2] * 2) * 20 + [1.0] * 20)
    estimator.update(1.2)
    estimator.update(1.2)
    assert estimator.next_tail(0.95) == pytest.approx(1.2)


def test_reset_returns_to_the_prior():
    estimator = feed([2.0] * 50)
    estimator.reset()
    assert estimator.tail(0.95) == estimator.prior


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300), st.floats(0.01, 0.999))
def test_always_finite_positive_and_within_what_was_seen(values, percentile):
    estimator = feed(values)
    tail = estimator.tail(percentile)
    largest = max([estimator.prior, *(v for v in values if 0.05 <= v <= 200.0)])
    assert 0.0 < tail <= largest
    assert tail <= estimator.next_tail(percentile) <= largest * 1e4
    assert tail <= estimator.burst_tail(percentile) <= largest * 1e4


@given(st.lists(st.floats(0.5, 5.0), min_size=1, max_size=200))
def test_the_tail_rises_with_the_percentile(values):
    estimator = feed(values)
    tails = [estimator.tail(p) for p in (0.5, 0.9, 0.95, 0.99)]
    assert tails == sorted(tails)
    assert estimator.next_tail(0.95) >= estimator.tail(0.95)
    assert estimator.burst_tail(0.95) >= estimator.tail(0.95)
