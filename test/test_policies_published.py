"""Published managers against sequences computed by hand from their equations."""

from __future__ import annotations

import math

import pytest

from dynofa_ros.simulation.policies.alert import AlertPolicy, SlowdownFilter, TunedAlertPolicy
from dynofa_ros.simulation.policies.clock_wishes import ClockWishes
from dynofa_ros.simulation.policies.configurations import configurations, pareto
from dynofa_ros.simulation.policies.dynamic_ofa_rule import DynamicOfaRulePolicy
from dynofa_ros.simulation.policies.poet import BaseSpeed, PoetPolicy, Split, split_period
from policy_samples import (
    FULL,
    LARGE,
    MIDDLE,
    POINTS,
    SMALL,
    SPEC,
    NotingWorld,
    application,
    capped,
    frame,
    frugal,
    point,
    run,
    started,
    target,
)

TABLES = {"gpu": (306.0, 510.0, 1020.0)}


def steady(slowdown=1.0):
    return lambda p, clocks: slowdown * p.time_ms(clocks)


class TestClockWishes:
    def test_the_highest_wish_is_pinned_and_the_last_drop_frees_the_domain(self):
        world = NotingWorld()
        wishes = ClockWishes(world)
        wishes.wish("front", {"gpu": 510.0})
        wishes.wish("rear", {"gpu": 714.0})
        wishes.wish("front", {"gpu": 612.0})
        wishes.drop("rear")
        wishes.drop("front")
        assert world.limits == [
            ("gpu", 510.0, 510.0), ("gpu", 714.0, 714.0), ("gpu", 612.0, 612.0), ("gpu", 306.0, 1020.0),
        ]  # fmt: skip

    def test_a_domain_that_cannot_be_set_is_not_asked_for(self):
        world = NotingWorld()
        ClockWishes(world).wish("front", {"emc": 2133.0})
        assert not world.limits


class TestConfigurations:
    def test_every_point_at_every_clock_of_its_domain(self):
        found = configurations([SMALL, LARGE], TABLES, SPEC.power, FULL)
        assert [(c.point.subnet, c.clocks["gpu"]) for c in found] == [
            ("small", 306.0), ("small", 510.0), ("small", 1020.0),
            ("large", 306.0), ("large", 510.0), ("large", 1020.0),
        ]  # fmt: skip
        assert found[4].time_ms == pytest.approx(40.0)

    def test_powers_are_those_of_the_board_at_that_clock(self):
        found = configurations([LARGE], TABLES, SPEC.power, FULL)[1]
        clocks = {**FULL, "gpu": 510.0}
        assert found.idle_w == pytest.approx(float(SPEC.power.idle_w(clocks)))
        inference_mj = SPEC.power.energy_mj(LARGE, clocks)
        assert found.energy_mj(40.0, 100.0) == pytest.approx(inference_mj + 100.0 * found.idle_w)
        assert found.energy_mj(200.0, 100.0) == pytest.approx(200.0 * found.run_w)

    def test_a_point_without_a_clock_that_can_be_set_is_one_configuration(self):
        assert [c.clocks for c in configurations([LARGE], {}, SPEC.power, FULL)] == [{}]

    def test_pareto_keeps_what_nothing_undercuts(self):
        items = configurations([SMALL, MIDDLE], {"gpu": (510.0, 1020.0)}, SPEC.power, FULL)
        costs = dict(
            zip([id(c) for c in items], [(1.0, 5.0), (2.0, 2.0), (2.0, 3.0), (2.0, 2.0)], strict=True)
        )
        assert pareto(items, lambda c: costs[id(c)]) == items[:2]


