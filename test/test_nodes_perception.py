"""One perception node in its own process, fed by hand over DDS."""

from __future__ import annotations

import math
import time
from array import array

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

from diagnostic_msgs.msg import DiagnosticArray
from dynofa_ros.msg import (
    Application,
    BoardState,
    Classification,
    ClockDomain,
    InferenceStats,
    SubnetDecision,
)
from dynofa_ros.srv import SetSubnet
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from ros_harness import NodeProcess, Probe, gray_image, parameters, private_domain, write_family

pytestmark = pytest.mark.timeout(300)
NAN = math.nan
LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


class Bench:
    """The node under test and everything that it says."""

    def __init__(self, folder, classifier_bias=None, **values):
        domain = private_domain()
        family = write_family(folder, classifier_bias)
        values = parameters(family=family, application="front", stats_rate_hz=10.0, **values)
        self.probe = Probe(domain)
        self.node = NodeProcess("perception_node", domain, folder / "perception.log", values)
        self.results = self.probe.collect(Classification, "perception/classification")
        self.stats = self.probe.collect(InferenceStats, "inference_stats")
        self.diagnostics = self.probe.collect(DiagnosticArray, "/diagnostics")
        self.applications = self.probe.collect(Application, "application", LATCHED)
        self.images = self.probe.publisher(Image, "image")
        self.sequence = 0

    def send(self, image):
        """Publish an image and wait until the node has accounted for it; the newest statistics."""
        before = self.stats[-1].received_total if self.stats else 0
        self.images.publish(image)
        self.probe.wait(lambda: self.stats and self.stats[-1].received_total > before, "the image's arrival")
        return self.probe.next(
            self.stats, lambda s: s.inferred_total + s.dropped_total == s.received_total, "its end"
        )

    def infer(self, **header):
        """The result of one good image."""
        count = len(self.results)
        self.send(gray_image(**header))
        return self.probe.wait(lambda: len(self.results) > count and self.results[-1], "a result")

    def decide(self, subnet, **fields):
        """Publish a decision; the manager's part is played by the test."""
        self.sequence += 1
        decision = SubnetDecision(
            application="front", manager_id="test", sequence=self.sequence, validity_ms=60e3, subnet=subnet
        )
        decision.percentile, decision.target_latency_ms = 0.95, NAN
        for name, value in fields.items():
            setattr(decision, name, value)
        self.probe.publisher(SubnetDecision, "subnet_decision").publish(decision)

    def placement(self, subnet):
        """A placement that the node offers for `subnet`."""
        return next(p.placement for p in self.applications[-1].operating_points if p.subnet == subnet)

    def drops(self):
        return {drop.reason: drop.count for drop in self.stats[-1].drops}

    def diagnosed(self, text):
        """Wait for a diagnostic of this node whose message contains `text`."""

        def found(message):
            return any(s.name == "perception" and text in s.message for s in message.status)

        return self.probe.wait(
            lambda: next((m for m in self.diagnostics if found(m)), None), f"diagnostic {text!r}"
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("perception"))
    try:
        bench.probe.wait(lambda: bench.applications and bench.stats, "the node's start")
        yield bench
    finally:
        status = bench.node.stop()
        print(bench.node.output)
        bench.probe.close()
    assert status == 0
    assert "Traceback" not in bench.node.output
    assert "the node goes on" not in bench.node.output, "a callback failed"


def test_no_image_is_lost_or_counted_twice_while_it_takes_over_the_reliability(tmp_path):
    """Best effort is asked for until a publisher is known, then what it offers."""
    bench = Bench(tmp_path)
    try:
        lost = sum(not _gives_a_result(bench, stamp_s) for stamp_s in range(1, 301))
        bench.probe.wait(lambda: bench.stats[-1].received_total >= 300 - lost, "all images")
        bench.probe.spin(0.3)
        assert (lost, bench.stats[-1].received_total) == (0, 300)
        assert "/image (reliable) from" in bench.node.output
    finally:
        bench.node.stop()
        bench.probe.close()


def _gives_a_result(bench, stamp_s, patience_s=3.0):
    """Whether the image that is sent now has a result in time."""
    count = len(bench.results)
    bench.images.publish(gray_image(stamp_s=float(stamp_s)))
    end_s = time.monotonic() + patience_s
    while len(bench.results) == count and time.monotonic() < end_s:
        bench.probe.spin(0.001)
    return len(bench.results) > count


