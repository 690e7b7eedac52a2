"""What a change costs counts over the dwell: small savings trigger none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynofa_ros.board.spec import find_spec
from dynofa_ros.manager.arbiter.problem import ArbiterInput
from dynofa_ros.manager.qos import Objective
from test_manager import SPEC, World

SLOW_MS = 10.0


def saving_world(actuation_ms, modelled=True, **config):
    """One application at its least energy, without inertia; from now on the clock changes so slowly."""
    world = World("front", inertia_w=0.0, actuation_ms=0.0, **config)
    world.manager.set_models(replace(SPEC.models(), actuation_ms={}))
    world.target(latency_ms=25.0, objective=Objective.MIN_ENERGY, min_accuracy=0.93)
    world.run(5.0)
    if modelled:
        world.manager.set_models(replace(SPEC.models(), actuation_ms={"cpu0": actuation_ms}))
    else:
        world.manager.config = replace(world.manager.config, actuation_ms=actuation_ms)
    return world


def asked(world) -> ArbiterInput:
    """The problem of the last step."""
    return world.manager._solved[-1][0]


@pytest.mark.parametrize("modelled", [True, False])
def test_a_saving_below_the_cost_of_the_change_leaves_the_clock_as_it_is(modelled):
    free, slow = saving_world(0.0, modelled), saving_world(SLOW_MS, modelled)
    before_mhz = slow.max_mhz()
    assert free.max_mhz() == before_mhz
    for world in (free, slow):
        world.slowdown["front"] = 0.93
        world.run(5.0)
    assert free.max_mhz() < before_mhz
    assert slow.max_mhz() == before_mhz
    saved_w = slow.status.predicted_power_w - free.status.predicted_power_w
    idle_w = float(SPEC.power.idle_w({**asked(slow).other_clocks, "cpu0": free.max_mhz()}))
    assert 0.0 < saved_w < SLOW_MS / 1e3 / slow.manager.config.dwell_s * idle_w
    slow.slowdown["front"] = 0.4  # now it pays
    assert slow.run(5.0).max_mhz() < free.max_mhz()


def test_a_longer_dwell_pays_for_the_same_change():
    world = saving_world(SLOW_MS, dwell_s=10.0)
    before_mhz = world.max_mhz()
    world.slowdown["front"] = 0.93
    assert world.run(15.0).max_mhz() < before_mhz


def test_a_change_that_a_target_needs_is_made_whatever_it_costs():
    world = saving_world(500.0)
    before_mhz = world.max_mhz()
    world.slowdown["front"] = 1.3
    assert world.run(2.0).max_mhz() > before_mhz
    assert world.status.feasible


def test_delays_come_from_the_board_file_and_changes_count_over_the_dwell():
    world = World("front", dwell_s=2.0)
    world.target()
    question = asked(world.run(1.0))
    files_ms = {domain.name: domain.actuation_ms for domain in SPEC.domains}
    assert {table.domain: table.change_ms for table in question.clocks} == {"cpu0": files_ms["cpu0"]}
    assert (question.horizon_s, question.applications[0].switch_ms) == (2.0, world.manager.config.switch_ms)
    xavier_ms = find_spec("jetson_xavier_nx").models().actuation_ms
    assert xavier_ms["gpu"] > xavier_ms["cpu0"] > 0.0


def test_without_a_dwell_a_change_still_costs_something_finite():
    world = World("front", dwell_s=0.0)
    world.target()
    assert 0.0 < asked(world.run(1.0)).horizon_s < 1.0
    assert world.status.feasible