class TestDynamicOfaRule:
    def play(self, latencies_ms, policy):
        levels = []
        for latency_ms in latencies_ms:
            policy.on_result("front", frame(policy.choose("front"), latency_ms - 1.0))
            levels.append(policy.choose("front").subnet)
        return levels

    def test_starts_at_the_deployed_level(self):
        policy, world = started(DynamicOfaRulePolicy(), application(qos=target(15.0)))
        assert policy.choose("front") is MIDDLE
        assert not world.limits

    def test_goes_down_when_the_mean_of_20_images_exceeds_the_constraint(self):
        """Constraint 30 ms: after 19 images of 31 ms the sum / 20 is 29.45, after 20 it is 31."""
        policy, _ = started(DynamicOfaRulePolicy(), application())
        assert self.play([31.0] * 20, policy) == ["large"] * 19 + ["middle"]

    def test_one_outlier_moves_nothing(self):
        policy, _ = started(DynamicOfaRulePolicy(), application())
        assert set(self.play([25.0] * 19 + [120.0] + [25.0] * 19, policy)) == {"large"}

    def test_a_heavy_overload_shows_before_20_images(self):
        """The sum is divided by 20 from the start, as published: 7 images of 90 ms make 31.5."""
        policy, _ = started(DynamicOfaRulePolicy(), application())
        assert self.play([90.0] * 7, policy) == ["large"] * 6 + ["middle"]

    def test_one_level_at_a_time_and_never_below_the_smallest(self):
        policy, _ = started(DynamicOfaRulePolicy(), application())
        assert self.play([40.0] * 60, policy) == ["large"] * 15 + ["middle"] * 16 + ["small"] * 29

    def test_never_up_without_a_violated_floor(self):
        policy, _ = started(DynamicOfaRulePolicy(), application())
        self.play([31.0] * 20, policy)
        assert set(self.play([5.0] * 300, policy)) == {"middle"}

    def test_up_one_level_71_images_after_the_last_switch_where_the_floor_is_violated(self):
        policy, _ = started(DynamicOfaRulePolicy(), application(qos=target(30.0, min_accuracy=0.78)))
        self.play([31.0] * 20, policy)
        assert self.play([20.0] * 71, policy) == ["middle"] * 70 + ["large"]

    def test_a_new_budget_is_not_its_business_a_new_constraint_is(self):
        policy, _ = started(DynamicOfaRulePolicy(), application())
        self.play([31.0] * 20, policy)
        policy.on_target("front", target(30.0, max_power_w=5.0))
        assert policy.choose("front") is MIDDLE
        policy.on_target("front", target(31.0))
        assert policy.choose("front") is LARGE

    def test_levels_are_the_front_of_the_deployed_placement(self):
        slow = point("large", 90.0, 0.79, element="cpu")
        beaten = point("beaten", 12.0, 0.76)
        policy, _ = started(DynamicOfaRulePolicy(), application([slow, *POINTS, beaten]))
        self.play([200.0] * 200, policy)
        assert policy.choose("front") is SMALL

    def test_the_published_blindness_after_a_start_can_be_had(self):
        """21 images unseen, then 20 of 31 ms."""
        policy, _ = started(DynamicOfaRulePolicy(unseen=21), application())
        assert self.play([31.0] * 41, policy) == ["large"] * 40 + ["middle"]

    def test_the_published_restart_can_be_had(self):
        policy, world = started(DynamicOfaRulePolicy(restart_s=0.5), application())
        world.now_s = 2.0
        self.play([31.0] * 20, policy)
        assert world.suspended == {"front": 2.5}


class TestAlertFilter:
    def test_two_updates_by_hand(self):
        """Before the first: K = 0.5, y = 0, so Q = max(0.1, 0.03) and s = 0.5 * 0.1 + 0.1."""
        xi = SlowdownFilter()
        xi.update(1.5)
        gain = 0.15 / 0.151
        assert xi.variance == pytest.approx(0.15)
        assert xi.mean == pytest.approx(1.0 + gain * 0.5)
        xi.update(1.5)
        q = 0.3 * 0.1 + 0.7 * (gain * 0.5) ** 2  # 0.2027 > Q0
        variance = (1.0 - gain) * 0.15 + q
        assert xi.variance == pytest.approx(variance)
        error = 1.5 - (1.0 + gain * 0.5)
        assert xi.mean == pytest.approx(1.0 + gain * 0.5 + variance / (variance + 0.001) * error)

    def test_the_variance_never_falls_below_q0(self):
        xi = SlowdownFilter()
        for _ in range(100):
            xi.update(1.2)
        assert xi.mean == pytest.approx(1.2)
        assert 0.1 <= xi.variance < 0.102

    def test_probability_is_that_of_the_normal_distribution(self):
        xi = SlowdownFilter()
        assert xi.probabilities([1.0, 1.0 + math.sqrt(0.1)]) == pytest.approx([0.5, 0.8413], abs=1e-4)

    @pytest.mark.parametrize("ratio", [math.nan, math.inf, 0.0, -1.0])
    def test_what_is_no_ratio_is_ignored(self, ratio):
        xi = SlowdownFilter()
        xi.update(ratio)
        assert (xi.mean, xi.variance) == (1.0, 0.1)


