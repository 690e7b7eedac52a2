"""Profiles swept over clocks: on simulated boards in virtual time, from the published sweep, and in files."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from bench_clocks import predicted
from board_samples import write_jetson_tree
from dynofa_ros.board.linux_sysfs import LinuxSysfsBoard
from dynofa_ros.board.options import BoardOptions
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import find_spec
from dynofa_ros.board.state import ClockDomain
from dynofa_ros.engine.emulation import ClockEmulation, stretch
from dynofa_ros.engine.fingerprint import Fingerprint
from dynofa_ros.engine.points import operating_points
from dynofa_ros.engine.profile import PointTiming, Profile
from dynofa_ros.engine.profile_sweep import ClockSweep, ClockTime
from dynofa_ros.engine.profiler import ProfilerOptions
from dynofa_ros.engine.profiler_clocks import SweptClocks, clock_levels
from dynofa_ros.engine.profiler_sweep import SweepOptions, with_sweep
from dynofa_ros.errors import ConfigError, DynofaError
from engine_samples import FP32, on, small_family
from sweep_samples import needs_sweep, samples

HERE = Fingerprint("cpu A", "", "x86_64", 4, "0-3", "random", "random", "abc", {"openvino": "openvino 1"})
SHARE = 0.6
FULL_MHZ = 1728.0
FITTED_MHZ = (306.0, 510.0, 714.0, 1020.0)
TIMES_MS = {on("small"): 2.0, on("large"): 7.0}


class VirtualTime:
    """Seconds that pass when somebody waits."""

    def __init__(self):
        self.now_s = 0.0

    def now(self):
        return self.now_s

    def wait(self, seconds):
        self.now_s += seconds


class TimedNetwork:
    """Takes what `time_ms` says in virtual time."""

    def __init__(self, world, time_ms):
        self.input = np.zeros((4, 4, 3), np.uint8)
        self._world, self._time_ms = world, time_ms

    def infer_input(self):
        self._world.wait(self._time_ms() / 1e3)


class TimedBank:
    """What a profiler asks of a bank."""

    def __init__(self, world, times_ms):
        self.keys = tuple(times_ms)
        self.placements = {str(FP32): FP32}
        self._networks = {key: TimedNetwork(world, time_ms) for key, time_ms in times_ms.items()}

    def network(self, key):
        return self._networks[key]


def simulated(**changes):
    """An Orin Nano with some fields of its memory domain changed."""
    spec = find_spec("jetson_orin_nano_super")
    domains = tuple(replace(d, **changes) if d.name == "emc" else d for d in spec.domains)
    return SimulatedBoard(replace(spec, domains=domains), BoardOptions(governors="performance"))


class World:
    """A simulated board, networks and a sweep over its clocks, all in virtual time."""

    def __init__(self, board=None, times_ms=None):
        self.time = VirtualTime()
        self.board = board or simulated()
        self.log = []
        self.bank = TimedBank(self.time, times_ms or {key: lambda ms=ms: ms for key, ms in TIMES_MS.items()})

    def clocks(self):
        emulation = ClockEmulation(SHARE, wait=self.time.wait)
        return SweptClocks(self.board, self.log.append, emulation, self.time.now, self.time.wait)

    def sweep(self, budget_s=1e9):
        base = Profile(HERE, {key: PointTiming(ms, ms, ms, 9) for key, ms in TIMES_MS.items()})
        profiler = ProfilerOptions(
            clock_s=self.time.now, pause=lambda: self.time.wait(0.01), preempted=lambda: 0
        )
        with self.clocks() as clocks:
            return with_sweep(
                base, self.bank, clocks, SweepOptions(budget_s, profiler=profiler), self.log.append
            )


def points_of(profile, **kinds):
    return {p.key: p.validated() for p in operating_points(small_family(), profile, "cpu0", 0.85, **kinds)}


def test_the_law_of_emulated_clocks_is_recovered_also_where_it_was_not_measured():
    profile = World().sweep()
    points = points_of(profile, emulated_clocks=True)
    for key, full_ms in TIMES_MS.items():
        sweep, point = profile.points[key].sweep, points[key]
        assert (sweep.board, sweep.emulated, sweep.clock_domain) == ("jetson_orin_nano_super", True, "cpu0")
        assert sweep.rms < 1e-6
        assert (point.clock_domain, point.reference_mhz, point.memory_mhz) == ("cpu0", FULL_MHZ, ())
        assert point.clocked_fraction == pytest.approx(SHARE, abs=1e-6)
        measured = {time.clock_mhz for time in sweep.times}
        for held_out_mhz in {115.2, 192.0, 729.6, 1344.0} - measured:
            true_ms = full_ms * stretch(SHARE, held_out_mhz, FULL_MHZ)
            assert point.time_ms({"cpu0": held_out_mhz}) == pytest.approx(true_ms, rel=1e-6)


def test_memory_clocks_that_can_be_set_are_swept_into_a_table():
    board = simulated(writable=True)
    waits_ms = {204.0: 9.0, 665.6: 5.0, 2133.0: 3.0, 3199.0: 2.0}
    world = World(board, {on("small"): lambda: waits_ms[board.mhz("emc")]})
    profile = world.sweep()
    point = points_of(profile, emulated_clocks=True)[on("small")]
    assert (point.memory_domain, point.memory_mhz) == ("emc", (665.6, 2133.0, 3199.0))
    for memory_mhz in point.memory_mhz:
        true_ms = waits_ms[memory_mhz] * stretch(SHARE, 500.0, FULL_MHZ)
        assert point.time_ms({"cpu0": 500.0, "emc": memory_mhz}) == pytest.approx(true_ms, rel=1e-6)


def test_a_sweep_keeps_to_its_time_but_visits_every_level_once():
    short = World()
    profile = short.sweep(budget_s=0.001)
    assert [time.n for time in profile.points[on("small")].sweep.times] == [5] * 4
    assert World().sweep().points[on("small")].sweep.times[0].n == 50


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_clocks_are_put_back_whatever_ends_a_sweep(error):
    def fail():
        raise error

    world = World(times_ms={on("small"): fail})
    before = world.board.clock_domains()
    with pytest.raises(error):
        world.sweep()
    assert world.board.clock_domains()[0].min_mhz == before[0].min_mhz
    world.board.advance(1.0)
    assert world.board.clock_domains() == before


def test_a_board_that_only_reads_is_refused_with_its_domains(tmp_path):
    write_jetson_tree(tmp_path)
    with pytest.raises(DynofaError, match=r"linux: clocks of cpu0, gpu cannot be set .*leave out --board"):
        SweptClocks(LinuxSysfsBoard(tmp_path), pytest.fail)


def test_a_clock_that_does_not_move_is_an_error_before_anything_is_measured():
    world = World()
    clocks = world.clocks()
    world.board.set_cap("cpu0", 345.6)
    with pytest.raises(DynofaError, match=r"cpu0 stayed at 345\.6 MHz where 345\.6 and 1728 MHz were set"):
        clocks.__enter__()
    assert world.board.clock_domains()[0].max_mhz == FULL_MHZ


def test_levels_that_somebody_takes_away_meanwhile_do_not_count():
    world = World()
    inferences = iter(range(10**6))

    def capped_later():
        if next(inferences) == 12:
            world.board.set_cap("cpu0", 1113.6)
        return 2.0

    world.bank = TimedBank(world.time, {on("small"): capped_later})
    sweep = world.sweep().points[on("small")].sweep
    counted = {time.clock_mhz: time.n for time in sweep.times}
    assert counted == {345.6: 50, 576.0: 50, 1036.8: 50}
    assert [text for text in world.log if "cpu0 did not hold 1728 MHz" in text] == world.log


def test_points_on_elements_without_a_clock_stay_as_they_were():
    world = World()
    gpu = ("small", "gpu/torch/fp16/1")
    world.bank.placements[gpu[1]] = replace(FP32, element="gpu")
    world.bank.keys = (*world.bank.keys, gpu)
    assert gpu not in world.sweep().points


@pytest.mark.parametrize(
    ("domain", "levels"),
    [
        (
            ClockDomain("gpu", available_mhz=(306.0, 408.0, 510.0, 612.0, 714.0, 816.0, 918.0, 1020.0)),
            FITTED_MHZ,
        ),
        (ClockDomain("cpu0", available_mhz=(100.0, 500.0, 1000.0)), (500.0, 1000.0)),
        (ClockDomain("cpu0", available_mhz=(500.0, 1000.0), cap_mhz=500.0), (500.0,)),
        (ClockDomain("cpu0", min_mhz=800.0, max_mhz=6400.0), (1280.0, 2188.8, 3742.8, 6400.0)),
        (ClockDomain("cpu0"), ()),
    ],
)
def test_levels_are_even_in_the_logarithm_and_of_the_table(domain, levels):
    assert clock_levels(domain, 4) == pytest.approx(levels, abs=0.1)


SWEEP = ClockSweep(
    "linux", False, "cpu0", "", (ClockTime(500.0, math.nan, 3.0, 9), ClockTime(1000.0, math.nan, 2.0, 9))
)
WITH_MEMORY = ClockSweep(
    "robot", False, "gpu", "emc", (ClockTime(500.0, 2133.0, 3.0, 9), ClockTime(1000.0, 2133.0, 2.0, 9))
)


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "profile.json"
    timings = {
        on("small"): PointTiming(2.0, 2.5, 2.6, 9, sweep=SWEEP),
        on("middle"): PointTiming(2.0, 2.5, 2.6, 9, sweep=WITH_MEMORY),
        on("large"): PointTiming(4.0, 4.5, 4.6, 9),
    }
    Profile(HERE, timings).save(path)
    return path


def test_a_swept_profile_comes_back_as_it_was_saved_and_others_are_written_as_before(stored):
    points = Profile.load(stored, HERE).points
    assert repr(points[on("small")].sweep) == repr(SWEEP)
    assert points[on("middle")].sweep == WITH_MEMORY
    large = json.loads(stored.read_text())["points"][2]
    assert "sweep" not in large
    assert points[on("large")].sweep is None


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ((), 7, "sweep"),
        (("board",), "", "sweep.board"),
        (("emulated",), 1, "sweep.emulated"),
        (("clock_domain",), None, "sweep.clock_domain"),
        (("memory_domain",), None, "sweep.memory_domain"),
        (("memory_domain",), "emc", "sweep.times[0].memory_mhz"),
        (("times",), [], "sweep.times"),
        (("times", 1), "x", "sweep.times[1]"),
        (("times", 1, "clock_mhz"), 500.0, "sweep.times"),
        (("times", 0, "clock_mhz"), -1.0, "sweep.times[0].clock_mhz"),
        (("times", 0, "latency_ms"), None, "sweep.times[0].latency_ms"),
    ],
)
def test_malformed_sweeps_name_the_field(stored, path, value, field):
    document = json.loads(stored.read_text())
    target, *keys = document["points"][0], "sweep", *path
    for key in keys[:-1]:
        target = target[key]
    target[keys[-1]] = value
    stored.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as refused:
        Profile.load(stored, HERE)
    assert refused.value.field == f"points[0].{field}"


def test_points_carry_the_law_where_there_is_one_and_the_assumption_elsewhere(stored):
    points = points_of(Profile.load(stored, HERE))
    assert points[on("small")].clocked_fraction == pytest.approx(0.5)
    assert points[on("small")].reference_mhz == 1000.0
    assert points[on("middle")].clock_domain == "gpu"
    assert points[on("large")].clocked_fraction == 0.85
    assert math.isnan(points[on("large")].reference_mhz)


def test_a_refined_latency_moves_the_whole_law(stored):
    profile = Profile.load(stored, HERE).refined({on("small"): 1.0})
    point = points_of(profile)[on("small")]
    assert point.latency_ms == pytest.approx(1.5)
    assert point.latency_p95_ms == pytest.approx(2.5)
    assert point.time_ms({"cpu0": 500.0}) == pytest.approx(3.0 * 1.5 / 2.0)


@pytest.mark.parametrize("emulated", [False, True])
def test_a_sweep_over_clocks_of_the_other_kind_is_not_used(emulated):
    sweep = replace(SWEEP, emulated=emulated)
    profile = Profile(HERE, {on("small"): PointTiming(2.0, 2.5, 2.6, 9, sweep=sweep)})
    used = points_of(profile, real_clocks=not emulated, emulated_clocks=emulated)[on("small")]
    unused = points_of(profile, real_clocks=emulated, emulated_clocks=not emulated)[on("small")]
    assert (used.clocked_fraction, unused.clocked_fraction) == pytest.approx((0.5, 0.85))


def test_the_benchmark_judges_the_clocks_that_it_did_not_fit():
    def sweep(spoilt_mhz):
        return ClockSweep(
            "robot", True, "cpu0", "", tuple(
                ClockTime(mhz, math.nan, (2.0 if mhz == spoilt_mhz else 1.0) * (1.0 + 1000.0 / mhz), 9)
                for mhz in (250.0, 400.0, 500.0, 800.0, 1000.0)
            ),
        )  # fmt: skip

    found = predicted(sweep(400.0))
    assert found["clocked_share"] == pytest.approx(0.5)
    assert found["held_out_percent"] == pytest.approx({"400": -50.0, "800": 0.0})


@needs_sweep
@pytest.mark.parametrize(("model", "worst"), [("mobilenet", 0.03), ("proxy", 0.03)])
def test_a_profile_of_the_published_sweep_predicts_the_clocks_that_were_held_out(tmp_path, model, worst):
    table = {emc: rows for emc, rows in samples(model).items() if len({mhz for mhz, _ in rows}) > 1}
    flat = [(mhz, emc, ms) for emc, rows in table.items() for mhz, ms in rows]
    times = tuple(ClockTime(mhz, emc, ms, 1) for mhz, emc, ms in flat if mhz in FITTED_MHZ)
    full_ms = float(np.mean([ms for mhz, emc, ms in flat if (mhz, emc) == (1020.0, 3199.0)]))
    timing = PointTiming(full_ms, full_ms, full_ms, 9, sweep=ClockSweep("orin", False, "gpu", "emc", times))
    path = tmp_path / "profile.json"
    Profile(HERE, {("small", "gpu/onnxruntime/fp16/1"): timing}).save(path)
    (point,) = points_of(Profile.load(path, HERE)).values()
    held_out = [(mhz, emc, ms) for mhz, emc, ms in flat if mhz not in FITTED_MHZ]
    errors = [abs(point.time_ms({"gpu": mhz, "emc": emc}) / ms - 1.0) for mhz, emc, ms in held_out]
    assert len(errors) >= 12
    assert max(errors) < worst
    assert np.mean(errors) < 0.012
