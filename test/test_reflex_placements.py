"""The reflex among placements: elements, precisions and threads of the same sub-networks."""

import math

import pytest

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import SubnetAlternative
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.reflex.reflex import Reflex, ReflexConfig
from test_reflex import PERIOD_S, decide

MIXED = [
    OperatingPoint("small", "cpu/x/int8/1", accuracy=0.89, latency_ms=2.0, precision="int8", threads=1),
    OperatingPoint("small", "cpu/x/fp32/1", accuracy=0.90, latency_ms=4.0, precision="fp32", threads=1),
    OperatingPoint("large", "cpu/x/int8/1", accuracy=0.95, latency_ms=8.0, precision="int8", threads=1),
    OperatingPoint(
        "large", "gpu/x/fp16/1", "gpu", accuracy=0.97, latency_ms=16.0, precision="fp16", threads=1
    ),
    OperatingPoint("middle", "cpu/x/fp32/1", accuracy=0.94, latency_ms=9.0, precision="fp32", threads=1),
]


def mixed(**config):
    reflex = Reflex(ReflexConfig(**config))
    reflex.set_points(MIXED)
    return reflex


def chosen_over(reflex, seconds, slowdown=lambda _point: 1.0, start_s=0.0):
    """Run frames; each costs its profiled time times `slowdown(point)`. The keys chosen."""
    keys = []
    for frame in range(round(seconds / PERIOD_S)):
        now_s = start_s + frame * PERIOD_S
        point = reflex.choose(now_s)
        reflex.update(point.key, point.latency_ms * slowdown(point), 1.0)
        keys.append(point.key)
    return keys


def test_alone_it_climbs_the_front_of_all_placements():
    reflex = mixed(default_latency_ms=30.0, dwell_s=0.1)
    assert chosen_over(reflex, 6.0)[-1] == ("large", "gpu/x/fp16/1")
    narrow = mixed(default_latency_ms=12.0, dwell_s=0.1)
    assert chosen_over(narrow, 6.0)[-1] == ("large", "cpu/x/int8/1")
    assert ("middle", "cpu/x/fp32/1") not in chosen_over(mixed(default_latency_ms=11.0), 6.0)


def test_a_slow_down_moves_to_another_placement_of_the_same_sub_network():
    reflex = mixed(default_latency_ms=25.0, dwell_s=0.1)
    assert chosen_over(reflex, 6.0)[-1] == ("large", "gpu/x/fp16/1")
    loaded = chosen_over(reflex, 0.3, lambda p: 2.0 if p.element == "gpu" else 1.0, 6.0)
    assert loaded[:2] == [("large", "gpu/x/fp16/1")] * 2
    assert loaded[2] == ("large", "cpu/x/int8/1")


def test_a_slow_down_of_one_element_is_not_held_against_another():
    reflex = mixed(default_latency_ms=25.0, dwell_s=0.1)
    chosen_over(reflex, 6.0)
    before_ms = reflex.predicted_ms(("large", "cpu/x/int8/1"))
    chosen_over(reflex, 0.1, lambda p: 2.0 if p.element == "gpu" else 1.0, 6.0)
    assert reflex.predicted_ms(("large", "gpu/x/fp16/1")) > 30.0
    assert reflex.predicted_ms(("large", "cpu/x/int8/1")) == pytest.approx(before_ms)


def test_a_decision_without_a_placement_means_the_fastest_resident_one():
    reflex = mixed()
    reflex.on_decision(decide("large", target_ms=100.0, alternatives=(), element=""), 0.0)
    assert reflex.choose(0.0).key == ("large", "cpu/x/int8/1")
    reflex.on_decision(decide("large", target_ms=100.0, alternatives=(), element="gpu"), 0.1)
    assert reflex.choose(0.1).key == ("large", "gpu/x/fp16/1")


def test_a_decision_moves_between_placements_along_its_alternatives():
    reflex = mixed(dwell_s=0.1)
    ranked = tuple(SubnetAlternative(p.subnet, p.placement, p.element) for p in MIXED[:4])
    decision = decide("large", placement="gpu/x/fp16/1", element="gpu", target_ms=25.0, alternatives=ranked)
    reflex.on_decision(decision, 0.0)
    keys = chosen_over(reflex, 1.5, lambda p: 3.0 if p.element == "gpu" else 1.0)
    assert keys[0] == ("large", "gpu/x/fp16/1")
    assert keys[-1] == ("large", "cpu/x/int8/1")


def test_an_element_that_it_has_not_measured_is_as_slow_as_the_manager_expects():
    """The GPU would be the way out of a slow CPU, unless others crowd it."""

    def last_choice(gpu_tail):
        reflex = mixed(dwell_s=0.1)
        on_gpu, small, large = MIXED[3], MIXED[1], MIXED[2]
        ranked = (
            SubnetAlternative(*on_gpu.key, "gpu", slowdown_tail=gpu_tail),
            *(SubnetAlternative(*p.key, "cpu", slowdown_tail=1.0) for p in (small, large)),
        )
        reflex.on_decision(decide(placement=large.placement, element="cpu", alternatives=ranked), 0.0)
        return chosen_over(reflex, 0.5, lambda p: 1.0 if p.element == "gpu" else 12.0)[-1]

    assert last_choice(math.nan) == last_choice(1.1) == MIXED[3].key
    assert last_choice(9.0) == MIXED[1].key


def test_an_unknown_placement_is_refused_whole():
    reflex = mixed()
    reflex.on_decision(decide("small", alternatives=(), target_ms=100.0), 0.0)
    current = reflex.choose(0.0)
    for wrong in (
        decide("large", placement="cpu/x/bf16/1", alternatives=()),
        decide("middle", placement="gpu/x/fp16/1", alternatives=()),
        decide("large", placement="cpu/x/int8/1", element="gpu", alternatives=()),
        decide("large", threads=7, alternatives=()),
        decide("large", alternatives=(SubnetAlternative("small", "nonsense"),)),
    ):
        with pytest.raises(RefusedMessage, match="is not resident; resident: small on cpu/x/int8/1"):
            reflex.on_decision(wrong, 0.1)
    assert reflex.choose(0.2) == current
    with pytest.raises(RefusedMessage, match="not resident"):
        reflex.pin("small", 5.0, "gpu/x/fp16/1")
    reflex.pin("small", 5.0, "cpu/x/fp32/1")
    assert reflex.choose(0.3).key == ("small", "cpu/x/fp32/1")


def test_what_another_element_suffered_is_forgotten_after_a_window_elsewhere():
    reflex = mixed(default_latency_ms=25.0, dwell_s=0.1, window=32)
    chosen_over(reflex, 6.0)
    loaded = chosen_over(reflex, 1.0, lambda p: 3.0 if p.element == "gpu" else 1.0, 6.0)
    assert loaded[-1] == ("large", "cpu/x/int8/1")
    assert ("large", "gpu/x/fp16/1") in chosen_over(reflex, 3.0, start_s=7.0)
