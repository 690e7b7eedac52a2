"""Sensors that vanish: what the manager remembers of them, and what it allows without them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dynofa_ros.board.state import BoardState, Element, ThermalZone
from dynofa_ros.manager.application import ApplicationInfo, InferenceStats
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.manager import Manager
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.manager.telemetry.board_view import BoardView
from test_manager import POINTS, SPEC, World

CONFIG = ManagerConfig()
LARGER = replace(POINTS[2], subnet="largest", latency_ms=24.0, accuracy=0.98)
UNWATCHED = "no temperature is read: nothing above what is known to be sustained"


class Unmodelled:
    """A board of unknown kind: elements and zones as they are set, statistics of an unloaded machine."""

    def __init__(self, *zones, points=(*POINTS, LARGER), **config):
        self.now_s, self.sequence = 10.0, 0
        self.zones = zones
        self.elements = (Element("cpu", "cpu0", 1, 0.1),)
        self.manager = Manager(ManagerConfig(**config), "m")
        self.hear_board()
        self.output = self.manager.on_application(ApplicationInfo("front", points), self.now_s)

    def hear_board(self):
        self.sequence += 1
        state = BoardState(self.sequence, "unknown", zones=self.zones, elements=self.elements)
        self.manager.on_board_state(state, self.now_s)

    def run(self, seconds, slowdown=1.0):
        for _ in range(round(seconds / 0.2)):
            self.now_s += 0.2
            self.hear_board()
            self.manager.on_stats(
                InferenceStats(
                    "front", frames=6, period_ms=33.3, overhead_ms=1.0, slowdown=slowdown,
                    slowdown_tail=slowdown, inferred_total=self.sequence,
                ),
                self.now_s,
            )  # fmt: skip
            self.output = self.manager.step(self.now_s)
        return self

    def target(self, latency_ms):
        self.output = self.manager.on_target(QosTarget("front", latency_ms), self.now_s)
        return self

    @property
    def subnet(self):
        return self.output.status.applications[0].subnet

    @property
    def status(self):
        return self.output.status.status


def zone(degc=50.0, trip_degc=95.0):
    return ThermalZone("cpu", degc, trip_degc)


# Without a thermal model


@pytest.mark.parametrize("lost", [(), (zone(math.nan),), (zone(1e9),), (zone(-300.0, math.nan),)])
def test_what_ran_when_the_sensor_vanished_is_the_most_that_may_run(lost):
    board = Unmodelled(zone()).target(12.0).run(2.0)
    assert board.subnet == "middle"
    board.zones = lost
    board.run(1.0).target(60.0).run(3.0)
    assert board.subnet == "middle"
    assert UNWATCHED in board.status
    assert board.target(8.0).run(1.0).subnet == "small"
    assert board.target(60.0).run(3.0).subnet == "middle"  # back up, and no further
    board.zones = (zone(51.0),)
    assert board.run(3.0).subnet == "largest"
    assert UNWATCHED not in board.status


def test_a_slow_down_without_a_sensor_ratchets_nothing_down():
    board = Unmodelled(zone()).target(30.0).run(2.0)
    assert board.subnet == "largest"
    board.zones = ()
    assert board.run(2.0, slowdown=3.0).subnet == "middle"
    assert board.run(4.0).subnet == "largest"


@pytest.mark.parametrize("zones", [(zone(math.nan),), (zone(math.nan), zone(math.nan, 80.0))])
def test_a_sensor_that_never_said_anything_allows_the_load_that_a_profile_had(zones):
    board = Unmodelled(*zones).target(60.0).run(3.0)
    assert board.subnet == "large"  # 16 of 33.3 ms; 24 ms are more than half of the period
    assert UNWATCHED in board.status
    assert Unmodelled(*zones, sustained_busy=0.3).target(60.0).run(3.0).subnet == "middle"
    assert Unmodelled(*zones, sustained_busy=0.0).target(60.0).run(3.0).subnet == "small"


def test_an_application_that_ran_before_the_board_was_seen_is_not_known_to_be_sustained():
    board = Unmodelled(zone(math.nan))
    manager = board.manager = Manager(ManagerConfig(), "m")
    manager.on_application(ApplicationInfo("front", (*POINTS, LARGER)), board.now_s)
    assert manager.step(board.now_s).decisions == ()
    board.target(60.0)
    assert board.subnet == "largest"
    assert board.run(1.0).subnet == "large"


def test_an_application_that_joins_while_the_board_is_silent_takes_what_is_sustained():
    board = Unmodelled(zone(), sustained_busy=0.3)
    board.elements = (Element("cpu", "cpu0", 2, 0.1),)
    board.run(0.2).target(60.0).run(2.0)
    board.now_s += 5.0
    second = ApplicationInfo("rear", (*POINTS, LARGER))
    board.output = board.manager.on_application(second, board.now_s)
    assert [status.subnet for status in board.output.status.applications] == ["largest", "large"]
    assert "frozen or absent" in board.status


def test_points_of_a_busier_placement_are_above_what_is_sustained_too():
    wide = OperatingPoint("net", "cpu/x/fp32/4", threads=4, accuracy=0.9, latency_ms=20.0)
    slim = OperatingPoint("net", "cpu/x/fp32/1", threads=1, accuracy=0.8, latency_ms=20.0)
    board = Unmodelled(zone(math.nan), points=(wide, slim))
    board.elements = (Element("cpu", "cpu0", 4, 0.1),)
    assert board.run(1.0).target(60.0).run(1.0).output.status.applications[0].placement == slim.placement


def test_a_board_without_any_trip_point_is_not_held_back():
    for zones in ((), (zone(50.0, math.nan),)):
        board = Unmodelled(*zones).target(60.0).run(2.0)
        assert (board.subnet, UNWATCHED in board.status) == ("largest", False)
        board.zones = ()
        assert board.run(2.0).subnet == "largest"


def test_a_trip_point_outlives_its_zone():
    board = Unmodelled(zone(50.0, 70.0), ThermalZone("gpu", 50.0, 95.0)).target(12.0).run(2.0)
    board.zones = (ThermalZone("gpu", 68.0, 95.0),)
    board.run(0.4).target(60.0).run(2.0)
    assert board.subnet == "middle"
    assert "68 degC is close to the trip point: no upward moves" in board.status


def test_another_board_has_its_own_trip_points():
    view = BoardView()
    view.take(BoardState(1, "a", zones=(zone(50.0, 70.0),)), {}, 0.0)
    view.take(BoardState(2, "b", zones=(ThermalZone("gpu", 66.0, 95.0),)), {}, 0.1)
    assert not view.caution(0.2, CONFIG).reason


def test_a_temperature_topic_that_falls_silent_holds_what_runs():
    board = Unmodelled(trip_degc=90.0)
    assert board.target(60.0).run(1.0).subnet == "large"
    board.manager.on_temperature(50.0, board.now_s)
    assert board.run(2.0).subnet == "largest"
    assert board.run(6.0).subnet == "largest"
    assert UNWATCHED in board.status


# With a thermal model


def vanished(world, **fields):
    """The board without some of its readings, from now on."""
    read = world.board.read
    world.board.read = lambda now_s: replace(read(now_s), **fields)
    return world


def test_without_zones_the_model_goes_on_alone_below_the_same_limit():
    world = World("front")
    world.target(latency_ms=25.0)
    world.run(5.0)
    before = world.manager._board.heat(CONFIG)
    assert world.manager._board.temperature_degc() == pytest.approx(
        world.board.read(world.now_s).zones[0].temperature_degc, abs=2.0
    )
    vanished(world, zones=()).run(60.0)
    after = world.manager._board.heat(CONFIG)
    assert after.limit_degc == before.limit_degc
    assert after.offset_degc > before.offset_degc + 3.0  # less is known
    assert "no temperature is read: the model stands in" in world.status.status
    assert math.isfinite(world.status.predicted_temperature_degc)
    assert world.status.feasible


def test_hot_surroundings_still_bind_when_the_sensor_is_gone():
    world = World("front")
    world.target(latency_ms=25.0)
    world.run(2.0)
    cold_w = world.status.predicted_power_w
    world.board.set_ambient(80.0)
    world.run(20.0)
    vanished(world, zones=()).run(2.0)
    assert world.status.predicted_power_w < cold_w


def test_where_no_zone_was_ever_read_the_trip_point_of_the_board_file_counts():
    view = BoardView()
    view.set_models(SPEC.models())
    view.take(BoardState(1, SPEC.name, power_w=6.0), {}, 0.0)
    assert view.heat(CONFIG).limit_degc == min(z.trip_degc for z in SPEC.zones) - CONFIG.thermal_margin_degc
    assert view.heat(replace(CONFIG, trip_degc=80.0)).limit_degc == 77.0


# Elements


def test_elements_that_are_absent_keep_their_cores_and_what_others_took():
    view = BoardView()
    elements = (Element("cpu", "cpu0", 4, 0.7), Element("gpu", "gpu", 0, 0.3))
    view.take(BoardState(1, "a", elements=elements), {}, 0.0)
    before = view.elements({"cpu": 0.2})
    for sequence, now in enumerate(((), elements[:1], tuple(replace(e, load=math.nan) for e in elements)), 2):
        view.take(BoardState(sequence, "a", elements=now), {}, 0.1 * sequence)
        assert sorted(view.elements({"cpu": 0.2}), key=lambda e: e.name) == list(before)
        assert view.cores() == {"cpu": 4, "gpu": 0}
    assert [e.background for e in before] == pytest.approx([0.5, 0.3], abs=0.1)
    view.take(BoardState(9, "a", elements=(Element("cpu", "cpu0", 2, 0.1),)), {}, 1.0)
    assert view.cores() == {"cpu": 2, "gpu": 0}
    view.take(BoardState(10, "b", elements=elements[1:]), {}, 1.1)
    assert view.cores() == {"gpu": 0}


def test_a_load_that_was_never_read_counts_as_none():
    view = BoardView()
    view.take(BoardState(1, "a", elements=(Element("cpu", "cpu0", 4),)), {}, 0.0)
    assert view.elements({})[0].background == 0.0


def test_missing_loads_change_neither_threads_nor_sharing():
    wide = OperatingPoint("wide", "cpu/x/fp32/4", threads=4, accuracy=0.9, latency_ms=3.0)
    slim = OperatingPoint("slim", "cpu/x/fp32/1", threads=1, accuracy=0.8, latency_ms=6.0)
    board = Unmodelled(points=(wide, slim))
    board.elements = (Element("cpu", "cpu0", 2, 0.1),)
    assert board.run(2.0).subnet == "slim"
    board.elements = ()
    assert board.run(2.0).subnet == "slim"
