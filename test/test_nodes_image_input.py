"""The camera is heard whatever its publisher offers; where it cannot be, the reason is told."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from dynofa_ros.nodes.diagnostics import OK, Health
from dynofa_ros.nodes.handover import Handover
from dynofa_ros.nodes.image_input import ImageInput
from dynofa_ros.nodes.image_offer import BEST_EFFORT, RELIABLE, Offer, matching_reliability, unmatched
from dynofa_ros.nodes.managed import ManagedNode
from ros_harness import PATIENCE_S, Probe, gray_image, private_domain

pytestmark = pytest.mark.timeout(300)
IMAGE = "sensor_msgs/msg/Image"
LATCHED = QoSDurabilityPolicy.TRANSIENT_LOCAL


class Eye(ManagedNode):
    """A real lifecycle node with nothing but an image input."""

    def __init__(self):
        super().__init__("eye", (), threading.Event())
        self.images = []
        self.input = None

    def look(self, reliability="auto", transport="raw", warn_after_s=60.0):
        self.input = ImageInput(
            self,
            self.images.append,
            transport=transport,
            reliability=reliability,
            warn_after_s=warn_after_s,
        )
        return self.input

    def configure(self):
        pass

    def health(self):
        return Health(OK, "looking")


class Bench:
    """One eye and any number of cameras in a ROS domain of their own."""

    def __init__(self):
        self.context = rclpy.get_default_context()
        self.domain = private_domain()
        rclpy.init(args=[], domain_id=self.domain)
        self.executor = SingleThreadedExecutor()
        self.eye = Eye()
        self.cameras = []
        self.executor.add_node(self.eye)

    def camera(self, name="camera", reliability=RELIABLE, **qos):
        """A publisher on `image`, in a node of its own."""
        node = rclpy.create_node(name)
        self.executor.add_node(node)
        policy = QoSReliabilityPolicy[reliability.upper()]
        publisher = node.create_publisher(Image, "image", QoSProfile(depth=5, reliability=policy, **qos))
        self.cameras.append(node)
        return publisher

    def remove(self, publisher_index=0):
        node = self.cameras.pop(publisher_index)
        self.executor.remove_node(node)
        node.destroy_node()

    def wait(self, condition, what):
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, f"waited in vain for {what}"
            self.executor.spin_once(timeout_sec=0.02)

    def hear(self, publisher, frame_id):
        """Publish until an image with this frame_id has arrived."""
        image = gray_image()
        image.header.frame_id = frame_id

        def heard():
            publisher.publish(image)
            return any(message.header.frame_id == frame_id for message in self.eye.images)

        self.wait(heard, f"an image of {frame_id}")

    def close(self):
        self.eye.input.close()
        for node in (*self.cameras, self.eye):
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown(timeout_sec=1.0)
        rclpy.shutdown()


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    bench = Bench()
    yield bench
    bench.close()
    assert bench.eye.guard.errors_total == 0, bench.eye.guard.last_error


@pytest.mark.parametrize(
    ("offered", "wanted", "requested"),
    [
        ([], "auto", BEST_EFFORT),
        ([True], "auto", RELIABLE),
        ([False], "auto", BEST_EFFORT),
        ([True, False], "auto", BEST_EFFORT),
        ([False], RELIABLE, RELIABLE),
        ([True], BEST_EFFORT, BEST_EFFORT),
    ],
)
def test_requested_reliability_matches_every_publisher_unless_set(offered, wanted, requested):
    offers = [Offer(f"/camera{i}", IMAGE, reliable) for i, reliable in enumerate(offered)]
    assert matching_reliability(offers, wanted) == requested


def test_a_request_that_a_publisher_cannot_serve_is_named_even_before_the_middleware_tells():
    offers = [Offer("/a", IMAGE, reliable=True), Offer("/b", IMAGE, reliable=False)]
    reason = unmatched(offers, "/image", IMAGE, RELIABLE, "")
    assert "/b (best_effort)" in reason
    assert "/a" not in reason
    assert "RELIABILITY" in reason
    assert unmatched(offers, "/image", IMAGE, BEST_EFFORT, "") == ""


@pytest.mark.parametrize("reliability", [RELIABLE, BEST_EFFORT])
def test_a_publisher_that_appears_later_is_followed(bench, reliability):
    image_input = bench.eye.look()
    assert "nobody yet" in image_input.summary()
    camera = bench.camera(reliability=reliability)
    bench.wait(lambda: f"({reliability}) from /camera" in image_input.summary(), "the publisher")
    bench.hear(camera, "later")
    assert image_input.trouble == ""


def test_a_publisher_that_comes_back_with_another_qos_under_its_old_name_is_followed(bench):
    image_input = bench.eye.look()
    bench.hear(bench.camera(reliability=RELIABLE), "reliable")
    bench.wait(lambda: "(reliable) from" in image_input.summary(), "the reliable publisher")
    bench.remove()
    second = bench.camera(reliability=BEST_EFFORT)
    bench.hear(second, "best effort")
    bench.wait(lambda: "(best_effort) from /camera (best_effort)" in image_input.summary(), "the new QoS")
    assert image_input.trouble == ""


def test_publishers_of_both_kinds_are_both_heard(bench):
    image_input = bench.eye.look()
    first, second = bench.camera("front", RELIABLE), bench.camera("rear", BEST_EFFORT)
    bench.wait(
        lambda: "/front (reliable)" in image_input.summary() and "/rear" in image_input.summary(), "both"
    )
    bench.hear(first, "front")
    bench.hear(second, "rear")
    assert "(best_effort) from" in image_input.summary()


def test_a_latching_publisher_is_heard_and_its_old_image_is_not_taken_for_new(bench):
    camera = bench.camera(durability=LATCHED)
    old = gray_image()
    old.header.frame_id = "old"
    camera.publish(old)
    bench.eye.look()
    bench.hear(camera, "new")
    assert "old" not in {message.header.frame_id for message in bench.eye.images}


def test_an_incompatible_request_is_told_with_policy_publisher_and_remedy(bench):
    image_input = bench.eye.look(reliability=RELIABLE)
    camera = bench.camera(reliability=BEST_EFFORT)
    bench.wait(lambda: "RELIABILITY" in image_input.trouble, "the reason")
    assert "/camera (best_effort)" in image_input.trouble
    assert "image_reliability" in image_input.trouble
    camera.publish(gray_image())
    bench.remove()
    bench.wait(lambda: image_input.trouble == "", "the end of the trouble with its cause")


def test_the_middleware_reports_the_incompatible_policy(bench):
    policies = []
    image_input = bench.eye.look(reliability=RELIABLE)
    report = image_input._on_incompatible
    image_input._on_incompatible = lambda event: (policies.append(event.last_policy_kind), report(event))
    image_input._subscribe()
    bench.camera(reliability=BEST_EFFORT)
    bench.wait(lambda: policies, "the event")
    assert "RELIABILITY" in image_input.trouble


def test_another_message_type_on_the_topic_is_told(bench):
    image_input = bench.eye.look()
    other = Probe(bench.domain)  # one process cannot give a topic two types
    other.node.create_publisher(CompressedImage, "image", 5)
    bench.wait(lambda: "sensor_msgs/msg/CompressedImage" in image_input.trouble, "the reason")
    assert "image_transport" in image_input.trouble
    other.close()


def test_a_matched_publisher_whose_images_do_not_arrive_is_told_until_one_does(bench):
    image_input = bench.eye.look(warn_after_s=0.5)
    camera = bench.camera()
    bench.wait(lambda: "no image has arrived" in image_input.trouble, "the warning")
    assert "/camera" in image_input.trouble
    assert "fastdds.xml" in image_input.trouble
    bench.hear(camera, "at last")
    assert image_input.trouble == ""


def test_a_message_that_two_subscriptions_hear_counts_once_in_any_order_stamped_or_not():
    handover = Handover(10.0)
    one, other = gray_image(), gray_image()
    other.header.stamp.sec = 7
    heard = [(one, False), (one, True), (one, False), (other, True), (one, True), (other, False)]
    assert [handover.repeats(message, by_new) for message, by_new in heard] == [
        False,
        True,
        False,
        False,
        True,
        True,
    ]


def test_a_handover_ends_when_the_new_subscription_hears_or_after_a_second():
    handover = Handover(10.0)
    handover.repeats(gray_image(), False)
    assert not handover.over(10.9)
    assert handover.over(11.0)
    handover.repeats(gray_image(), True)
    assert handover.over(10.1)
