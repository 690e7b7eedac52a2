"""Waiting behind several others that only together leave no room, against frames of every phase."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.manager.arbiter import arbiter_kernel
from dynofa_ros.manager.arbiter.arbiter import arbitrate
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterElement, ArbiterInput
from dynofa_ros.manager.operating_point import OperatingPoint

CORES = 6
FRAMES = 40_000
OWN_MS = 3.0
UNRELATED_MS = (17.0, 29.0, 43.0, 71.0, 113.0)
"""Periods of which no two are as small whole numbers."""
SEARCHES = [False] + [True] * bool(arbiter_kernel.load())


def app(name, period_ms, time_ms, threads, **fields):
    points = (OperatingPoint("only", element="cpu", threads=threads, accuracy=0.9, latency_ms=time_ms),)
    return ArbiterApplication(name, points, latency_ms=900.0, period_ms=period_ms, percentile=0.95, **fields)


def predicted_ms(first, *others):
    """How long `first` is expected to wait; by each search the same."""
    asked = ArbiterInput((first, *others), elements=(ArbiterElement("cpu", CORES, exclusive=True),))
    waits = [arbitrate(asked, compiled=compiled).latency_ms[0] - OWN_MS for compiled in SEARCHES]
    assert waits == pytest.approx([waits[0]] * len(waits), abs=1e-12)
    return waits[0]


def waits_ms(first, others, left_ms):
    """Until there is room, for frames of `first` that find so much left of each other's inference."""
    waits = np.full(left_ms.shape[1], np.inf)
    for at_ms in (np.zeros_like(waits), *left_ms):
        taken = sum(b.points[0].threads * (left > at_ms) for b, left in zip(others, left_ms, strict=True))
        waits = np.where(taken + first.points[0].threads <= CORES, np.minimum(waits, at_ms), waits)
    return waits


def left_at_any_phase_ms(others):
    rng = np.random.default_rng(1)
    phases = [rng.uniform(0.0, b.period_ms, FRAMES) for b in others]
    pairs = zip(others, phases, strict=True)
    return np.stack([np.maximum(b.points[0].latency_ms - phase, 0.0) for b, phase in pairs])


@st.composite
def crowds(draw):
    """Three to five applications whose phases are unrelated, at most three in the way together."""
    count = draw(st.integers(3, 5))
    periods = draw(st.permutations(UNRELATED_MS))[:count]
    uses, threads = st.floats(0.02, 0.9), st.integers(1 if count < 5 else 2, 4)
    others = [app(f"b{n}", t, t * draw(uses), draw(threads)) for n, t in enumerate(periods[1:])]
    return app("a", periods[0], OWN_MS, draw(st.integers(1, 4))), others


@settings(max_examples=150, deadline=None)
@given(crowds())
def test_no_more_frames_wait_longer_than_expected_than_the_percentile_allows(crowd):
    first, others = crowd
    waits = waits_ms(first, others, left_at_any_phase_ms(others))
    assert (waits > predicted_ms(first, *others) + 1e-9).mean() <= 0.05 + 0.005


def test_what_is_expected_behind_two_is_hardly_longer_than_what_the_percentile_has_to_wait():
    first = app("a", 17.0, OWN_MS, 2)
    others = [app("b", 43.0, 12.0, 2), app("d", 113.0, 70.0, 4)]
    waits = waits_ms(first, others, left_at_any_phase_ms(others))
    assert np.quantile(waits, 0.95) <= predicted_ms(first, *others) <= np.quantile(waits, 0.95) + 1.0


def test_nobody_waits_for_two_that_are_at_work_together_less_often_than_frames_may_be_late():
    first = app("a", 17.0, OWN_MS, 2)
    others = [app("b", 43.0, 0.2 * 43.0, 2), app("d", 113.0, 0.24 * 113.0, 4)]
    assert predicted_ms(first, *others) == 0.0
    assert predicted_ms(first, others[0], app("d", 113.0, 0.26 * 113.0, 4)) > 0.0


def test_three_are_waited_for_together():
    others = [app(f"b{n}", t, 0.8 * t, 1) for n, t in enumerate((29.0, 43.0, 71.0))]
    assert predicted_ms(app("a", 17.0, OWN_MS, 4), *others[:2]) == 0.0
    assert predicted_ms(app("a", 17.0, OWN_MS, 3), *others) == 0.0
    assert predicted_ms(app("a", 17.0, OWN_MS, 4), *others) > 0.0


@pytest.mark.parametrize("phase_ms", [{}, {"b": 2.0, "d": 2.0}])
def test_cameras_in_step_may_meet_the_same_two_in_every_frame(phase_ms):
    """Their phase is unknown until then, so it counts wholly: until the first of the two ends."""
    first = app("a", 20.0, OWN_MS, 2, phases_ms=phase_ms)
    others = [app("b", 40.0, 12.0, 2), app("d", 60.0, 30.0, 4)]
    assert predicted_ms(first, *others) == pytest.approx(12.0 - 2.0 * bool(phase_ms))
