from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dynofa_ros.board.options import BoardOptions
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import PowerMode, find_spec
from dynofa_ros.board.workload import LatencyLaw, network_points
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import ClockLimit

SPEC = find_spec("jetson_orin_nano_super")
SENSORS = ("gpu_temperature", "cpu_temperature", "tj", "power", "clocks", "load")
FULL = {"cpu0": 1728.0, "gpu": 1020.0, "emc": 3199.0}


def make(governors="performance", **options):
    return SimulatedBoard(SPEC, BoardOptions(governors=governors, **options))


@pytest.fixture
def board():
    return make(jitter=False)


def domain(board, name="cpu0"):
    return next(each for each in board.clock_domains() if each.name == name)


def release_at_100_hz(board, seconds):
    """MobileNetV2 on the GPU, the newest frame waiting at most; returns the GPU clocks of its frames."""
    point, law = network_points(SPEC)[0], LatencyLaw(SPEC)
    seen, now_s = [], 0.0
    for frame in range(round(seconds * 100)):
        release_s = frame / 100
        if release_s < now_s - 0.01:
            continue
        now_s = max(now_s, release_s)
        board.advance_to(now_s)
        left = 1.0
        while left > 0.0:
            time_ms, clocked = law.parts(point, board.clocks())
            board.occupy("gpu", "camera", 1.0, clocked)
            until_s = min(now_s + left * time_ms / 1e3, board.next_event_s())
            left -= (until_s - now_s) / (time_ms / 1e3)
            left = 0.0 if left < 1e-9 else left
            board.advance_to(until_s)
            now_s = until_s
        board.vacate("gpu", "camera")
        seen.append(board.mhz("gpu"))
    return seen


