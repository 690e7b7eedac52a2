from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.engine.emulation import ClockEmulation, stretch


def test_half_the_clock_doubles_the_clocked_share_only():
    assert stretch(0.8, 500.0, 1000.0) == pytest.approx(0.8 * 2 + 0.2)


def test_the_missing_time_is_waited_out():
    waits: list[float] = []
    emulation = ClockEmulation(0.5, waits.append)
    emulation.set_clock(250.0, 1000.0)
    assert emulation.wait_out(0.010) == pytest.approx(2.5)
    assert waits == [pytest.approx(0.015)]


def test_without_a_clock_time_runs_as_measured():
    waits: list[float] = []
    emulation = ClockEmulation(0.5, waits.append)
    assert emulation.wait_out(0.010) == 1.0
    assert not emulation.active
    emulation.set_clock(250.0, 1000.0)
    assert emulation.active
    emulation.clear()
    assert emulation.wait_out(0.010) == 1.0
    assert waits == []


@pytest.mark.parametrize("clocks", [(0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_absurd_clocks_are_refused_and_the_last_one_stays(clocks):
    emulation = ClockEmulation(1.0, lambda seconds: None)
    emulation.set_clock(500.0, 1000.0)
    with pytest.raises(ValueError, match="MHz"):
        emulation.set_clock(*clocks)
    assert emulation.stretch == 2.0


@given(st.floats(0, 1), st.floats(1, 5000), st.floats(1, 5000))
def test_time_never_runs_faster_than_measured(fraction, f_mhz, f_max_mhz):
    emulation = ClockEmulation(fraction, lambda seconds: None)
    emulation.set_clock(f_mhz, f_max_mhz)
    assert emulation.stretch >= 1.0


def test_a_fraction_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"1\.5"):
        ClockEmulation(1.5)
