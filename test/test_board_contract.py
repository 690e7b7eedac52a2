"""One contract for all boards."""

from __future__ import annotations

import math

import pytest

from board_samples import write_jetson_tree
from dynofa_ros.board.interface import Board
from dynofa_ros.board.select import open_board
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import ClockLimit

BOARDS = ("linux_jetson", "linux_bare", "simulated:jetson_orin_nano_super", "simulated:jetson_xavier_nx")


@pytest.fixture(params=BOARDS)
def board(request, tmp_path) -> Board:
    if not request.param.startswith("linux"):
        return open_board(request.param)
    if request.param == "linux_jetson":
        write_jetson_tree(tmp_path)
    return open_board("auto", tmp_path)


def test_has_a_name_and_says_whether_it_is_simulated(board):
    state = board.read(1.0)
    assert state.board == board.name
    assert state.simulated == board.simulated == state.emulated_clocks
    assert state.status


def test_the_sequence_rises_with_every_reading(board):
    sequences = [board.read(now_s).sequence for now_s in (5.0, 5.0, 5.1, 9.0)]
    assert sequences == sorted(set(sequences))


def test_readings_are_plausible_or_nan(board):
    for now_s in (0.0, 0.1, 0.2):
        state = board.read(now_s)
    assert math.isnan(state.power_w) or 0.0 < state.power_w < 1000.0
    for zone in state.zones:
        assert math.isnan(zone.temperature_degc) or -60.0 < zone.temperature_degc < 200.0
    for element in state.elements:
        assert math.isnan(element.load) or 0.0 <= element.load <= 1.0
    for domain in state.clock_domains:
        assert list(domain.available_mhz) == sorted(set(domain.available_mhz))
        assert not domain.current_mhz <= 0.0


def test_elements_name_existing_domains_or_none(board):
    state = board.read(0.0)
    names = {domain.name for domain in state.clock_domains}
    assert all(element.clock_domain in {*names, ""} for element in state.elements)
    assert len(names) == len(state.clock_domains)


def test_clock_domains_are_those_of_the_state(board):
    assert board.read(0.0).clock_domains == board.clock_domains()


@pytest.mark.parametrize(
    "limit",
    [
        ClockLimit("warp", 100.0, 200.0),
        ClockLimit("cpu0", math.nan, math.nan),
        ClockLimit("cpu0", math.nan, math.inf),
        ClockLimit("cpu0", -1.0, 500.0),
        ClockLimit("cpu0", 0.0, 500.0),
        ClockLimit("cpu0", 900.0, 500.0),
    ],
)
def test_unusable_limits_are_refused_whole(board, limit):
    before = board.read(0.0).clock_domains
    good = [ClockLimit(domain.name, math.nan, 700.0) for domain in before if domain.name != limit.domain]
    with pytest.raises(RefusedMessage, match=limit.domain):
        board.apply([*good, limit], 0.0)
    assert board.read(0.0).clock_domains == before


def test_a_lease_that_never_runs_is_refused(board):
    with pytest.raises(RefusedMessage, match="validity"):
        board.apply([], 0.0, validity_s=math.nan)


def test_apply_returns_what_is_in_force_and_the_state_agrees(board):
    domains = board.read(0.0).clock_domains
    effective = board.apply([ClockLimit(domain.name, math.nan, 700.0) for domain in domains], 0.0)
    by_name = {domain.name: domain for domain in board.read(0.1).clock_domains}
    for limit in effective:
        assert (limit.min_mhz, limit.max_mhz) == (
            by_name[limit.domain].min_mhz,
            by_name[limit.domain].max_mhz,
        )
        if by_name[limit.domain].writable:
            assert limit.max_mhz <= 700.0


def test_restore_brings_the_original_limits_back(board):
    before = [(d.name, d.min_mhz, d.max_mhz) for d in board.read(0.0).clock_domains]
    board.apply([ClockLimit(name, math.nan, 700.0) for name, _, _ in before], 0.0)
    board.restore()
    board.restore()
    assert [(d.name, d.min_mhz, d.max_mhz) for d in board.read(0.1).clock_domains] == before


def test_limits_end_with_their_lease(board):
    before = [(d.name, d.min_mhz, d.max_mhz) for d in board.read(0.0).clock_domains]
    board.apply([ClockLimit(name, math.nan, 700.0) for name, _, _ in before], 0.0, validity_s=1.0)
    assert [(d.name, d.min_mhz, d.max_mhz) for d in board.read(2.0).clock_domains] == before