class TestClocks:
    def test_performance_starts_at_full_clocks_in_thermal_steady_state(self, board):
        start, later = board.read(50.0), board.read(350.0)
        assert {each.name: each.current_mhz for each in start.clock_domains} == FULL
        assert later.zones == start.zones

    def test_unmanaged_and_idle_the_files_governors_keep_the_lowest_clocks(self):
        board = make(governors=None)
        board.advance(5.0)
        assert board.clocks() == {"cpu0": 115.2, "gpu": 306.0, "emc": 3199.0}
        assert [each.governor for each in board.clock_domains()[:2]] == [
            "schedutil (simulated)",
            "nvhost_podgov (simulated)",
        ]

    def test_a_limit_takes_effect_after_the_actuation_delay_and_rounds_down(self, board):
        board.read(0.0)
        assert board.apply([ClockLimit("gpu", math.nan, 700.0)], 0.0) == (ClockLimit("gpu", 306.0, 612.0),)
        board.advance_to(0.0049)
        assert board.mhz("gpu") == 1020.0
        board.advance_to(0.0051)
        assert board.mhz("gpu") == 612.0
        assert board.clock_changes == 1

    def test_time_stops_at_a_change_of_a_clock_where_that_is_wanted(self, board):
        board.apply([ClockLimit("gpu", 510.0, 510.0)], 0.0)
        due_s = board.actuation_ms("gpu", 0) / 1e3
        assert board.advance_to(1.0, to_change=True)
        assert (board.now_s, board.mhz("gpu")) == (due_s, 510.0)
        assert not board.advance_to(1.0, to_change=True)
        assert board.now_s == 1.0
        board.apply([ClockLimit("gpu", 1020.0, 1020.0)], 1.0)
        assert not board.advance_to(1.0 + due_s, to_change=True)  # the last moment is no earlier one
        assert board.mhz("gpu") == 1020.0

    def test_delays_have_the_files_median_and_p95(self):
        board = make(seed=3)
        delays = sorted(board.actuation_ms("gpu", index) for index in range(4000))
        assert delays[2000] == pytest.approx(5.0, rel=0.02)
        assert delays[3800] == pytest.approx(6.3, rel=0.02)
        assert board.actuation_ms("gpu", 7) == make(seed=3).actuation_ms("gpu", 7)
        assert board.actuation_ms("gpu", 7) != make(seed=4).actuation_ms("gpu", 7)

    def test_the_newest_wish_wins_and_one_taken_back_changes_nothing(self, board):
        board.apply([ClockLimit("gpu", math.nan, 510.0)], 0.0)
        board.apply([ClockLimit("gpu", math.nan, 816.0)], 0.002)
        board.advance_to(0.0069)
        assert board.mhz("gpu") == 1020.0
        board.advance_to(0.0071)
        assert board.mhz("gpu") == 816.0
        board.apply([ClockLimit("gpu", math.nan, 306.0)], 0.1)
        board.apply([ClockLimit("gpu", math.nan, 816.0)], 0.101)
        board.advance_to(1.0)
        assert (board.mhz("gpu"), board.clock_changes) == (816.0, 1)

    def test_the_clock_is_the_lower_of_limit_and_cap(self, board):
        board.apply([ClockLimit("cpu0", 115.2, 1190.4)], 0.0)
        board.set_cap("cpu0", 806.4)
        assert board.read(0.2).clock_domains[0].current_mhz == 806.4
        assert domain(board).cap_mhz == 806.4
        board.set_cap("cpu0", math.nan)
        assert board.read(0.4).clock_domains[0].current_mhz == 1190.4
        assert math.isnan(domain(board).cap_mhz)

    def test_a_minimum_lifts_a_governor_that_wants_less(self):
        board = make(governors=None)
        board.apply([ClockLimit("gpu", 714.0, 1020.0)], 0.0)
        board.advance(1.0)
        assert board.mhz("gpu") == 714.0

    def test_memory_clocks_belong_to_the_power_mode(self, board):
        assert board.apply([ClockLimit("emc", math.nan, 665.6)], 0.0) == (ClockLimit("emc", 204.0, 3199.0),)
        with pytest.raises(RefusedMessage, match="power mode"):
            board.set_governor("emc", "powersave")

    @pytest.mark.parametrize(
        ("mode", "clocks"),
        [
            ("MAXN_SUPER", (1728.0, 1020.0, 3199.0)),
            ("25W", (1344.0, 918.0, 3199.0)),
            ("15W", (1497.6, 612.0, 2133.0)),
        ],
    )
    def test_power_modes_cap_clocks_and_fix_the_memory_clock(self, mode, clocks):
        started = make(power_mode=mode)
        changed = make()
        changed.set_power_mode(mode)
        changed.advance(1.0)
        assert tuple(started.clocks().values()) == tuple(changed.clocks().values()) == clocks

    def test_a_power_mode_may_take_cores_offline(self):
        board = SimulatedBoard(find_spec("jetson_xavier_nx"), BoardOptions(power_mode="10W_4CORE"))
        assert board.read(0.0).elements[0].cores == 4
        board.set_cores(2)
        assert board.read(0.1).elements[0].cores == 2
        board.set_power_mode("20W_6CORE")
        board.set_cores(6)
        assert board.read(0.2).elements[0].cores == 6

    def test_an_unknown_power_mode_lists_the_known_ones(self, board):
        with pytest.raises(RefusedMessage, match="MAXN_SUPER, 25W, 15W"):
            board.set_power_mode("40W")

    def test_userspace_pins_a_clock(self):
        board = make(governors=None)
        board.set_governor("gpu", "performance", 714.0)
        board.advance(0.1)
        assert board.mhz("gpu") == 714.0


