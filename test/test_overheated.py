"""The thermal margin gives way before targets do, and only as far as needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynofa_ros.manager.arbiter.arbiter import arbitrate, judge
from dynofa_ros.manager.arbiter.overheated import SLACK_DEGC, ThermalMargin
from dynofa_ros.manager.arbiter.problem import (
    ArbiterApplication,
    ArbiterElement,
    ArbiterInput,
    ClockTable,
    HeatLimit,
)
from dynofa_ros.manager.arbiter.released import ReleasedClocks
from dynofa_ros.manager.models.power_model import BoardPowerModel, ElementPower
from dynofa_ros.manager.operating_point import OperatingPoint

POWER = BoardPowerModel(3.0, (ElementPower("cpu", "cpu0", 4, 500.0, 2000.0, 0.5, 8.0, 0.7),))
CPU = ClockTable("cpu0", (500.0, 1000.0, 2000.0), full_mhz=2000.0)
SIZES = {"small": (4.0, 0.90), "middle": (8.0, 0.94), "large": (12.0, 0.97)}
POINTS = tuple(
    OperatingPoint(
        name, threads=4, macs=ms * 1e6, accuracy=accuracy, latency_ms=ms, clock_domain="cpu0",
        clocked_fraction=1.0, reference_mhz=2000.0,
    )
    for name, (ms, accuracy) in SIZES.items()
)  # fmt: skip


def alone(problem):
    return ReleasedClocks.of(problem, arbitrate)


def problem(limit_degc, latency_ms=14.0, degc_per_w=2.0):
    app = ArbiterApplication("front", POINTS, latency_ms=latency_ms, period_ms=33.3)
    heat = HeatLimit(80.0, degc_per_w, limit_degc)
    return ArbiterInput((app,), (CPU,), (ArbiterElement("cpu", 4),), POWER, heat=heat)


def coolest_on_time_degc(latency_ms=14.0):
    """The temperature of the least power that meets the target, from a search without its objective."""
    found = []
    for i in range(len(POINTS)):
        for mhz in CPU.available_mhz:
            time_ms = POINTS[i].time_ms({"cpu0": mhz})
            if time_ms <= latency_ms:
                busy = {"cpu": min(time_ms / 33.3, 1.0)}
                found.append(80.0 + 2.0 * POWER.power_w({"cpu0": mhz}, busy))
    return min(found)


def test_where_the_margin_can_be_kept_it_is():
    cool = problem(limit_degc=120.0)
    assert ThermalMargin(alone).solve(cool) == arbitrate(cool)


def test_no_target_is_given_up_for_the_margin():
    hot = problem(limit_degc=81.0)
    assert arbitrate(hot).violations[0]
    result = ThermalMargin(alone).solve(hot)
    assert result.violations == ((),)
    assert result.board_violations == ("temperature",)


@pytest.mark.parametrize("limit_degc", [81.0, 86.0, 88.0])
def test_it_gets_no_hotter_than_the_coolest_choice_on_time_and_the_slack(limit_degc):
    result = ThermalMargin(alone).solve(problem(limit_degc))
    assert result.temperature_degc <= max(limit_degc, coolest_on_time_degc() + SLACK_DEGC) + 1e-9


def test_within_the_slack_the_objective_counts_again():
    def chosen(degc_per_w):
        hot = problem(limit_degc=80.1, degc_per_w=degc_per_w)
        return POINTS[ThermalMargin(alone).solve(hot).choices[0]].accuracy

    assert chosen(degc_per_w=0.1) > chosen(degc_per_w=3.0)


def test_a_target_that_no_temperature_allows_gives_way_to_heat():
    impossible = problem(limit_degc=81.0, latency_ms=1.0)
    assert ThermalMargin(alone).solve(impossible) == arbitrate(impossible)


@pytest.mark.parametrize("limit_degc", [81.0, 86.0, 120.0])
def test_a_choice_is_described_as_it_is_under_the_limit_that_holds(limit_degc):
    hot = problem(limit_degc)
    result = ThermalMargin(alone).solve(hot)
    judged = judge(hot, result.choices, result.clocks)
    assert result == replace(judged, exact=result.exact, bound=result.bound, nodes=result.nodes)


def test_the_next_choice_is_the_same_as_without_the_one_before():
    margin = ThermalMargin(alone)
    asked = [problem(limit_degc, latency_ms) for latency_ms in (14.0, 9.0) for limit_degc in (81.0, 86.0)]
    assert [margin.solve(hot) for hot in asked * 2] == [ThermalMargin(alone).solve(hot) for hot in asked * 2]