class TestAlert:
    def test_accuracy_is_weighed_with_the_chance_to_be_late(self):
        """T = 28.5 ms, full clock, sigma 0.316: P = 0.910 for 20 ms, 1 for 10 ms; q P = 0.719 and 0.770."""
        policy, world = started(AlertPolicy(), application())
        assert policy.choose("front") is MIDDLE
        domain, low, high = world.limits[-1]
        assert (domain, low) == ("gpu", high)

    def test_of_equally_accurate_settings_it_takes_the_least_energy(self):
        policy, world = started(AlertPolicy(), application(qos=target(130.0), period_ms=400.0))
        assert policy.choose("front") is LARGE
        assert world.limits[-1] == ("gpu", 408.0, 408.0)  # P(xi * 20 * 1020 / f <= 128.5): 0.998 at 306 MHz

    def test_energy_takes_the_least_that_promises_the_floor(self):
        """Floor 0.73 of 0.74 needs P >= 0.9865, xi <= 1.70: small within 28.5 ms needs f >= 304 MHz: 306."""
        policy, world = started(AlertPolicy(), application(qos=frugal(30.0, min_accuracy=0.73)))
        assert policy.choose("front") is SMALL
        assert world.limits[-1] == ("gpu", 306.0, 306.0)

    def test_a_floor_out_of_reach_takes_the_most_expected_accuracy(self):
        policy, _ = started(AlertPolicy(), application(qos=frugal(30.0, min_accuracy=0.78)))
        assert policy.choose("front") is MIDDLE

    def test_without_a_floor_being_on_time_is_what_counts(self):
        policy, world = started(AlertPolicy(), application(qos=frugal(30.0)))
        assert policy.choose("front") is SMALL
        assert world.limits[-1] == ("gpu", 306.0, 306.0)

    def test_a_slow_down_is_followed_at_the_next_input(self):
        policy, _ = started(AlertPolicy(), application())
        run(policy, 20, steady())
        chosen = run(policy, 3, steady(2.5))
        assert [p.subnet for p in chosen[1:]] == ["small", "small"]

    def test_the_power_budget_is_its_energy_goal(self):
        free, world = started(AlertPolicy(), application(qos=target(10.0)))
        assert free.choose("front") is SMALL
        assert world.limits[-1] == ("gpu", 1020.0, 1020.0)
        slower = configurations([SMALL], {"gpu": (714.0,), "cpu0": (115.2,)}, SPEC.power, FULL)[0]
        budget_w = slower.energy_mj(slower.time_ms, 33.3) / 33.3
        tight, world = started(AlertPolicy(), application(qos=target(10.0, max_power_w=budget_w + 1e-6)))
        assert tight.choose("front") is SMALL
        assert world.limits[-1] == ("gpu", 714.0, 714.0)

    def test_capped_clocks_are_not_proposed(self):
        policy, world = started(AlertPolicy(), application(qos=target(14.0)))
        policy.on_board_state(capped(gpu=510.0))
        policy.choose("front")
        assert world.limits[-1] == ("gpu", 510.0, 510.0)

    def test_a_clock_that_came_late_is_not_taken_for_a_slow_down(self):
        policy, world = started(AlertPolicy(), application())
        for _ in range(5):
            picked = policy.choose("front")
            world.set_clock("gpu", 510.0)  # the cap that nobody told it of yet
            policy.choose("front")
            policy.on_result("front", frame(picked, picked.time_ms(world.clocks())))
        assert policy._jobs["front"].slowdown.mean == pytest.approx(1.0)


class TestTunedAlert:
    def test_trusts_a_quiet_machine_more_than_the_published_one(self):
        """T = 29 ms, 20 ms at full clock: after 50 quiet inputs a deviation of 0.057 makes P = 1."""
        published, _ = started(AlertPolicy(), application())
        tuned, _ = started(TunedAlertPolicy(), application())
        assert run(published, 60, steady())[-1] is MIDDLE
        assert run(tuned, 60, steady())[-1] is LARGE