class TestGovernors:
    def test_podgov_settles_at_510_mhz_under_mobilenet_at_100_hz(self):
        seen = release_at_100_hz(make(governors=None, power_mode="25W"), 20.0)
        assert seen[-1000:].count(510.0) > 950

    def test_schedutil_follows_a_busy_cpu_up_and_down(self):
        board = make(governors=None)
        board.occupy("cpu", "app", 1 / 6)
        board.advance(0.3)
        assert board.mhz("cpu0") == 1728.0
        board.vacate("cpu", "app")
        board.advance(0.5)
        assert board.mhz("cpu0") == 115.2

    def test_a_task_that_needs_a_quarter_of_the_time_at_full_clock_gets_about_half_of_it(self):
        """10 ms of work at 1728 MHz every 40 ms: utilisation 0.25 asks for 1.25 * 1728 * 0.25 = 540 MHz on
        average; the signal swings around that."""
        board, now_s, seen = make(governors=None), 0.0, []
        for frame in range(100):
            now_s = max(now_s, frame * 0.040)
            board.advance_to(now_s)
            board.occupy("cpu", "app", 1 / 6)
            work_s = 0.010
            while work_s > 1e-9:
                speed = board.mhz("cpu0") / 1728.0
                until_s = min(now_s + work_s / speed, board.next_event_s())
                work_s -= (until_s - now_s) * speed
                now_s = until_s
                board.advance_to(now_s)
            board.vacate("cpu", "app")
            seen.append(board.mhz("cpu0"))
        assert 540.0 < sum(seen[50:]) / 50 < 1100.0
        assert max(seen[50:]) < 1728.0

    @pytest.mark.parametrize("name", ["schedutil", "schedutil_6.9", "schedutil_l4t", "ondemand"])
    def test_every_cpu_governor_ends_at_full_clock_under_full_load(self, name):
        board = make(governors={"cpu0": name})
        board.occupy("cpu", "app", 1.0)
        board.advance(1.5)
        assert board.mhz("cpu0") == 1728.0

    def test_l4t_climbs_a_ladder_because_contributions_scale_with_the_clock(self):
        board = make(governors={"cpu0": "schedutil_l4t"})
        board.occupy("cpu", "app", 1.0)
        board.advance(0.016)
        assert 192.0 <= board.mhz("cpu0") < 1728.0

    def test_the_fixed_part_of_gpu_inference_keeps_a_core_busy(self):
        board = make(governors=None)
        board.occupy("gpu", "app", 1.0, 0.2)
        board.advance(0.3)
        assert board.mhz("cpu0") > 1500.0

    def test_corunners_raise_the_clocks(self):
        board = make(governors=None)
        board.set_corunner("gpu", 0.95, 1.0)
        board.set_corunner("cpu", 0.5, 1.0)
        board.advance(2.0)
        assert board.clocks() == FULL

    def test_a_governor_can_be_changed_at_run_time(self):
        board = make(governors=None)
        board.set_governor("gpu", "performance")
        board.set_governor("cpu0", "powersave")
        board.advance(0.1)
        assert (board.mhz("gpu"), board.mhz("cpu0")) == (1020.0, 115.2)


