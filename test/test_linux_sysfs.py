from __future__ import annotations

import math

import pytest

from board_samples import CPU, GPU, write, write_jetson_tree
from dynofa_ros.board.linux_sysfs import LinuxSysfsBoard
from dynofa_ros.manager.decision import ClockLimit


@pytest.fixture
def root(tmp_path):
    write_jetson_tree(tmp_path)
    return tmp_path


def test_reads_clocks_with_the_limit_that_somebody_else_set(root):
    cpu, gpu = LinuxSysfsBoard(root).read(0.0).clock_domains
    assert (cpu.name, cpu.current_mhz, cpu.cap_mhz, cpu.governor) == ("cpu0", 729.6, 1190.4, "schedutil")
    assert cpu.available_mhz == pytest.approx((115.2, 729.6, 1190.4, 1728.0))
    assert (gpu.name, gpu.max_mhz) == ("gpu", 1020.0)
    assert math.isnan(gpu.cap_mhz)
    assert not cpu.writable
    assert not gpu.writable


def test_reads_rails_temperatures_and_trips(root):
    state = LinuxSysfsBoard(root).read(0.0)
    assert [(rail.name, rail.power_w) for rail in state.rails] == [("VDD_IN", 6.0), ("VDD_CPU_GPU_CV", 1.0)]
    assert state.power_w == 6.0
    assert (state.zones[0].name, state.zones[0].temperature_degc, state.zones[0].trip_degc) == (
        "cpu",
        51.25,
        99.0,
    )
    assert math.isnan(state.zones[1].temperature_degc)


def test_load_counts_from_the_last_reading(root):
    board = LinuxSysfsBoard(root)
    assert math.isnan(board.read(0.0).elements[0].load)
    write(root, "proc/stat", "cpu  175 0 100 825 0 0 0 0 0 0\ncpu0 1 0 0 1\ncpu1 1 0 0 1\n")
    cpu, gpu = board.read(1.0).elements
    assert (cpu.load, cpu.cores, gpu.load) == (0.75, 2, 0.25)


def test_changes_nothing_and_says_so(root):
    board = LinuxSysfsBoard(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert board.apply([ClockLimit("gpu", 306.0, 612.0)], 0.0) == (ClockLimit("gpu", 306.0, 1020.0),)
    board.restore()
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert board.read(0.0).status == "reads only: clocks are not written"


def test_a_machine_that_shows_nothing_says_what_is_missing(tmp_path):
    state = LinuxSysfsBoard(tmp_path).read(0.0)
    assert "no clocks, no power rails, no temperatures" in state.status
    assert (state.clock_domains, state.rails, state.zones) == ((), (), ())


def test_a_fan_is_no_throttling_but_a_limited_clock_is(root):
    assert not LinuxSysfsBoard(root).read(0.0).throttling
    write(root, "sys/class/thermal/cooling_device1/type", "cpufreq-cpu0")
    write(root, "sys/class/thermal/cooling_device1/cur_state", "1")
    assert LinuxSysfsBoard(root).read(0.0).throttling


@pytest.mark.parametrize("garbage", ["", "abc", "nan", "-1", "1e400", "\x00\x01"])
def test_garbage_becomes_nan_or_empty(root, garbage):
    for path in (
        f"{CPU}/scaling_cur_freq",
        f"{CPU}/scaling_available_frequencies",
        f"{GPU}/cur_freq",
        "proc/stat",
    ):
        write(root, path, garbage)
    for path in ("thermal_zone0/temp", "thermal_zone0/trip_point_1_temp"):
        write(root, f"sys/class/thermal/{path}", garbage)
    state = LinuxSysfsBoard(root).read(0.0)
    assert not state.clock_domains[0].current_mhz <= 0.0
    assert state.clock_domains[0].available_mhz == ()


def test_reads_the_machine_that_runs_the_tests():
    board = LinuxSysfsBoard()
    assert board.read(0.0).elements[0].cores >= 1
