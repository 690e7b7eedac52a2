from __future__ import annotations

import math

import pytest

from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import find_spec
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import ClockLimit


@pytest.fixture
def board():
    return SimulatedBoard(find_spec("jetson_orin_nano_super"))


def clock(board, name="cpu0"):
    return next(domain for domain in board.clock_domains() if domain.name == name)


def test_starts_at_full_clocks_in_thermal_steady_state(board):
    start = board.read(50.0)
    later = board.read(350.0)
    assert [domain.current_mhz for domain in start.clock_domains] == [1728.0, 1020.0, 3199.0]
    assert later.zones == start.zones


def test_a_limit_takes_effect_after_the_actuation_delay_and_rounds_down(board):
    board.read(0.0)
    assert board.apply([ClockLimit("gpu", math.nan, 700.0)], 0.0) == (ClockLimit("gpu", 306.0, 612.0),)
    board.advance(0.004)
    assert clock(board, "gpu").current_mhz == 1020.0
    board.advance(0.05)
    assert clock(board, "gpu").current_mhz == 612.0
    assert board.read(0.1).clock_changes == 1


def test_the_clock_is_the_lower_of_limit_and_cap(board):
    board.read(0.0)
    board.apply([ClockLimit("cpu0", 115.2, 1190.4)], 0.0)
    board.set_cap("cpu0", 806.4)
    assert board.read(0.2).clock_domains[0].current_mhz == 806.4
    assert clock(board).cap_mhz == 806.4
    board.set_cap("cpu0", math.nan)
    assert board.read(0.4).clock_domains[0].current_mhz == 1190.4


def test_memory_clocks_belong_to_the_power_mode(board):
    assert board.apply([ClockLimit("emc", math.nan, 665.6)], 0.0) == (ClockLimit("emc", 204.0, 3199.0),)


def test_load_costs_power_and_heat(board):
    idle = board.read(0.0)
    board.set_load("gpu", 1.0)
    busy = board.read(600.0)
    assert busy.power_w == pytest.approx(idle.power_w + 6.2)
    assert busy.zones[0].temperature_degc == pytest.approx(41.2 + 1.44 * busy.power_w, abs=0.1)
    assert busy.rails[0].power_w == busy.power_w


def test_above_the_trip_point_clocks_step_down_and_recover_when_cool(board):
    board.read(0.0)
    board.set_load("gpu", 1.0)
    board.set_ambient(85.0)
    hot = board.read(300.0)
    assert hot.throttling
    assert hot.clock_domains[1].current_mhz < 1020.0
    board.set_ambient(25.0)
    cool = board.read(400.0)
    assert not cool.throttling
    assert [domain.current_mhz for domain in cool.clock_domains[:2]] == [1728.0, 1020.0]


def test_time_does_not_run_backwards(board):
    board.read(10.0)
    assert board.read(5.0).sequence == 2


def test_the_same_calls_give_the_same_states():
    def states():
        board = SimulatedBoard(find_spec("jetson_orin_nano_super"))
        board.set_load("cpu", 0.7)
        return [board.read(now_s) for now_s in (1.0, 1.3, 7.0, 30.0)]

    assert states() == states()


@pytest.mark.parametrize(
    "act",
    [
        lambda board: board.set_cap("warp", 100.0),
        lambda board: board.set_cap("cpu0", -1.0),
        lambda board: board.set_load("npu", 0.5),
        lambda board: board.set_load("cpu", math.nan),
        lambda board: board.set_power("corunner", -1.0),
        lambda board: board.set_ambient(math.nan),
    ],
)
def test_refuses_what_makes_no_sense(board, act):
    with pytest.raises(RefusedMessage, match="refused"):
        act(board)


def test_says_that_it_is_simulated_and_what_is_extrapolated(board):
    assert "simulated" in board.read(0.0).status
    xavier = SimulatedBoard(find_spec("jetson_xavier_nx"))
    assert "extrapolated" in xavier.read(0.0).status
