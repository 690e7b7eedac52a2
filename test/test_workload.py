from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.board.spec import find_spec
from dynofa_ros.board.workload import LatencyLaw, network_points, operating_points
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import load_family

ORIN = find_spec("jetson_orin_nano_super")
XAVIER = find_spec("jetson_xavier_nx")
FAMILY = load_family(family_path("ofa_mbv3_w12"))
FULL = {"cpu0": 1728.0, "gpu": 1020.0, "emc": 3199.0}
MOBILENET, MEMORY_BOUND = network_points(ORIN)[:2]
LAW = LatencyLaw(ORIN)


def on_gpu(spec, family=FAMILY):
    return [point for point in operating_points(spec, family) if point.element == "gpu"]


@pytest.mark.parametrize(
    ("gpu_mhz", "emc_mhz", "measured_ms"),
    [  # rows of the latency sweep
        (1020.0, 3199.0, 4.2257),
        (306.0, 3199.0, 11.4002),
        (612.0, 2133.0, 6.4921),
        (816.0, 665.6, 8.8795),
    ],
)
def test_mobilenet_takes_what_the_sweep_measured(gpu_mhz, emc_mhz, measured_ms):
    assert LAW.time_ms(MOBILENET, {"gpu": gpu_mhz, "emc": emc_mhz}) == pytest.approx(measured_ms, rel=0.03)


@pytest.mark.parametrize(("gpu_mhz", "measured_ms"), [(510.0, 8.5509), (714.0, 6.631), (1020.0, 6.5563)])
def test_a_memory_bound_network_lies_on_its_floor_from_714_mhz_up(gpu_mhz, measured_ms):
    assert LAW.time_ms(MEMORY_BOUND, {"gpu": gpu_mhz, "emc": 2133.0}) == pytest.approx(measured_ms, rel=0.01)


@pytest.mark.parametrize(("point", "beside_ms"), [(MOBILENET, 5.3), (MEMORY_BOUND, 8.72)])
def test_a_bandwidth_hog_costs_what_was_measured(point, beside_ms):
    clocks = {"gpu": 1020.0, "emc": 2133.0}
    assert LAW.time_ms(point, clocks, bandwidth_gbps=19.7) == pytest.approx(beside_ms, rel=0.03)


def test_the_clocked_share_is_k_over_f():
    clocks = {"gpu": 510.0, "emc": 3199.0}
    assert LAW.clocked_share(MOBILENET, clocks) == pytest.approx(3.158 / 0.510 / (3.158 / 0.510 + 1.042))


def test_family_members_scale_by_multiply_adds_with_the_fixed_part_as_measured():
    for member, point in zip(FAMILY.members, on_gpu(ORIN), strict=True):
        expected_ms = 3.158 * member.macs / 300e6 / 1.020 + 1.042
        assert point.latency_ms == pytest.approx(expected_ms)
        assert LAW.time_ms(point, FULL) == pytest.approx(expected_ms)
        assert (point.accuracy, point.macs) == (member.accuracy.value, member.macs)


def test_cpu_points_follow_peak_flops_and_amdahl():
    """16 flop per cycle and core at 45 %, 90 % parallel, at 1.728 GHz."""
    one_ms = 2 * 300e6 / (16 * 0.45 * 1.728e6)
    for point in network_points(ORIN)[2:]:
        assert point.latency_ms == pytest.approx(one_ms * (0.1 + 0.9 / point.threads), rel=0.002)
        assert point.clocked_fraction == pytest.approx(0.85, abs=0.001)


def test_the_xavier_has_a_dla_and_every_member_on_every_placement():
    points = operating_points(XAVIER, FAMILY)
    assert {point.element for point in points} == {"cpu", "gpu", "dla0"}
    assert len(points) == len(FAMILY.members) * len(XAVIER.networks)
    assert not any(math.isnan(point.accuracy) for point in points)


def test_xavier_gpu_times_span_what_its_block_tables_predict():
    """18.2 to 30.2 ms for the six published points."""
    times = [point.latency_ms for point in on_gpu(XAVIER)]
    assert (times[0], times[-1]) == (pytest.approx(18.2, abs=0.1), pytest.approx(30.2, abs=0.1))


@pytest.mark.parametrize("spec", [ORIN, XAVIER])
@pytest.mark.parametrize("family", ["ofa_mbv3_w12", "digits"])
def test_every_point_is_valid_and_named_once(spec, family):
    points = operating_points(spec, load_family(family_path(family)))
    assert len({point.validated().key for point in points}) == len(points)


@given(
    st.sampled_from([MOBILENET, MEMORY_BOUND, *network_points(ORIN)[2:], *on_gpu(ORIN)]),
    st.sampled_from(ORIN.domains[1].available_mhz),
    st.sampled_from(ORIN.domains[2].available_mhz),
    st.floats(1.0, 4.0),
    st.floats(0.0, 200.0),
)
def test_the_law_agrees_with_the_point_and_only_slows_down(point, gpu_mhz, emc_mhz, slowdown, gbps):
    clocks = {"cpu0": 1344.0, "gpu": gpu_mhz, "emc": emc_mhz}
    alone_ms = LAW.time_ms(point, clocks)
    assert alone_ms == pytest.approx(point.time_ms(clocks))
    assert LAW.time_ms(point, clocks, slowdown) == pytest.approx(slowdown * alone_ms)
    assert math.isfinite(LAW.time_ms(point, clocks, slowdown, gbps))
    assert LAW.time_ms(point, clocks, slowdown, gbps) >= slowdown * alone_ms * (1.0 - 1e-12)
    assert 0.0 <= LAW.clocked_share(point, clocks, slowdown, gbps) <= 1.0


def test_a_point_without_clock_domain_takes_its_profiled_time():
    point = OperatingPoint("p", latency_ms=10.0)
    assert LAW.time_ms(point, {}) == 10.0
