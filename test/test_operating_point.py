from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.operating_point import OperatingPoint, pareto_front

POINT = OperatingPoint("p", latency_ms=10.0, accuracy=0.9, clocked_fraction=0.8, reference_mhz=1000.0)


def test_half_the_clock_doubles_the_clocked_share():
    assert POINT.stretch(500.0) == pytest.approx(1.8)
    assert POINT.stretch(1000.0) == 1.0


def test_unknown_clocks_do_not_stretch_and_the_full_clock_stands_in():
    assert POINT.stretch(math.nan) == 1.0
    profiled_anywhere = replace(POINT, reference_mhz=math.nan)
    assert profiled_anywhere.stretch(500.0) == 1.0
    assert profiled_anywhere.stretch(500.0, full_mhz=1000.0) == pytest.approx(1.8)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subnet", ""),
        ("latency_ms", 0.0),
        ("latency_ms", math.nan),
        ("accuracy", 1.2),
        ("clocked_fraction", math.nan),
        ("energy_mj", -1.0),
        ("reference_mhz", math.inf),
    ],
)
def test_refuses_points_that_contradict_themselves(field, value):
    with pytest.raises(RefusedMessage, match=field):
        replace(POINT, **{field: value}).validated()


def test_the_front_rises_in_latency_and_accuracy():
    slow_and_bad = replace(POINT, subnet="q", latency_ms=20.0, accuracy=0.8)
    good = replace(POINT, subnet="r", latency_ms=30.0, accuracy=0.95)
    assert pareto_front([good, slow_and_bad, POINT]) == [POINT, good]
