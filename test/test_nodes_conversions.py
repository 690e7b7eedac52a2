"""Messages become the core's objects and come back with the same values."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

import dynofa_ros.msg as messages
from builtin_interfaces.msg import Time

from dynofa_ros.board.state import BoardState, ClockDomain, PowerRail
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.application import ApplicationInfo
from dynofa_ros.manager.decision import SubnetAlternative, SubnetDecision
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.nodes.conversions import age_ms, build, fill, image_frame, key_values
from ros_harness import gray_image


def test_decision_survives_the_way_through_a_message():
    decision = SubnetDecision(
        "front", "m-1", 7, 1000.0, "s", "cpu/x/fp32/1", predicted_accuracy=0.9, min_accuracy=0.74,
        alternatives=(SubnetAlternative("xs", "gpu/x/fp16/1"),),
    )  # fmt: skip
    back = build(SubnetDecision, fill(messages.SubnetDecision(), decision))
    assert (back.application, back.sequence, back.subnet, back.predicted_accuracy) == ("front", 7, "s", 0.9)
    assert (back.placement, back.min_accuracy) == ("cpu/x/fp32/1", 0.74)
    assert (back.alternatives[0].subnet, back.alternatives[0].placement) == ("xs", "gpu/x/fp16/1")
    assert math.isnan(back.predicted_energy_mj)


def test_board_state_survives_the_way_through_a_message():
    state = BoardState(
        3,
        "linux",
        rails=(PowerRail("VDD_IN", 5.5),),
        clock_domains=(ClockDomain("cpu0", 600.0, available_mhz=(600.0, 1200.0)),),
        throttling=True,
    )
    back = build(BoardState, fill(messages.BoardState(), state))
    assert back.rails[0].power_w == 5.5
    assert back.clock_domains[0].available_mhz == (600.0, 1200.0)
    assert back.throttling
    assert math.isnan(back.power_w)


def test_application_survives_the_way_through_a_message():
    info = ApplicationInfo(
        "front",
        (OperatingPoint("s", latency_ms=3.0, threads=2),),
        labels=("0", "1"),
        not_resident=("l p: no room",),
    )
    assert build(ApplicationInfo, fill(messages.Application(), info)).operating_points[0].threads == 2
    back = build(ApplicationInfo, fill(messages.Application(), info))
    assert (back.labels, back.not_resident) == (("0", "1"), ("l p: no room",))


def test_missing_values_become_nan_and_empty_text():
    info = OperatingPoint("s", latency_ms=None, backend=None)  # type: ignore[arg-type]
    message = fill(messages.OperatingPoint(), info)
    assert math.isnan(message.latency_ms)
    assert message.backend == ""


def test_status_shows_an_endless_target_with_lifetime_zero():
    from dynofa_ros.manager.decision import ApplicationStatus

    status = ApplicationStatus("front", "s", "cpu/x/fp32/1", "cpu", QosTarget("front", 25.0), feasible=True)
    assert fill(messages.ApplicationStatus(), status).target.lifetime_s == 0.0


def test_zero_percentile_and_lifetime_mean_their_defaults():
    nan = math.nan
    message = messages.QosTarget(application="front", latency_ms=25.0, min_accuracy=nan, max_power_w=nan)
    target = build(QosTarget, message).validated()
    assert (target.percentile, target.lifetime_s, target.objective) == (
        0.95,
        math.inf,
        Objective.MAX_ACCURACY,
    )


def test_unknown_objective_is_refused_by_name():
    message = messages.QosTarget(application="front", latency_ms=25.0, objective=9, max_power_w=math.nan)
    with pytest.raises(RefusedMessage, match="objective = 9"):
        build(QosTarget, message).validated()


def test_image_is_viewed_without_a_copy():
    message = gray_image()
    frame = image_frame(message)
    message.data[0] = 7
    assert frame.data[0] == 7
    assert (frame.width, frame.height, frame.step) == (64, 48, 192)


def test_age_of_an_unstamped_image_is_not_a_number():
    assert math.isnan(age_ms(Time(), 5_000_000_000))
    assert age_ms(Time(sec=4, nanosec=990_000_000), 5_000_000_000) == pytest.approx(10.0)


def test_diagnostic_values_say_not_measured_for_nan():
    assert key_values({"power_w": math.nan, "frames": 3}) == [("power_w", "not measured"), ("frames", "3")]
