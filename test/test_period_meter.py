from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import pytest

from dynofa_ros.engine.stats_window import PeriodMeter


def meter(*gaps_ms):
    period = PeriodMeter()
    for time_ms in accumulate(gaps_ms, initial=0.0):
        period.tick(time_ms / 1e3)
    return period


def test_before_two_frames_there_is_no_period():
    assert math.isnan(PeriodMeter().period_ms)
    assert math.isnan(meter().period_ms)


def test_it_is_the_mean_of_jittering_gaps():
    jitter = np.random.default_rng(1).normal(0.0, 3.0, 31)
    assert meter(*(33.3 + jitter)).period_ms == pytest.approx(33.3, abs=1.5)


@pytest.mark.parametrize("other_ms", [8.0, 80.0])
def test_four_gaps_in_a_row_tell_of_another_period(other_ms):
    assert meter(*[33.3] * 31, *[other_ms] * 4).period_ms == pytest.approx(other_ms)


@pytest.mark.parametrize("strays_ms", [[8.0] * 3, [1.0, 65.0] * 6, [80.0] * 3])
def test_a_few_odd_gaps_are_no_other_period(strays_ms):
    usual = [33.3] * 31
    assert meter(*usual, *strays_ms, 33.3).period_ms == pytest.approx(
        np.mean([*usual, *strays_ms, 33.3][-31:])
    )


def test_a_pause_starts_it_over():
    assert meter(*[33.3] * 10, 5000.0, 50.0).period_ms == pytest.approx(50.0)