class TestPower:
    def test_load_costs_power_and_heat(self, board):
        idle = board.read(0.0)
        board.set_load("gpu", 1.0)
        busy = board.read(600.0)
        assert busy.power_w == pytest.approx(idle.power_w + 9.6)
        assert busy.zones[0].temperature_degc == pytest.approx(41.2 + 1.44 * busy.power_w, abs=0.1)
        assert busy.rails[0].power_w == busy.power_w

    def test_an_inference_draws_what_the_power_model_says(self, board):
        point, law = network_points(SPEC)[0], LatencyLaw(SPEC)
        time_ms, clocked = law.parts(point, board.clocks())
        idle_w = board.power_w()
        board.occupy("gpu", "app", 1.0, clocked)
        board.advance(time_ms / 1e3)
        board.vacate("gpu", "app")
        above_mj = 1e3 * (board.energy_j - idle_w * board.now_s)
        assert above_mj == pytest.approx(SPEC.power.energy_mj(point, FULL), rel=1e-6)

    @pytest.mark.parametrize("name", ["jetson_orin_nano_super", "jetson_xavier_nx"])
    def test_full_clock_power_is_the_same_under_every_voltage(self, name):
        spec = replace(find_spec(name), power_modes=(PowerMode("uncapped"),))
        watts = []
        for voltage in ("flat", "nominal", "steep"):
            board = SimulatedBoard(spec, BoardOptions(governors="performance", voltage=voltage))
            for element in spec.power.elements:
                board.occupy(element.element, "app", 1.0)
            watts.append(board.power_w())
        assert watts == pytest.approx([watts[0]] * 3)
        table = spec.power
        full = sum(e.idle_w + e.active_w for e in table.elements) + sum(d.power_w[-1] for d in table.domains)
        assert watts[0] == pytest.approx(table.base_w + full)

    def test_an_unknown_voltage_is_refused(self):
        with pytest.raises(ValueError, match="flat, nominal, steep"):
            make(voltage="cubic")

    def test_a_steeper_voltage_saves_more_at_low_clocks(self):
        watts = []
        for voltage in ("flat", "nominal", "steep"):
            board = make(governors="powersave", voltage=voltage)
            board.occupy("gpu", "app", 1.0)
            watts.append(board.power_w())
        assert watts == sorted(watts, reverse=True)

    def test_power_is_shown_as_the_mean_of_the_last_430_ms(self, board):
        idle_w = board.read(0.0).power_w
        board.advance_to(0.215)
        board.set_load("gpu", 1.0)
        assert board.read(0.42).power_w == idle_w
        assert board.read(0.44).power_w == pytest.approx(idle_w + 9.6 / 2)
        assert board.read(0.87).power_w == pytest.approx(idle_w + 9.6)

    def test_a_corunner_draws_its_own_power_only(self, board):
        idle_w = board.power_w()
        board.set_corunner("gpu", 0.3, 1.2)
        assert board.power_w() == pytest.approx(idle_w + 1.2)
        board.set_corunner("gpu", 0.0, 0.0)
        assert board.power_w() == pytest.approx(idle_w)

    def test_readings_are_noisy_but_repeatable(self):
        readings = [[make(noise=True, seed=seed).read(1.0).power_w for _ in range(2)] for seed in (1, 2)]
        assert readings[0][0] == readings[0][1]
        quiet_w = make().read(1.0).power_w
        assert readings[0][0] == pytest.approx(quiet_w, rel=0.03)
        board = make(noise=True)
        assert len({board.read(now_s).zones[0].temperature_degc for now_s in (1.0, 2.0, 3.0)}) == 3


class TestHeat:
    def test_above_the_trip_point_clocks_step_down_and_recover_when_cool(self, board):
        board.read(0.0)
        board.set_load("gpu", 1.0)
        board.set_ambient(75.0)
        hot = board.read(300.0)
        assert hot.throttling
        assert hot.clock_domains[1].current_mhz < 1020.0
        assert 0.0 < board.throttled_s < 300.0
        board.set_ambient(25.0)
        cool = board.read(400.0)
        assert not cool.throttling
        assert {each.name: each.current_mhz for each in cool.clock_domains} == FULL

    def test_the_ambient_ramps(self, board):
        start = board.temperature_degc()
        board.set_ambient(45.0, 20.0)
        board.advance(5.0)
        assert board.temperature_degc() == pytest.approx(start + 5.0)
        board.set_ambient(25.0, 10.0)
        board.advance(5.0)
        assert board.temperature_degc() == pytest.approx(start + 2.5)
        board.advance(100.0)
        assert board.temperature_degc() == pytest.approx(start)
        assert board.peak_degc == pytest.approx(start + 5.0)

    def test_too_much_current_halves_the_clocks_for_a_while(self, board):
        board.set_power("arm", 20.0)
        board.advance(0.0099)
        assert not board.throttling
        board.advance(0.0002)
        assert board.throttling
        assert (board.mhz("gpu"), board.mhz("cpu0")) == (510.0, 806.4)
        board.set_power("arm", 0.0)
        board.advance(0.2)
        assert not board.throttling
        assert board.clocks() == FULL
        assert board.throttled_s == pytest.approx(0.1)


