"""What came all of a sudden: how it is answered before much is known of it."""

from __future__ import annotations

from dynofa_ros.manager.qos import Objective
from test_manager import STEP_S, World


def test_a_slow_down_that_has_just_leapt_leaves_room_for_bursts_until_the_dwell_is_over():
    world = World("front")
    world.target(latency_ms=25.0, objective=Objective.MIN_ENERGY, min_accuracy=0.93)
    world.run(3.0)
    calm_mhz = world.max_mhz()
    world.slowdown["front"] = 1.3
    world.run(STEP_S)
    wary_mhz = world.max_mhz()
    world.run(3.0)
    assert calm_mhz < world.max_mhz() < wary_mhz


def test_room_for_bursts_after_a_leap_costs_no_target():
    """With room for bursts on top the target could not be met at all."""
    world = World("front")
    world.target(latency_ms=25.0, min_accuracy=0.96)
    world.run(3.0)
    world.slowdown["front"] = 1.3
    world.run(STEP_S)
    assert world.subnet() == "large"
    assert world.status.feasible


def test_a_camera_that_got_faster_is_answered_at_once():
    world = World("front")
    world.target()
    world.run(3.0)
    before = len(world.dvfs), len(world.decisions)
    world.stats("front", period_ms=10.0)
    assert (len(world.dvfs), len(world.decisions)) != before
    after = len(world.dvfs), len(world.decisions)
    world.stats("front", period_ms=9.9)
    assert (len(world.dvfs), len(world.decisions)) == after


def test_a_slow_down_that_is_no_leap_is_answered_before_the_next_step_too():
    """Of three reports the second largest slow-down counts: the second slow one moves it."""
    world = World("front")
    world.target(latency_ms=24.0, objective=Objective.MIN_ENERGY, min_accuracy=0.93)
    world.run(3.0)
    world.stats("front", slowdown_tail=1.1)
    calm_mhz = world.max_mhz()
    world.stats("front", slowdown_tail=1.1)
    assert world.max_mhz() > calm_mhz
