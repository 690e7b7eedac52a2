"""A simulated board's CPU is as busy as this machine, plus what emulated clocks add."""

from __future__ import annotations

import math

import pytest

from dynofa_ros.nodes.host_load import STATS_VALID_S, HostLoad


def test_busy_host_cores_are_counted_among_the_boards_cores():
    load = HostLoad(lambda: 1.0, host_cores=2)
    assert load.share(6, 1728.0, 1728.0, 0.0) == pytest.approx(2 / 6)


def test_a_host_with_more_cores_fills_the_board_at_most():
    assert HostLoad(lambda: 1.0, host_cores=64).share(6, 1728.0, 1728.0, 0.0) == 1.0


def test_waiting_out_the_stretch_counts_as_busy():
    load = HostLoad(lambda: 0.25, host_cores=2)
    load.on_application("front", threads=1, clocked_fraction=1.0)
    load.on_stats("front", busy=0.8, now_s=0.0)
    assert load.share(4, 500.0, 1000.0, 1.0) == pytest.approx((0.5 + 0.8 * 0.5) / 4)


def test_at_full_clock_nothing_is_added():
    load = HostLoad(lambda: 0.5, host_cores=2)
    load.on_application("front", threads=1, clocked_fraction=1.0)
    load.on_stats("front", busy=0.8, now_s=0.0)
    assert load.share(4, 1000.0, 1000.0, 0.0) == pytest.approx(1.0 / 4)


def test_silent_applications_and_those_without_frames_add_nothing():
    load = HostLoad(lambda: 0.0, host_cores=2)
    load.on_application("front", threads=1, clocked_fraction=1.0)
    load.on_stats("front", busy=1.0, now_s=0.0)
    load.on_stats("rear", busy=math.nan, now_s=0.0)
    assert load.share(4, 500.0, 1000.0, STATS_VALID_S + 1.0) == 0.0


def test_unknown_host_load_stays_unknown():
    assert math.isnan(HostLoad(lambda: math.nan, host_cores=2).share(4, 500.0, 1000.0, 0.0))