class TestFaults:
    @pytest.mark.parametrize(
        "sensor", ["gpu_temperature", "cpu_temperature", "tj", "power", "clocks", "load"]
    )
    @pytest.mark.parametrize("kind", ["stuck", "missing", "nan"])
    def test_a_fault_shows_in_its_sensor_and_ends(self, board, sensor, kind):
        board.read(0.0)
        board.set_fault(sensor, kind, until_s=10.0)
        board.set_load("gpu", 1.0)
        board.set_cap("gpu", 510.0)
        faulty, sound = board.read(5.0), board.read(11.0)
        assert self.shown(sound, sensor)
        if kind == "missing":
            assert self.shown(faulty, sensor) is None
        elif kind == "nan":
            assert math.isnan(self.shown(faulty, sensor))
        else:
            assert self.shown(faulty, sensor) != self.shown(sound, sensor)
        assert board.read(12.0).sequence > sound.sequence

    @staticmethod
    def shown(state, sensor):
        if sensor == "power":
            return state.power_w if state.rails else None
        if sensor == "clocks":
            return state.clock_domains[1].current_mhz if state.clock_domains else None
        if sensor == "load":
            return state.elements[1].load + 1.0 if state.elements else None
        name = sensor.removesuffix("_temperature")
        return next((z.temperature_degc for z in state.zones if z.name == name), None)


class TestReadings:
    def test_load_is_the_busy_share_since_the_last_state(self, board):
        board.read(0.0)
        board.advance_to(0.5)
        board.occupy("gpu", "app", 1.0, 0.8)
        assert board.read(1.0).elements[1].load == pytest.approx(0.4)
        assert board.read(2.0).elements[1].load == pytest.approx(0.8)

    def test_a_gpu_inference_keeps_one_core_busy_while_the_gpu_waits(self, board):
        board.read(0.0)
        board.occupy("gpu", "app", 1.0, 0.4)
        assert board.read(1.0).elements[0].load == pytest.approx(0.6 / 6)
        board.vacate("gpu", "app")
        assert board.read(2.0).elements[0].load == 0.0

    def test_time_does_not_run_backwards(self, board):
        board.read(10.0)
        assert board.read(5.0).sequence == 2

    def test_the_same_calls_give_the_same_states(self):
        def states():
            board = make(governors=None, noise=True, seed=5)
            board.set_load("cpu", 0.7)
            return [board.read(now_s) for now_s in (1.0, 1.3, 7.0, 30.0)]

        assert states() == states()

    def test_says_that_it_is_simulated_and_what_is_extrapolated(self, board):
        assert "simulated" in board.read(0.0).status
        xavier = SimulatedBoard(find_spec("jetson_xavier_nx"))
        assert "extrapolated" in xavier.read(0.0).status


@pytest.mark.parametrize(
    "act",
    [
        lambda board: board.set_cap("warp", 100.0),
        lambda board: board.set_cap("cpu0", -1.0),
        lambda board: board.set_load("npu", 0.5),
        lambda board: board.set_load("cpu", math.nan),
        lambda board: board.set_power("corunner", -1.0),
        lambda board: board.set_ambient(math.nan),
        lambda board: board.set_ambient(30.0, -1.0),
        lambda board: board.set_corunner("npu", 0.5, 1.0),
        lambda board: board.set_corunner("gpu", 1.5, 1.0),
        lambda board: board.set_corunner("gpu", 0.5, math.nan),
        lambda board: board.set_cores(0),
        lambda board: board.set_cores(7),
        lambda board: board.set_bandwidth(math.inf),
        lambda board: board.set_power_mode("90W"),
        lambda board: board.set_governor("gpu", "interactive"),
        lambda board: board.set_governor("gpu", "schedutil"),
        lambda board: board.set_governor("cpu0", "nvhost_podgov"),
        lambda board: board.set_governor("gpu", "performance", -5.0),
        lambda board: board.set_fault("smell", "stuck"),
        lambda board: board.set_fault("power", "loud"),
        lambda board: board.set_fault("power", "nan", math.nan),
        lambda board: board.occupy("npu", "app", 1.0),
        lambda board: board.occupy("gpu", "app", math.nan),
        lambda board: board.occupy("gpu", "app", 1.0, 1.5),
        lambda board: board.vacate("gpu", "nobody"),
    ],
)
def test_refuses_what_makes_no_sense_and_stays_as_it_was(board, act):
    before = replace(board.read(0.0), sequence=0)
    with pytest.raises(RefusedMessage, match="refused"):
        act(board)
    board.advance(0.0)
    assert replace(board.read(0.0), sequence=0) == before
    assert board.power_w() == pytest.approx(before.power_w)
