from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.manager.telemetry.phases import ANSWER_S, KEPT_S, MEMORY_FRAMES, Phases, Sharer

FRONT = Sharer("front", "gpu", share=1.0, period_ms=33.3, occupies_ms=8.0, waited_ms=0.0)
REAR = Sharer("rear", "gpu", share=1.0, period_ms=33.3, occupies_ms=9.0, waited_ms=0.0)
MEMORY_S = MEMORY_FRAMES * FRONT.period_ms / 1e3 + 0.5


class Pair:
    """Two applications that report five times a second."""

    def __init__(self):
        self.phases, self.now_s = Phases(), 0.0

    def run(self, seconds, *sharers):
        for _ in range(round(seconds / 0.2)):
            self.now_s += 0.2
            self.phases.take(sharers, self.now_s)
        return self

    def of(self, name):
        return self.phases.of(name, self.now_s)


def test_a_frame_that_waits_comes_so_much_after_the_others_as_it_did_not_wait():
    pair = Pair().run(2.0, replace(FRONT, waited_ms=6.0), REAR)
    assert pair.of("front") == {"rear": pytest.approx(9.0 - 6.0)}


def test_a_frame_that_does_not_wait_comes_after_the_other_inference_however_long_that_gets():
    pair = Pair().run(2.0, FRONT, REAR)
    assert pair.of("front") == {"rear": pytest.approx(9.0)}
    pair.run(2.0, FRONT, replace(REAR, occupies_ms=4.0))
    assert pair.of("front") == {"rear": pytest.approx(9.0)}
    pair.run(MEMORY_S, FRONT, replace(REAR, occupies_ms=12.0))
    assert pair.of("front") == {"rear": pytest.approx(12.0)}


def test_waiting_for_an_inference_that_got_shorter_is_not_believed_before_it_is_measured_anew():
    """The quantile still is that of the longer one."""
    pair = Pair().run(MEMORY_S, replace(FRONT, waited_ms=6.0), REAR)
    pair.run(2.0, replace(FRONT, waited_ms=6.0), replace(REAR, occupies_ms=5.0))
    pair.run(MEMORY_S, replace(FRONT, waited_ms=2.0), replace(REAR, occupies_ms=5.0))
    assert pair.of("front") == {"rear": pytest.approx(3.0)}


def test_longer_waiting_than_expected_counts_soon():
    pair = Pair().run(MEMORY_S, replace(FRONT, waited_ms=6.0), REAR)
    pair.run(ANSWER_S + 0.2, replace(FRONT, waited_ms=8.0), REAR)
    assert pair.of("front") == {"rear": pytest.approx(1.0)}


def test_applications_that_fit_beside_each_other_tell_nothing_of_their_phase():
    cpu = [replace(s, element="cpu", share=0.5) for s in (FRONT, REAR)]
    assert not Pair().run(5.0, *cpu).of("front")
    assert not Pair().run(5.0, FRONT, replace(REAR, element="dla0")).of("front")


def test_the_waiting_is_shared_by_all_others_there():
    third = replace(REAR, name="left", occupies_ms=5.0)
    phases = Pair().run(2.0, replace(FRONT, waited_ms=4.0), REAR, third).of("front")
    assert phases == {"rear": pytest.approx(7.0), "left": pytest.approx(3.0)}


def test_a_phase_is_known_wherever_the_two_run_next_but_not_for_ever():
    pair = Pair().run(2.0, replace(FRONT, waited_ms=6.0), REAR)
    pair.run(KEPT_S - 1.0, FRONT, replace(REAR, element="dla0"))
    assert "rear" in pair.of("front")
    pair.run(2.0, FRONT, replace(REAR, element="dla0"))
    assert not pair.of("front")


def test_an_application_that_left_comes_back_with_an_unknown_phase():
    pair = Pair().run(2.0, FRONT, REAR)
    pair.phases.forget("rear")
    assert not pair.of("front")
    assert not pair.of("rear")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([math.nan, 0.0, 3.0, 30.0]), st.sampled_from([math.nan, 0.0, 4.0, 12.0]),
            st.sampled_from(["gpu", "cpu"]), st.sampled_from([math.nan, 33.3]),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_phases_are_finite_and_not_negative_whatever_is_reported(reports):
    pair = Pair()
    for waited_ms, occupies_ms, element, period_ms in reports:
        front = replace(FRONT, waited_ms=waited_ms, element=element, period_ms=period_ms)
        pair.run(0.6, front, replace(REAR, occupies_ms=occupies_ms))
        assert all(0.0 <= phase_ms < math.inf for phase_ms in pair.of("front").values())