class TestPoetParts:
    def test_the_filter_by_hand(self):
        """P- = 1.00001, h = 2, R = 0.01: K = 2.00002 / 4.01004."""
        base = BaseSpeed(10.0)
        base.update(24.0, 2.0)
        gain = 2.00002 / 4.01004
        assert base.rate == pytest.approx(10.0 + gain * (24.0 - 20.0))

    def test_a_speed_between_two_configurations_is_shared_out(self):
        """1 / 1.5 = x / 1 + (1 - x) / 2 gives x = 1/3: 6 of 20 frames (floor of 6.67)."""
        assert split_period([1.0, 2.0], [10.0, 30.0], 1.5, 20) == Split(0, 1, 6)

    def test_a_speed_of_the_table_needs_no_sharing(self):
        assert split_period([1.0, 2.0, 4.0], [10.0, 30.0, 90.0], 2.0, 20) == Split(0, 1, 0)

    def test_the_cheapest_pair_is_not_always_the_nearest(self):
        """Speed-up 3: with 2 and 4 it costs 6 * 60 + 14 * 50 = 1060, with 1 and 4 2 * 1 + 18 * 50 = 902."""
        assert split_period([1.0, 2.0, 4.0], [1.0, 60.0, 50.0], 3.0, 20) == Split(0, 2, 2)


class TestPoet:
    def test_starts_with_what_the_profile_says(self):
        """Goal 0.75 * (30 - 1.5) = 21.4 ms; least energy: the small one at clocks that take no longer."""
        policy, world = started(PoetPolicy(), application(qos=frugal(30.0)))
        chosen = run(policy, 4, steady())
        assert set(chosen) == {SMALL}
        times = [5.0 * 1020.0 / mhz for _, mhz, _ in world.limits]
        assert all(time_ms <= 21.4 for time_ms in times)

    def test_holds_the_mean_at_its_goal(self):
        policy, _ = started(PoetPolicy(), application())
        times = []

        def take(p, clocks):
            times.append(1.2 * p.time_ms(clocks))
            return times[-1]

        run(policy, 200, take)
        goal_ms = 0.75 * (30.0 - 1.0)
        assert sum(times[-40:]) / 40.0 == pytest.approx(goal_ms, rel=0.06)

    def test_a_slow_down_is_corrected_at_the_end_of_the_period(self):
        policy, _ = started(PoetPolicy(), application())
        run(policy, 100, steady())
        during = run(policy, 5, steady(2.0))
        after = run(policy, 5, steady(2.0))
        assert LARGE in during
        assert sum(p.time_ms(FULL) for p in after) < sum(p.time_ms(FULL) for p in during)

    def test_points_below_the_floor_are_not_in_the_table(self):
        policy, _ = started(PoetPolicy(), application(qos=frugal(30.0, min_accuracy=0.75)))
        assert SMALL not in run(policy, 100, steady())

    def test_a_floor_out_of_reach_is_dropped(self):
        policy, _ = started(PoetPolicy(), application(qos=frugal(30.0, min_accuracy=0.99)))
        assert run(policy, 40, steady())

    def test_capped_clocks_are_left_out(self):
        policy, world = started(PoetPolicy(), application())
        policy.on_board_state(capped(gpu=510.0))
        run(policy, 60, steady())
        assert all(mhz <= 510.0 for _, mhz, _ in world.limits)

    def test_two_configurations_share_a_period_slower_one_first(self):
        """The goal, 0.75 * (21 - 1) = 15 ms, lies between 5 and 20 ms at full clock."""
        policy, _ = started(PoetPolicy(), application([SMALL, LARGE], qos=target(21.0), period_ms=40.0))
        run(policy, 20, steady())
        times = [p.time_ms({**FULL, "gpu": world_mhz}) for p, world_mhz in self.pairs(policy, 5)]
        assert times == sorted(times, reverse=True)
        assert times[0] > times[-1]

    @staticmethod
    def pairs(policy, frames):
        found = []
        for _ in range(frames):
            picked = run(policy, 1, steady())[0]
            found.append((picked, policy.world.clocks()["gpu"]))
        return found
