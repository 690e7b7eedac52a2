from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.qos import Objective, QosTarget


def test_zero_and_nan_mean_the_defaults():
    target = QosTarget("front", 25.0, percentile=0.0, lifetime_s=math.nan, max_power_w=0.0).validated()
    assert (target.percentile, target.lifetime_s) == (0.95, math.inf)
    assert math.isnan(target.max_power_w)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("application", " "),
        ("latency_ms", math.nan),
        ("latency_ms", 0.0),
        ("latency_ms", -5.0),
        ("latency_ms", math.inf),
        ("percentile", 1.0),
        ("percentile", -0.1),
        ("min_accuracy", 76.0),
        ("max_power_w", -1.0),
        ("max_power_w", math.inf),
        ("objective", 7),
        ("priority", 300),
        ("lifetime_s", -1.0),
    ],
)
def test_refusals_name_the_field_and_the_value(field, value):
    fields = {"application": "front", "latency_ms": 25.0, field: value}
    with pytest.raises(RefusedMessage, match=field):
        QosTarget(**fields).validated()


@given(st.floats(), st.floats(), st.floats(), st.floats(), st.floats(), st.integers(-5, 300))
def test_whatever_is_accepted_is_usable(latency_ms, percentile, accuracy, power_w, lifetime_s, objective):
    target = QosTarget("a", latency_ms, percentile, accuracy, power_w, objective, 0, lifetime_s)
    try:
        target = target.validated()
    except RefusedMessage:
        return
    assert 0.0 < target.latency_ms < math.inf
    assert 0.0 < target.percentile < 1.0
    assert target.lifetime_s > 0.0
    assert target.objective in list(Objective)
