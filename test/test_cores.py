from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.board.cores import BusyCores
from dynofa_ros.board.pelt import HALF_LIFE_S

TASKS = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0.0, 1.0), st.floats(0.001, 0.1)), min_size=1, max_size=8
)


def test_the_busiest_core_counts_not_the_sum():
    cores = BusyCores()
    cores.run(0.0, "a", 0.3)
    cores.run(0.0, "b", 0.6)
    assert cores.busy_s(2.0) == pytest.approx(1.2)
    assert cores.util(10.0) == pytest.approx(0.6)
    cores.run(10.0, "b", 0.0)
    assert cores.busy_s(12.0) == pytest.approx(6.0 + 0.6)


def test_a_kernel_with_a_fast_signal_rises_sooner():
    usual, fast = BusyCores(), BusyCores()
    fast.set_kernel(0.0, scaled_time=True, fast_half_life_s=HALF_LIFE_S / 4)
    for cores in (usual, fast):
        cores.run(0.0, "a", 1.0)
    assert usual.util(HALF_LIFE_S) == pytest.approx(0.5)
    assert fast.util(HALF_LIFE_S) == pytest.approx(1.0 - 0.5**4)


def test_another_kernel_keeps_what_runs():
    cores = BusyCores()
    cores.run(0.0, "a", 0.5)
    cores.set_kernel(1.0, scaled_time=False, fast_half_life_s=0.0)
    assert cores.util(1.0) == 0.0
    assert cores.util(2.0) == pytest.approx(0.5)


def test_nothing_runs_nothing_changes():
    assert BusyCores().leaves_s(0.1, 0.5) == math.inf


@given(TASKS, st.floats(0.1, 1.0), st.booleans(), st.floats(0.001, 0.05))
def test_the_highest_utilisation_leaves_a_band_when_it_says(tasks, speed, scaled_time, width):
    cores, now_s = BusyCores(), 0.0
    cores.set_kernel(0.0, scaled_time, HALF_LIFE_S / 4)
    cores.set_speed(0.0, speed)
    for task, rate, length_s in tasks:
        cores.run(now_s, task, rate)
        now_s += length_s
        util = cores.util(now_s)
    low, high = util - width, util + width
    leaves_s = cores.leaves_s(low, high)
    if math.isinf(leaves_s):
        assert low - 1e-6 <= cores.util(now_s + 100.0) <= high + 1e-6
        return
    assert low - 1e-6 <= cores.util(now_s + 0.999 * leaves_s) <= high + 1e-6
    if len({task for task, _, _ in tasks}) == 1:  # several may cross each other inside the band
        assert not low + 1e-6 < cores.util(now_s + leaves_s * 1.001 + 1e-6) < high - 1e-6
