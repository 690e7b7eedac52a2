"""PELT against the kernel's own arithmetic: periods of 1024 us, y^32 = 1/2, divided by LOAD_AVG_MAX."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.board.pelt import PERIOD_S, PeltSignal

LOAD_AVG_MAX = 47742
ONE_PERIOD = 1024 * 1024 / LOAD_AVG_MAX
"""Weight of the newest period in a utilisation of 1024."""


def kernel_util(periods: list[bool]) -> int:
    """Utilisation 0..1024 after whole periods in which the task ran or not: sum of 1024 * y^age."""
    y = 0.5 ** (1 / 32)
    total = sum(1024 * y**age for age, ran in enumerate(reversed(periods)) if ran)
    return int(1024 * total / LOAD_AVG_MAX)


def play(periods: list[bool], speed=1.0, scaled_time=True) -> PeltSignal:
    signal = PeltSignal(0.0, scaled_time)
    for index, ran in enumerate(periods):
        signal.change(index * PERIOD_S, float(ran), speed)
    signal.settle(len(periods) * PERIOD_S)
    return signal


@pytest.mark.parametrize(("n", "util"), [(32, 0.5), (64, 0.75), (96, 0.875)])
def test_a_running_task_halves_its_distance_to_full_every_32_periods(n, util):
    assert play([True] * n).util == pytest.approx(util)
    assert play([True] * 320 + [False] * n).util == pytest.approx(1.0 - util, abs=0.001)


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_differs_from_the_kernels_sums_by_less_than_one_period(periods):
    assert 1024 * play(periods).util == pytest.approx(kernel_util(periods), abs=ONE_PERIOD)


@given(st.lists(st.tuples(st.booleans(), st.floats(1e-4, 0.2)), min_size=1, max_size=20))
def test_the_order_of_looking_changes_nothing(parts):
    once, often = PeltSignal(), PeltSignal()
    now_s = 0.0
    for ran, length_s in parts:
        for signal in (once, often):
            signal.change(now_s, float(ran), 0.6)
        often.settle(now_s + length_s / 3)
        now_s += length_s
    assert once.settle(now_s) == pytest.approx(often.settle(now_s))


def test_scaled_time_reaches_full_but_later_and_catches_up_when_the_task_stops():
    slow = play([True] * 64, speed=0.5)
    assert slow.util == pytest.approx(0.5)
    slow.change(64 * PERIOD_S, 0.0, 0.5)
    assert slow.util == pytest.approx(0.25)  # 32 periods of clock_pelt behind


def test_scaled_contribution_never_exceeds_the_clock_it_runs_at():
    assert play([True] * 640, speed=0.5, scaled_time=False).util == pytest.approx(0.5, abs=1e-5)
    assert play([True] * 32, speed=0.5, scaled_time=False).util == pytest.approx(0.25)


@given(st.floats(0.0, 1.0), st.floats(0.1, 1.0), st.booleans(), st.floats(0.01, 0.99))
def test_a_level_is_crossed_when_it_says(rate, speed, scaled_time, level):
    signal = PeltSignal(0.0, scaled_time)
    signal.change(0.0, 1.0, 1.0)
    signal.settle(0.04)
    signal.change(0.04, rate, speed)
    passed_s = signal.reaches_s(level)
    if math.isfinite(passed_s):
        assert signal.settle(0.04 + passed_s) == pytest.approx(level, abs=1e-6)
    else:
        before = signal.util
        after = signal.settle(1e6)
        assert not min(before, after) + 1e-9 < level < max(before, after) - 1e-9
