"""The load of other programs, and the clocks that the kernel will give them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.board.state import ClockDomain, Element
from dynofa_ros.manager.arbiter.problem import ClockTable
from dynofa_ros.manager.telemetry.others import GOVERNED_LOAD, OthersLoad

TABLE = ClockTable("gpu", (300.0, 600.0, 1000.0))


def heard(load, own=0.0, cores=0):
    others = OthersLoad()
    gpu = Element("gpu", "gpu", cores, load)
    return others, gpu, others.share(gpu, own)


def released(others, gpu, mhz, *, limited):
    domain = ClockDomain("gpu", mhz, available_mhz=TABLE.available_mhz)
    return others.released_mhz(domain, TABLE.available_mhz, [gpu], released=not limited)


def test_nobody_else_leaves_the_clock_to_itself():
    others, gpu, share = heard(0.4, own=0.4)
    assert share == 0.0
    assert math.isnan(released(others, gpu, 300.0, limited=True))


def test_a_released_domain_runs_at_what_is_read():
    others, gpu, _ = heard(0.5)
    assert released(others, gpu, 600.0, limited=False) == 600.0


def test_while_it_is_limited_its_governor_is_expected_to_aim_at_its_load():
    others, gpu, _ = heard(0.5)
    assert released(others, gpu, 1000.0, limited=True) == 1000.0
    assert released(others, gpu, 300.0, limited=True) == 300.0
    assert released(others, gpu, 600.0, limited=True) == 600.0


def test_a_saturated_domain_is_expected_at_its_highest_clock():
    others, gpu, _ = heard(0.9)
    assert released(others, gpu, 300.0, limited=True) == 1000.0


def test_busy_times_on_an_element_without_cores_overlap():
    others, gpu, share = heard(0.9, own=0.8)
    assert share < GOVERNED_LOAD
    assert released(others, gpu, 300.0, limited=True) == 300.0
    others, gpu, _ = heard(0.95, own=0.8)
    assert released(others, gpu, 300.0, limited=True) == 1000.0


def test_threads_on_cores_add_up():
    others, gpu, _ = heard(0.95, own=0.8, cores=4)
    assert released(others, gpu, 300.0, limited=True) == 300.0


def test_what_the_governor_did_is_remembered_until_others_become_fewer():
    others, gpu, _ = heard(0.5)
    released(others, gpu, 1000.0, limited=False)
    assert released(others, gpu, 300.0, limited=True) == 1000.0
    fewer = Element("gpu", "gpu", 0, 0.2)
    others.share(fewer, 0.0)
    assert released(others, fewer, 300.0, limited=True) == 300.0


def test_a_load_that_is_not_read_is_what_it_was():
    others, gpu, share = heard(0.5)
    assert others.share(Element("gpu", "gpu", 0, math.nan), 0.3) == share
    assert OthersLoad().share(Element("gpu", "gpu", 0, math.nan), 0.0) == 0.0
    assert released(others, gpu, 600.0, limited=True) == 600.0


@given(load=st.floats(-1.0, 2.0), own=st.floats(0.0, 1.0), mhz=st.sampled_from(TABLE.available_mhz))
def test_whatever_is_read_a_share_is_a_share_and_a_clock_is_in_the_table(load, own, mhz):
    others, gpu, share = heard(load, own)
    assert 0.0 <= share <= 1.0
    expected = released(others, gpu, mhz, limited=True)
    assert math.isnan(expected) or expected in TABLE.available_mhz


@pytest.mark.parametrize("mhz", [math.nan, 0.0])
def test_where_no_clock_is_read_none_is_expected(mhz):
    others, gpu, _ = heard(0.9)
    assert math.isnan(released(others, gpu, mhz, limited=True))