def test_application_presents_all_sub_networks_with_labels(bench):
    application = bench.applications[-1]
    assert {p.subnet for p in application.operating_points} == {"xs", "s", "m", "l"}
    assert list(application.labels) == [str(digit) for digit in range(10)]
    assert application.node == "/perception"
    latencies = [point.latency_ms for point in application.operating_points]
    assert latencies == sorted(latencies)
    for point in application.operating_points:
        parts = (point.element, point.backend, point.precision, str(point.threads))
        assert point.placement == "/".join(parts)


def test_result_carries_the_header_of_its_image(bench):
    now_s = time.time()
    result = bench.infer(stamp_s=now_s)
    assert result.header.stamp.sec == int(now_s)
    assert result.header.frame_id == "camera"
    assert 0.0 <= result.transport_ms < 10e3
    parts = (
        result.transport_ms
        + result.queue_ms
        + result.preprocess_ms
        + result.inference_ms
        + result.postprocess_ms
    )
    assert result.latency_ms == pytest.approx(parts, abs=0.5)
    assert [score.label for score in result.results] == [score.id for score in result.results]


def test_stamp_of_another_clock_leaves_transport_unmeasured(bench):
    result = bench.infer(stamp_s=12.5)
    assert math.isnan(result.transport_ms)
    assert result.header.stamp.nanosec == 500_000_000


