"""Policies in which nobody manages clocks or sub-network: the kernel's and the ablations."""

from __future__ import annotations

import pytest

from dynofa_ros.manager.operating_point import named
from dynofa_ros.simulation.policies import make_policy
from dynofa_ros.simulation.policies.deployed import TRANSPORT_MS, deployed_point
from policy_samples import (
    FULL,
    LARGE,
    MIDDLE,
    POINTS,
    SMALL,
    SPEC,
    application,
    capped,
    dropped,
    frame,
    frugal,
    point,
    run,
    started,
    target,
)

GPU = next(d.available_mhz for d in SPEC.domains if d.name == "gpu")


def steady(slowdown=1.0):
    return lambda p, clocks: slowdown * p.time_ms(clocks)


class TestDeployedPoint:
    def choose(self, qos, points=POINTS, clocks=FULL, period_ms=33.3):
        return deployed_point(points, qos, SPEC.power, clocks, period_ms)

    def test_accuracy_takes_the_most_accurate_that_meets_the_target(self):
        assert self.choose(target(20.0 + TRANSPORT_MS)) is LARGE
        assert self.choose(target(20.0 + TRANSPORT_MS - 0.01)) is MIDDLE

    def test_energy_takes_the_least_that_meets_floor_and_target(self):
        assert self.choose(frugal(30.0)) is SMALL
        assert self.choose(frugal(30.0, min_accuracy=0.75)) is MIDDLE

    def test_energy_with_a_floor_out_of_reach_takes_the_most_accurate_that_meets_the_target(self):
        assert self.choose(frugal(15.0, min_accuracy=0.78)) is MIDDLE

    def test_nothing_meets_it_so_the_fastest(self):
        assert self.choose(target(2.0)) is SMALL

    def test_the_profiled_spread_counts(self):
        loose = point("large", 20.0, 0.79, latency_p95_ms=25.0)
        assert self.choose(target(25.0), (SMALL, MIDDLE, loose)) is MIDDLE

    def test_it_must_keep_up_with_the_camera(self):
        assert self.choose(target(100.0), period_ms=15.0) is MIDDLE

    def test_lower_clocks_stretch_it(self):
        assert self.choose(target(30.0), clocks={**FULL, "gpu": 510.0}) is MIDDLE

    def test_unknown_accuracies_fall_back_to_size(self):
        blind = [point(p.subnet, p.latency_ms, float("nan")) for p in POINTS]
        assert self.choose(target(30.0), blind).subnet == "large"


class TestLinux:
    def test_sets_nothing_and_keeps_its_sub_network_whatever_is_measured(self):
        policy, world = started(make_policy("linux"), application())
        assert run(policy, 50, steady(3.0)) == [LARGE] * 50
        assert not world.limits
        assert not world.governors

    def test_is_sized_again_when_its_target_is_set(self):
        policy, _ = started(make_policy("linux"), application())
        policy.on_target("front", target(12.0))
        assert policy.choose("front") is MIDDLE

    def test_is_sized_with_the_caps_that_hold_from_the_start_and_keeps_it_when_others_come(self):
        policy, _ = started(make_policy("linux"), application())
        policy.on_board_state(capped(gpu=510.0))
        assert policy.choose("front") is MIDDLE
        policy.on_board_state(capped())
        assert policy.choose("front") is MIDDLE

    def test_is_sized_at_full_clocks_although_the_board_idles(self):
        policy, _ = started(make_policy("linux"), application(), clocks={**FULL, "gpu": 306.0})
        assert policy.choose("front") is LARGE


class TestFixedClocks:
    def test_performance_pins_what_can_be_set(self):
        policy, world = started(make_policy("performance"), application())
        assert world.governors == {"cpu0": "performance", "gpu": "performance"}
        assert policy.choose("front") is LARGE

    def test_powersave_is_sized_at_the_clocks_that_it_pins(self):
        policy, world = started(make_policy("powersave"), application())
        assert world.governors == {"cpu0": "powersave", "gpu": "powersave"}
        assert policy.choose("front") is SMALL  # 10 ms takes 33 ms at 306 MHz


