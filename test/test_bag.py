"""Bags: written by us, read by us, typed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from dynofa_ros.errors import ConfigError
from dynofa_ros.simulation.bag import BagReader, BagWriter, typestore

CLASSIFICATION = "dynofa_ros/msg/Classification"


def classification(types, latency_ms=7.5):
    stamp = types["builtin_interfaces/msg/Time"](sec=12, nanosec=345)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    score = types["dynofa_ros/msg/ClassScore"](id="3", label="three", score=0.75)
    return types[CLASSIFICATION](
        header=header, application="front", family="digits", subnet="small",
        placement="cpu/x/fp32/1", element="cpu", frame=9,
        results=[score], transport_ms=1.0, queue_ms=math.nan, preprocess_ms=0.5, inference_ms=5.0,
        postprocess_ms=0.1,
        latency_ms=latency_ms, target_latency_ms=10.0, deadline_met=True, emulated_clocks=True, stretch=1.25,
    )  # fmt: skip


def test_our_messages_survive_a_round_trip(tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/front/classification", CLASSIFICATION)
        bag.write("/front/classification", 111, classification(bag.types))
    with BagReader(tmp_path / "bag") as bag:
        assert bag.topics == {"/front/classification": CLASSIFICATION}
        (item,) = bag.messages()
    assert item.time_ns == 111
    assert item.message.results[0].label == "three"
    assert item.message.latency_ms == 7.5
    assert math.isnan(item.message.queue_ms)
    assert item.message.header.stamp.nanosec == 345


def test_serialised_messages_are_stored_unchanged(tmp_path):
    store = typestore()
    raw = bytes(store.serialize_cdr(classification(store.types), CLASSIFICATION))
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/a", CLASSIFICATION, reliable=False, latched=True)
        for time_ns in range(5):
            bag.write_raw("/a", time_ns, raw)
    with BagReader(tmp_path / "bag") as bag:
        assert [item.time_ns for item in bag.messages(["/a"])] == [0, 1, 2, 3, 4]
        assert bag.counts() == {"/a": 5}


def test_every_message_of_the_package_can_be_recorded(tmp_path):
    ours = [name for name in typestore().types if name.startswith("dynofa_ros/msg/")]
    assert len(ours) >= 15
    with BagWriter(tmp_path / "bag") as bag:
        for name in ours:
            bag.add_topic(f"/{name.rpartition('/')[2]}", name)
    assert (tmp_path / "bag" / "metadata.yaml").is_file()


def test_a_compressible_bag_is_compressed(tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/image", "sensor_msgs/msg/CompressedImage")
        types = bag.types
        header = classification(types).header
        message = types["sensor_msgs/msg/CompressedImage"](
            header=header, format="jpeg", data=np.zeros(100_000, np.uint8)
        )
        for time_ns in range(20):
            bag.write("/image", time_ns, message)
    assert (tmp_path / "bag" / "bag.mcap").stat().st_size < 100_000


def test_an_unknown_message_type_is_refused_by_name(tmp_path):
    with BagWriter(tmp_path / "bag") as bag, pytest.raises(ConfigError, match="no_such_msgs/msg/Nothing"):
        bag.add_topic("/a", "no_such_msgs/msg/Nothing")


def test_an_existing_bag_is_not_overwritten(tmp_path):
    with BagWriter(tmp_path / "bag"):
        pass
    with pytest.raises(ConfigError, match="cannot create"):
        BagWriter(tmp_path / "bag")


def test_a_bag_in_sqlite3_as_humble_records_it_is_read(tmp_path):
    store = typestore()
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.SQLITE3) as bag:
        connection = bag.add_connection("/front/classification", CLASSIFICATION, typestore=store)
        for time_ns, latency_ms in ((111, 7.5), (222, 8.5)):
            message = classification(store.types, latency_ms)
            bag.write(connection, time_ns, store.serialize_cdr(message, CLASSIFICATION))
    assert list((tmp_path / "bag").glob("*.db3"))
    with BagReader(tmp_path / "bag") as bag:
        assert bag.topics == {"/front/classification": CLASSIFICATION}
        found = [(item.time_ns, item.message.latency_ms) for item in bag.messages()]
    assert found == [(111, 7.5), (222, 8.5)]


@pytest.mark.parametrize("content", [b"", b"no bag at all", b"\x89MCAP0\r\n" + bytes(40)])
def test_a_damaged_bag_is_named(tmp_path, content):
    path = tmp_path / "broken.mcap"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.mcap"):
        BagReader(path)


def test_a_missing_bag_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nothing_here"):
        BagReader(tmp_path / "nothing_here")
