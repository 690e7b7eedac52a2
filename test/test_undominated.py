"""Points that another one beats at every clock are left out when an application joins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.application import MOST_POINTS, ApplicationInfo
from dynofa_ros.manager.arbiter.undominated import undominated
from dynofa_ros.manager.operating_point import OperatingPoint

FEW = st.sampled_from((1.0, 2.0, 3.0))
POINT = st.builds(
    OperatingPoint,
    subnet=st.just("net"),
    placement=st.just("cpu/x/fp32/1"),
    element=st.sampled_from(("cpu", "gpu")),
    accuracy=st.sampled_from((0.7, 0.8, 0.9)),
    latency_ms=FEW,
    clock_domain=st.sampled_from(("", "cpu0")),
    clocked_fraction=st.sampled_from((0.0, 0.5, 1.0)),
    reference_mhz=st.sampled_from((1000.0, float("nan"))),
    threads=st.sampled_from((1, 2)),
)


def place(point):
    reference = point.reference_mhz if point.reference_mhz == point.reference_mhz else None
    return point.element, point.clock_domain, point.threads, reference


def parts(point):
    clocked_ms = point.latency_ms * point.clocked_fraction
    return clocked_ms, point.latency_ms * (1.0 - point.clocked_fraction), -point.accuracy


def beats(q, p, earlier):
    """By the definition: nowhere worse, and somewhere better or the first of equals."""
    if place(q) != place(p) or any(a > b for a, b in zip(parts(q), parts(p), strict=True)):
        return False
    return parts(q) != parts(p) or earlier


@given(st.lists(POINT, max_size=12))
def test_what_is_left_is_what_no_other_point_beats(points):
    expected = [
        p for i, p in enumerate(points) if not any(beats(q, p, j < i) for j, q in enumerate(points) if j != i)
    ]
    assert list(map(id, undominated(tuple(points)))) == [
        id(p) for p in sorted(expected, key=lambda point: point.latency_ms)
    ]


def test_more_points_than_can_be_decided_on_are_refused():
    points = tuple(
        OperatingPoint(f"net{i}", "cpu/x/fp32/1", accuracy=0.8, latency_ms=1.0 + i)
        for i in range(MOST_POINTS + 1)
    )
    ApplicationInfo("front", points[:-1]).validated()
    with pytest.raises(RefusedMessage, match="'front' refused: 1001 operating points, at most 1000"):
        ApplicationInfo("front", points).validated()