class TestDvfsOnly:
    def test_settles_at_the_least_clock_that_meets_the_target(self):
        """Overhead 1 ms, slow-down 1: 20 ms * 1020 / f + 1 <= 30 needs 703 MHz, the table has 714."""
        policy, world = started(make_policy("dvfs_only"), application())
        assert set(run(policy, 200, steady())) == {LARGE}
        assert world.limits[-1] == ("gpu", 714.0, 714.0)

    def test_a_slow_down_raises_the_clock_within_two_frames_and_falls_only_after_the_dwell(self):
        policy, world = started(make_policy("dvfs_only"), application())
        run(policy, 200, steady())
        run(policy, 2, steady(1.3))
        assert world.limits[-1] == ("gpu", 918.0, 918.0)  # 26 * 1020 / f + 1 <= 30
        before = len(world.limits)
        run(policy, 20, steady())
        assert len(world.limits) == before
        run(policy, 400, steady())
        assert world.limits[-1] == ("gpu", 714.0, 714.0)

    def test_asks_for_no_clock_above_the_cap(self):
        policy, world = started(make_policy("dvfs_only"), application())
        policy.on_board_state(capped(gpu=600.0))
        assert world.limits[-1] == ("gpu", 510.0, 510.0)

    def test_two_applications_share_the_clock_that_both_need(self):
        policy, world = started(
            make_policy("dvfs_only"), application(), application(qos=target(11.9), name="rear")
        )
        for _ in range(100):
            run(policy, 1, steady())
            run(policy, 1, steady(), name="rear")
        assert world.limits[-1] == ("gpu", 1020.0, 1020.0)  # rear: 10 ms * 1020 / f + 1 <= 11.9
        policy.on_leave("rear")
        run(policy, 100, steady())
        assert world.limits[-1] == ("gpu", 714.0, 714.0)

    def test_leaves_everything_to_the_governor_when_nobody_is_there(self):
        policy, world = started(make_policy("dvfs_only"), application())
        policy.on_leave("front")
        assert world.limits[-1] == ("gpu", GPU[0], GPU[-1])


class TestSubnetOnly:
    def test_follows_the_clock_of_the_governor(self):
        policy, world = started(make_policy("subnet_only"), application())
        assert run(policy, 150, steady())[-1] is LARGE
        world.set_clock("gpu", 510.0)
        assert run(policy, 1, steady()) == [MIDDLE]
        assert not world.limits

    def test_gives_way_to_a_slow_down_after_two_frames(self):
        policy, _ = started(make_policy("subnet_only"), application())
        run(policy, 150, steady())
        chosen = run(policy, 6, steady(1.6))
        assert chosen[0] is LARGE
        assert chosen[3:] == [MIDDLE] * 3

    def test_energy_goes_no_higher_than_the_deployed_point(self):
        policy, _ = started(make_policy("subnet_only"), application(qos=frugal(min_accuracy=0.75)))
        assert set(run(policy, 150, steady())) == {MIDDLE}

    def test_takes_a_new_target(self):
        policy, _ = started(make_policy("subnet_only"), application())
        run(policy, 150, steady())
        policy.on_target("front", target(8.0))
        assert run(policy, 1, steady()) == [SMALL]


@pytest.mark.parametrize(
    "name",
    [
        "linux",
        "performance",
        "powersave",
        "dvfs_only",
        "subnet_only",
        "dynamic_ofa_rule",
        "alert",
        "alert_tuned",
        "poet",
    ],
)
class TestEvery:
    def play(self, name):
        """Joins, a stranger's events, drops, caps, every kind of target, leaves and a second stay."""
        policy, world = started(make_policy(name), application(), application(name="rear", period_ms=50.0))
        seen = []
        wanted = (
            target(12.0), frugal(40.0, min_accuracy=0.75), frugal(40.0, min_accuracy=0.95), frugal(0.5),
            target(25.0, max_power_w=6.0), target(25.0, max_power_w=0.1), target(30.0, percentile=0.999),
        )  # fmt: skip
        for index, qos in enumerate(wanted):
            policy.on_target("front", qos)
            policy.on_target("stranger", qos)
            policy.on_board_state(capped(gpu=306.0 + 102.0 * index) if index % 3 else capped())
            for _ in range(30):
                seen += run(policy, 1, steady(1.0 + 0.3 * (index % 2)))
                seen += run(policy, 1, steady(), name="rear")
                policy.on_result("front", dropped())
        policy.on_leave("rear")
        policy.on_result("rear", frame(SMALL, 5.0, name="rear"))
        policy.on_leave("stranger")
        policy.on_join(application(name="rear"))
        seen += run(policy, 25, steady(), name="rear")
        policy.on_leave("front")
        policy.on_leave("rear")
        return seen, world

    def test_survives_whatever_comes_and_always_names_a_point_of_the_profile(self, name):
        seen, _ = self.play(name)
        assert all(named(POINTS, p.subnet, p.placement) is p for p in seen)

    def test_does_the_same_again(self, name):
        first, again = self.play(name), self.play(name)
        assert first[0] == again[0]
        assert first[1].limits == again[1].limits

    def test_leaves_the_clocks_to_the_governor_in_the_end(self, name):
        _, world = self.play(name)
        last = {domain: (low, high) for domain, low, high in world.limits}
        tables = {d.name: (d.available_mhz[0], d.available_mhz[-1]) for d in SPEC.domains}
        assert all(limits == tables[domain] for domain, limits in last.items())
