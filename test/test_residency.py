from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.engine.residency import Candidate, load_order

EIGHT = "cpu/x/int8/1"
EXACT = "cpu/x/fp32/1"


def candidate(subnet, placement, latency_ms=math.nan, accuracy=math.nan, element="cpu", macs=1.0):
    return Candidate(subnet, placement, element, macs, accuracy, latency_ms)


FRONT = [candidate(f"n{i}", EIGHT, 2.0**i, 0.8 + 0.02 * i) for i in range(5)]


def test_the_ends_of_the_front_come_first_and_then_it_is_spread():
    order = load_order(FRONT, dominated=False)
    assert order.always == 2
    assert [c.subnet for c in order.order] == ["n0", "n4", "n2", "n1", "n3"]
    assert order.left_out == {}


def test_what_another_beats_is_left_out_with_the_name_of_the_better_one():
    slow = candidate("n1", EXACT, 20.0, 0.83)
    order = load_order([*FRONT, slow], dominated=False)
    assert slow not in order.order
    assert "n4 on cpu/x/int8/1" in order.left_out[slow.key]
    assert load_order([*FRONT, slow], dominated=True).order[-1] == slow


def test_a_sub_network_that_is_beaten_everywhere_keeps_its_fastest_placement():
    beaten = [candidate("worse", EIGHT, 5.0, 0.7), candidate("worse", EXACT, 6.0, 0.71)]
    order = load_order([*FRONT, *beaten], dominated=False)
    assert order.order[-1] == beaten[0]
    assert set(order.left_out) == {beaten[1].key}


def test_elements_do_not_beat_each_other():
    gpu = candidate("n0", "gpu/x/fp16/1", 100.0, 0.5, element="gpu")
    assert gpu in load_order([*FRONT, gpu], dominated=False).order


def test_before_anything_was_measured_all_are_taken_by_size():
    unknown = [candidate(f"n{i}", where, macs=float(1 + i)) for where in (EIGHT, EXACT) for i in range(3)]
    order = load_order(unknown, dominated=False)
    assert {c.key for c in order.order} == {c.key for c in unknown}
    assert [c.subnet for c in order.order[:3]] == ["n0", "n2", "n1"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from([EIGHT, EXACT]),
            st.floats(0.1, 100.0),
            st.floats(0.5, 1.0),
        ),
        max_size=8,
        unique_by=lambda row: row[:2],
    ),
    st.booleans(),
)
def test_each_candidate_is_ordered_or_left_out_and_nobody_left_out_is_best(rows, dominated):
    candidates = [candidate(*row) for row in rows]
    order = load_order(candidates, dominated)
    keys = [c.key for c in order.order] + list(order.left_out)
    assert sorted(keys) == sorted(c.key for c in candidates)
    assert {c.subnet for c in order.order} == {c.subnet for c in candidates}
    for left in (c for c in candidates if c.key in order.left_out):
        assert any(c.latency_ms <= left.latency_ms and c.accuracy >= left.accuracy for c in order.order)
