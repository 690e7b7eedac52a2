"""The recorder, in its own process: what goes over DDS is in the bag, however the recorder is ended."""

from __future__ import annotations

import signal

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

from diagnostic_msgs.msg import DiagnosticArray
from dynofa_ros.msg import Classification
from sensor_msgs.msg import Image

from dynofa_ros.engine.compressed import CompressedFrame, decode_compressed
from dynofa_ros.simulation.bag import BagReader
from ros_harness import NodeProcess, Probe, gray_image, parameters, private_domain

COMPRESSED = "sensor_msgs/msg/CompressedImage"


@pytest.fixture
def probe():
    node = Probe(private_domain())
    yield node
    node.close()


def start(probe, folder, **values):
    arguments = parameters(path=folder / "bag", **values)
    return NodeProcess(
        "recorder_node", probe.node.context.get_domain_id(), folder / "recorder.log", arguments
    )


def publish(probe, kind, topic, messages):
    """Publish `messages` with room for all of them, so that none is overwritten before it is sent."""
    publisher = probe.publisher(kind, topic, 200)
    for message in messages:
        publisher.publish(message)
    return publisher


def wait_until_recorded(probe, count):
    """Wait until the recorder says that it has that many messages."""
    states = probe.collect(DiagnosticArray, "/diagnostics")

    def recorded():
        pairs = (pair for m in states for s in m.status if s.name == "recorder" for pair in s.values)
        return any(pair.key == "messages" and int(pair.value) >= count for pair in pairs)

    probe.wait(recorded, f"{count} recorded messages")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_messages_are_recorded_unchanged_and_the_bag_is_whole(tmp_path, probe, number):
    recorder = start(
        probe, tmp_path, discover=False, topics='"front/classification dynofa_ros/msg/Classification"'
    )
    messages = [Classification(application="front", subnet="small", latency_ms=float(i)) for i in range(20)]
    publish(probe, Classification, "/front/classification", messages)
    wait_until_recorded(probe, 20)
    assert recorder.stop(number) == 0, recorder.output
    with BagReader(tmp_path / "bag") as bag:
        assert [item.message.latency_ms for item in bag.messages()] == [float(i) for i in range(20)]


def test_a_raw_camera_is_found_and_recorded_as_jpeg(tmp_path, probe):
    recorder = start(probe, tmp_path, include="/front/.*")
    publish(probe, Image, "/front/image", [gray_image(stamp_s=1.5), gray_image(stamp_s=1.6)])
    wait_until_recorded(probe, 2)
    assert recorder.stop() == 0, recorder.output
    with BagReader(tmp_path / "bag") as bag:
        assert bag.topics == {"/front/image/compressed": COMPRESSED}
        items = list(bag.messages())
    assert [item.message.header.stamp.nanosec for item in items] == [500_000_000, 600_000_000]
    pixels = decode_compressed(CompressedFrame("jpeg", items[0].message.data))
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels.astype(int) - 128).max() <= 2


def test_a_topic_list_that_cannot_be_read_is_one_line(tmp_path, probe):
    recorder = start(probe, tmp_path, topics="nonsense")
    assert recorder.process.wait(timeout=60) == 1
    assert "'nonsense' is not NAME TYPE" in recorder.output
