"""What holds for the simulated board whatever happens to it."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.board.governors import GOVERNORS
from dynofa_ros.board.options import BoardOptions
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import find_spec
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import ClockLimit

SPECS = {name: find_spec(name) for name in ("jetson_orin_nano_super", "jetson_xavier_nx")}
MHZ = st.sampled_from([115.2, 400.0, 510.0, 700.0, 1020.0, 1500.0, 1728.0])
DOMAINS = st.sampled_from(["cpu0", "gpu"])
ELEMENTS = st.sampled_from(["cpu", "gpu"])
NAMES = st.sampled_from(["front", "rear"])
SHARE = st.floats(0.05, 1.0)
UNIT = st.floats(0.0, 1.0)

ACTS = st.one_of(
    st.tuples(st.just("occupy"), ELEMENTS, NAMES, SHARE, UNIT),
    st.tuples(st.just("vacate"), ELEMENTS, NAMES),
    st.tuples(st.just("corunner"), ELEMENTS, UNIT, st.floats(0.0, 4.0)),
    st.tuples(st.just("load"), ELEMENTS, UNIT),
    st.tuples(st.just("limit"), DOMAINS, MHZ, MHZ),
    st.tuples(st.just("cap"), DOMAINS, st.one_of(MHZ, st.just(math.nan))),
    st.tuples(st.just("mode"), st.integers(0, 2)),
    st.tuples(st.just("governor"), DOMAINS, st.sampled_from(sorted(GOVERNORS))),
    st.tuples(st.just("ambient"), st.floats(0.0, 90.0), st.floats(0.5, 20.0)),
    st.tuples(st.just("power"), st.floats(0.0, 25.0)),
)
STEPS = st.lists(st.tuples(ACTS, st.floats(0.0005, 3.0)), min_size=1, max_size=12)
BOARDS = st.builds(
    lambda name, governors, voltage, seed: SimulatedBoard(
        SPECS[name], BoardOptions(governors=governors, voltage=voltage, seed=seed)
    ),
    st.sampled_from(sorted(SPECS)),
    st.sampled_from([None, "performance", "powersave"]),
    st.sampled_from(["flat", "nominal", "steep"]),
    st.integers(0, 99),
)


def perform(board, act):
    what, *how = act
    if what == "occupy":
        board.occupy(*how)
    elif what == "vacate":
        with suppress(RefusedMessage):  # not running
            board.vacate(*how)
    elif what == "corunner":
        board.set_corunner(*how)
    elif what == "load":
        board.set_load(*how)
    elif what == "limit":
        low, high = sorted(how[1:])
        board.apply([ClockLimit(how[0], low, high)], board.now_s)
    elif what == "cap":
        board.set_cap(*how)
    elif what == "mode":
        board.set_power_mode(board.spec.power_modes[how[0]].name)
    elif what == "governor":
        with suppress(RefusedMessage):  # of another kind of device
            board.set_governor(*how)
    elif what == "ambient":
        board.set_ambient(*how)
    else:
        board.set_power("else", *how)


def intervals(board, until_s):
    """Advance event by event; yields length and power of each interval of constant state afterwards."""
    while board.now_s < until_s:
        at_s, power_w, start_s = min(board.next_event_s(), until_s), board.power_w(), board.now_s
        board.advance_to(at_s)
        yield at_s - start_s, power_w


@settings(max_examples=60, deadline=None)
@given(BOARDS, STEPS)
def test_energy_is_the_integral_of_power(board, steps):
    energy_j = 0.0
    for act, length_s in steps:
        perform(board, act)
        energy_j += sum(length * power_w for length, power_w in intervals(board, board.now_s + length_s))
    assert board.energy_j == pytest.approx(energy_j, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(BOARDS, STEPS)
def test_temperature_never_jumps(board, steps):
    model = board.spec.thermal
    per_watt = model.fast_share / model.tau_fast_s + (1.0 - model.fast_share) / model.tau_slow_s
    steepest = model.r_degc_per_w * per_watt * 60.0 + 90.0 / 0.5  # 60 W at once, 90 degC of ambient in 0.5 s
    for act, length_s in steps:
        degc = board.temperature_degc()
        perform(board, act)
        assert board.temperature_degc() == pytest.approx(degc)
        for passed_s, _ in intervals(board, board.now_s + length_s):
            assert abs(board.temperature_degc() - degc) <= steepest * passed_s + 1e-9
            degc = board.temperature_degc()


@settings(max_examples=60, deadline=None)
@given(BOARDS, STEPS)
def test_clocks_stay_inside_limits_caps_and_table(board, steps):
    for act, length_s in steps:
        perform(board, act)
        board.advance(length_s)
        throttled_s = board.throttled_s
        board.advance(0.05)  # beyond every actuation delay
        throttled = board.throttled_s > throttled_s  # a clock that was held down may still be on its way up
        for domain in board.clock_domains():
            lowest = domain.available_mhz[0]
            assert domain.current_mhz in domain.available_mhz
            if domain.writable:
                assert domain.current_mhz <= domain.max_mhz
                assert not domain.current_mhz > max(domain.cap_mhz, lowest)
                assert domain.current_mhz >= domain.min_mhz or domain.cap_mhz < domain.min_mhz or throttled


@settings(max_examples=40, deadline=None)
@given(BOARDS, STEPS)
def test_looking_more_often_changes_nothing(board, steps):
    other = SimulatedBoard(SPECS[board.name], board.options)
    for act, length_s in steps:
        perform(board, act)
        perform(other, act)
        until_s = board.now_s + length_s
        board.advance_to(until_s)
        for part in (0.2, 0.35, 0.9, 1.0):
            other.advance_to(until_s - (1.0 - part) * length_s)
        other.advance_to(until_s)
    assert other.clocks() == board.clocks()
    assert other.energy_j == pytest.approx(board.energy_j)
    assert other.temperature_degc() == pytest.approx(board.temperature_degc())
    assert other.clock_changes == board.clock_changes


@settings(max_examples=40, deadline=None)
@given(BOARDS, STEPS)
def test_events_lie_ahead_and_are_few(board, steps):
    for act, length_s in steps:
        perform(board, act)
        count = sum(1 for _ in intervals(board, board.now_s + length_s))
        assert board.next_event_s() > board.now_s
        assert count <= 20 + 600 * length_s


@settings(max_examples=40, deadline=None)
@given(BOARDS, STEPS)
def test_nothing_runs_away(board, steps):
    for act, length_s in steps:
        perform(board, act)
        board.advance(length_s)
        assert 0.0 < board.power_w() < 60.0
        assert -60.0 < board.temperature_degc() < 200.0
        assert 0.0 <= board.throttled_s <= board.now_s + 1e-9
        for element in board.read(board.now_s).elements:
            assert 0.0 <= element.load <= 1.0
