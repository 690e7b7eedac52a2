"""Governors against sums done by hand from the kernel's formulas."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.board.governors import GOVERNORS, make_governor
from dynofa_ros.errors import RefusedMessage

GPU = (306.0, 408.0, 510.0, 612.0, 714.0, 816.0, 918.0, 1020.0)
CPU = tuple(115.2 + 76.8 * i for i in range(22))
TOP = len(CPU) - 1


def governor(name, table=CPU):
    return make_governor(name, table)


def test_an_unknown_governor_lists_the_known_ones():
    with pytest.raises(RefusedMessage, match="schedutil"):
        governor("interactive")


class TestSchedutil:
    @pytest.mark.parametrize(
        ("util", "mhz"),
        [
            (0.0, 115.2),
            (0.5, 1113.6),  # 1.25 * 1728 * 0.5 = 1080, next in the table 1113.6
            (0.6, 1344.0),  # 1296
            (0.8, 1728.0),  # 1728 exactly
            (1.0, 1728.0),
        ],
    )
    def test_follows_utilisation_with_a_quarter_of_headroom(self, util, mhz):
        g = governor("schedutil")
        g.wanted = 5
        g.update(1.0, util)
        assert CPU[g.wanted] == pytest.approx(mhz)

    @pytest.mark.parametrize(
        ("name", "up_ms", "down_ms"),
        [("schedutil", 10.0, 10.0), ("schedutil_6.9", 2.0, 2.0), ("schedutil_l4t", 0.5, 2.0)],
    )
    def test_changes_no_sooner_than_its_rate_limit(self, name, up_ms, down_ms):
        for first, second, limit_ms in ((0.2, 0.9, up_ms), (0.9, 0.2, down_ms)):
            g = governor(name)
            g.wanted = 10
            assert g.update(1.0, first) == math.inf
            wanted = g.wanted
            retry_s = g.update(1.0 + 0.9 * limit_ms / 1e3, second)
            assert g.wanted == wanted
            assert retry_s == pytest.approx(1.0 + limit_ms / 1e3)
            assert g.update(retry_s, second) == math.inf
            assert g.wanted != wanted

    def test_an_unchanged_wish_does_not_start_the_rate_limit(self):
        g = governor("schedutil")
        g.wanted = 10
        g.update(1.0, 0.2)
        g.update(1.011, 0.2)
        g.update(1.012, 0.9)
        assert g.wanted == TOP

    @given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
    def test_the_band_is_exactly_what_keeps_the_clock(self, util, other):
        g = governor("schedutil")
        g.update(1.0, util)
        low, high = g.band()
        wanted = g.wanted
        g.update(2.0, other)
        if low + 1e-9 < other < high - 1e-9:
            assert g.wanted == wanted
        elif other > high + 1e-9 or other < low - 1e-9:
            assert g.wanted != wanted

    def test_l4t_scales_contributions_and_mainline_scales_time(self):
        assert not governor("schedutil_l4t").scaled_time
        assert governor("schedutil").scaled_time


class TestOndemand:
    @pytest.mark.parametrize(
        ("busy", "mhz"),
        [
            (1.0, 1728.0),
            (0.96, 1728.0),
            (0.95, 1651.2),  # 115.2 + 0.95 * 1612.8 = 1647.4
            (0.5, 960.0),  # 921.6 lies between 883.2 and 960: 38.4 away from both
            (0.0, 115.2),
        ],
    )
    def test_is_proportional_below_95_percent(self, busy, mhz):
        g = governor("ondemand")
        chosen = CPU[g.sample(0.0, 3, busy, 0, TOP)]
        assert chosen == pytest.approx(mhz) or (busy == 0.5 and chosen == pytest.approx(883.2))


class TestSimpleOndemand:
    @pytest.mark.parametrize(
        ("current_mhz", "busy", "mhz"),
        [
            (510.0, 0.91, 1020.0),
            (510.0, 0.87, 510.0),
            (510.0, 0.85, 510.0),  # 0.85 * 510 * 100 / 88 = 492.6
            (1020.0, 0.40, 510.0),  # 463.6
            (1020.0, 0.10, 306.0),
        ],
    )
    def test_thresholds_and_sum(self, current_mhz, busy, mhz):
        g = governor("simple_ondemand", GPU)
        assert GPU[g.sample(0.0, GPU.index(current_mhz), busy, 0, 7)] == mhz


class TestNvhostPodgov:
    def test_first_samples_by_hand(self):
        """306 MHz, 60 % busy: cycles_avg = 306 * 0.6 / 11 = 16.69, busyness = 54.5, boost = -225.7,
        res = 80.3, freq_avg = 7.3, damped to 58.4: the lowest clock. At 95 %: boost = 340, res = 646,
        freq_avg = (10 * 7.3 + 646) / 11 = 65.4, undamped, up to 714 MHz."""
        g = governor("nvhost_podgov", GPU)
        assert GPU[g.sample(0.025, 0, 0.6, 0, 7)] == 306.0
        assert g.cycles_avg == pytest.approx(16.69, abs=0.01)
        assert g.freq_avg == pytest.approx(7.30, abs=0.01)
        assert GPU[g.sample(0.050, 0, 0.95, 0, 7)] == 714.0
        assert g.freq_avg == pytest.approx(65.4, abs=0.1)

    def test_keeps_the_clock_for_50_ms_after_a_change(self):
        g = governor("nvhost_podgov", GPU)
        assert g.sample(0.025, 0, 1.0, 0, 7) == 4
        assert g.sample(0.050, 4, 1.0, 0, 7) == 4
        assert g.sample(0.075, 4, 1.0, 0, 7) == 7

    @pytest.mark.parametrize(("k", "settles_mhz"), [(3.158, 510.0), (1.5, 306.0), (6.0, 918.0)])
    def test_settles_where_the_clocked_load_at_100_hz_puts_it(self, k, settles_mhz):
        """k / f ms of every 10 are busy: at 510 MHz 0.62, at 408 0.77; at 918 MHz 0.65, at 816 0.74."""
        g, current, seen = governor("nvhost_podgov", GPU), 0, []
        for step in range(1, 2000):
            current = g.sample(step * 0.025, current, min(k / (GPU[current] / 1e3) / 10.0, 1.0), 0, 7)
            seen.append(GPU[current])
        assert seen[-1000:].count(settles_mhz) > 900

    def test_counting_the_fixed_part_as_busy_would_settle_at_612_mhz(self):
        g, current, seen = governor("nvhost_podgov", GPU), 0, []
        for step in range(1, 2000):
            busy = min((3.158 / (GPU[current] / 1e3) + 1.042) / 10.0, 1.0)
            current = g.sample(step * 0.025, current, busy, 0, 7)
            seen.append(GPU[current])
        assert seen[-1000:].count(612.0) > 900

    @given(st.lists(st.floats(0.0, 1.0), max_size=100), st.integers(0, 7), st.integers(0, 7))
    def test_stays_inside_the_limits(self, loads, a, b):
        low, high = sorted((a, b))
        g, current = governor("nvhost_podgov", GPU), low
        for step, busy in enumerate(loads):
            current = g.sample(step * 0.025, current, busy, low, high)
            assert low <= current <= high or step == 0


def test_performance_and_powersave_want_the_ends_of_the_table():
    assert (governor("performance").wanted, governor("powersave").wanted) == (TOP, 0)


def test_every_governor_names_itself():
    assert all(make_governor(name, GPU).name == name for name in GOVERNORS)