def _with(**fields):
    image = gray_image()
    for name, value in fields.items():
        setattr(image, name, value)
    return image


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (_with(encoding="32FC1"), "invalid_encoding"),
        (_with(width=0), "zero_size"),
        (_with(step=10), "short_step"),
        (_with(data=array("B", bytes(100))), "truncated_data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_image_is_dropped_by_reason_and_the_next_good_one_works(bench, image, reason):
    before = bench.drops().get(reason, 0) if bench.stats else 0
    stats = bench.send(image)
    assert bench.drops()[reason] == before + 1
    assert stats.last_drop.startswith(reason) or reason in stats.last_drop
    assert bench.infer().results


def test_a_burst_of_images_is_accounted_for_completely(bench):
    start = bench.stats[-1].received_total
    for _ in range(60):
        bench.images.publish(gray_image(320, 240))
    stats = bench.probe.wait(lambda: _settled(bench, start), "the burst's end")
    assert stats.received_total == stats.inferred_total + stats.dropped_total
    assert sum(drop.count for drop in stats.drops) == stats.dropped_total


def _settled(bench, start):
    """Statistics after the burst in which nothing is in flight, twice in a row the same."""
    last, previous = bench.stats[-1], bench.stats[-2]
    moved = last.received_total > start and last.received_total == previous.received_total
    return last if moved and last.received_total == last.inferred_total + last.dropped_total else None


def test_decision_changes_what_runs(bench):
    for subnet in ("xs", "l", "s"):
        bench.decide(subnet)
        bench.probe.wait(lambda subnet=subnet: bench.infer().subnet == subnet, f"{subnet} to run")


def test_decision_naming_an_unknown_sub_network_is_refused_whole(bench):
    bench.decide("m")
    bench.probe.wait(lambda: bench.infer().subnet == "m", "m to run")
    bench.decide("xxl")
    bench.diagnosed("xxl")
    assert bench.infer().subnet == "m"


def test_decision_naming_an_unknown_placement_is_refused_and_counted(bench):
    bench.decide("m", placement=bench.placement("m"))
    result = bench.probe.wait(lambda: (r := bench.infer()).subnet == "m" and r, "m to run")
    assert result.placement == bench.placement("m")
    bench.decide("l", placement="dla0/tensorrt/int8/1")
    refused = bench.diagnosed("dla0/tensorrt/int8/1").status
    values = {v.key: v.value for s in refused if s.name == "perception" for v in s.values}
    assert int(values["refused_decisions"]) >= 1
    assert "m on " in values["resident"]
    assert bench.infer().subnet == "m"


def test_pin_by_hand_wins_over_decisions_until_released(bench):
    bench.decide("xs")
    bench.probe.wait(lambda: bench.infer().subnet == "xs", "xs to run")
    answer = bench.probe.call(
        SetSubnet, "perception/set_subnet", SetSubnet.Request(subnet="l", duration_s=60.0)
    )
    assert answer.success
    assert bench.infer().subnet == "l"
    assert bench.probe.call(SetSubnet, "perception/set_subnet", SetSubnet.Request(subnet="")).success
    assert bench.infer().subnet == "xs"


def test_pin_may_name_a_placement_and_an_unknown_one_is_refused(bench):
    request = SetSubnet.Request(subnet="l", placement=bench.placement("l"), duration_s=60.0)
    assert bench.probe.call(SetSubnet, "perception/set_subnet", request).success
    assert bench.infer().placement == bench.placement("l")
    request.placement = "cpu/abacus/fp32/1"
    answer = bench.probe.call(SetSubnet, "perception/set_subnet", request)
    assert not answer.success
    assert "cpu/abacus/fp32/1" in answer.message
    assert bench.probe.call(SetSubnet, "perception/set_subnet", SetSubnet.Request()).success


@pytest.mark.parametrize(("subnet", "duration_s"), [("xxl", 1.0), ("l", 0.0), ("l", NAN), ("l", -1.0)])
def test_impossible_pin_is_refused_with_a_reason(bench, subnet, duration_s):
    request = SetSubnet.Request(subnet=subnet, duration_s=duration_s)
    answer = bench.probe.call(SetSubnet, "perception/set_subnet", request)
    assert not answer.success
    assert subnet in answer.message or "duration_s" in answer.message


def test_picture_and_text_are_published_only_while_watched(bench):
    pictures, texts = [], []
    watched = [
        bench.probe.node.create_subscription(Image, "perception/annotated_image", pictures.append, 5),
        bench.probe.node.create_subscription(MarkerArray, "perception/markers", texts.append, 5),
    ]
    bench.probe.wait(lambda: bench.infer() and pictures and texts, "an annotated image and markers")
    assert (pictures[-1].width, pictures[-1].height, pictures[-1].encoding) == (64, 48, "rgb8")
    assert pictures[-1].header.frame_id == "camera"
    assert bench.results[-1].subnet in texts[-1].markers[0].text
    for subscription in watched:
        bench.probe.node.destroy_subscription(subscription)
    names = [name for name, _types in bench.probe.node.get_topic_names_and_types()]
    assert "/perception/annotated_image" in names  # there for others to watch, silent meanwhile


def test_emulated_clock_stretches_inference_and_ends_with_the_board(bench):
    domain = ClockDomain(name="cpu0", current_mhz=500.0, available_mhz=[500.0, 1000.0], max_mhz=1000.0)
    state = BoardState(board="test", simulated=True, emulated_clocks=True, clock_domains=[domain])
    boards = bench.probe.publisher(BoardState, "board_state")

    def stretched():
        boards.publish(state)
        result = bench.infer()
        return result if result.emulated_clocks else None

    result = bench.probe.wait(stretched, "a stretched inference")
    assert result.stretch == pytest.approx(0.85 * 2.0 + 0.15)
    real = bench.probe.wait(lambda: _real_again(bench), "real clocks after the board fell silent")
    assert real.stretch == 1.0


def _real_again(bench):
    result = bench.infer()
    return result if not result.emulated_clocks else None


def test_logits_that_are_no_numbers_are_counted_and_diagnosed_and_publish_no_class(tmp_path):
    bench = Bench(tmp_path, classifier_bias=NAN, placements="cpu/openvino/fp32/1")
    try:
        bench.probe.wait(lambda: bench.applications and bench.stats, "the node's start")
        stats = bench.send(gray_image())
        assert bench.drops() == {"non_finite_logits": 1}
        assert "1 of 10 logits" in stats.last_drop
        bench.diagnosed("non_finite_logits")
        assert not bench.results
    finally:
        assert bench.node.stop() == 0
        bench.probe.close()


def test_what_is_not_resident_is_said_to_everybody(tmp_path):
    bench = Bench(tmp_path, memory_budget_mb=1.0, placements="cpu/openvino/fp32/1")
    try:
        application = bench.probe.wait(
            lambda: bench.applications and bench.applications[-1], "the node's start"
        )
        absent = list(application.not_resident)
        assert {point.subnet for point in application.operating_points} == {"xs", "l"}
        assert sorted(line.split()[0] for line in absent) == ["m", "s"]
        assert all("of the budget of 1 MB are taken" in line for line in absent)
        found = bench.probe.wait(
            lambda: [
                v.value
                for m in bench.diagnostics
                for s in m.status
                for v in s.values
                if v.key == "not_resident"
            ],
            "diagnostics",
        )
        assert "budget of 1 MB" in found[-1]
    finally:
        assert bench.node.stop() == 0
        bench.probe.close()
