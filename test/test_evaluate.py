"""`dynofa evaluate`, from a bag to JSON and HTML, without ROS."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from dynofa_ros.cli import main
from dynofa_ros.datasets.digits import scene
from dynofa_ros.simulation.bag import BagWriter, typestore
from ros_harness import write_family

PERIOD_NS = 50_000_000
BEGIN_NS = 1_000_000_000_000


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return write_family(tmp_path_factory.mktemp("family"))


@pytest.fixture(autouse=True)
def private_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


class Recorder:
    """Writes a small bag of rendered digits."""

    def __init__(self, bag):
        self.bag = bag
        self.types = bag.types

    def header(self, index):
        ns = BEGIN_NS + index * PERIOD_NS
        stamp = self.types["builtin_interfaces/msg/Time"](sec=ns // 10**9, nanosec=ns % 10**9)
        return self.types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")

    def frame(self, topic, index, application="front", compressed=True, truncate=False):
        rgb, label, _ = scene("test", 1, index, 96, 72)
        if compressed:
            data = np.frombuffer(cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes(), np.uint8)
            kind = "sensor_msgs/msg/CompressedImage"
            message = self.types[kind](header=self.header(index), format="jpeg", data=data)
        else:
            data = np.ascontiguousarray(rgb).reshape(-1)[: -10 if truncate else None]
            kind = "sensor_msgs/msg/Image"
            message = self.types[kind](
                header=self.header(index),
                height=72,
                width=96,
                encoding="rgb8",
                is_bigendian=0,
                step=288,
                data=data,
            )
        truth = self.types["dynofa_ros/msg/GroundTruth"](
            header=self.header(index), application=application, label=str(label)
        )
        for name, kind_name, item in (
            (topic, kind, message),
            (f"/{application}/labels", "dynofa_ros/msg/GroundTruth", truth),
        ):
            self.bag.add_topic(name, kind_name)
            self.bag.write(name, BEGIN_NS + index * PERIOD_NS + 2_000_000, item)

    def target(self, index, latency_ms):
        self.bag.add_topic("/qos_target", "dynofa_ros/msg/QosTarget")
        message = self.types["dynofa_ros/msg/QosTarget"](
            stamp=self.header(index).stamp, application="front", latency_ms=latency_ms, percentile=0.95,
            min_accuracy=math.nan, max_power_w=math.nan, objective=0, priority=0, lifetime_s=0.0,
        )  # fmt: skip
        self.bag.write("/qos_target", BEGIN_NS + index * PERIOD_NS, message)


def record(path, frames=40, **options):
    with BagWriter(path) as bag:
        recorder = Recorder(bag)
        recorder.target(0, 500.0)
        for index in range(frames):
            recorder.frame("/front/image", index, **options)
    return path


def copy_as_sqlite3(bag, path):
    """The same messages as `ros2 bag record` wrote them by default until Humble."""
    store = typestore()
    writer = Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3)
    with Reader(bag) as source, writer as target:
        copies = {
            connection.id: target.add_connection(connection.topic, connection.msgtype, typestore=store)
            for connection in source.connections
        }
        for connection, time_ns, cdr in source.messages():
            target.write(copies[connection.id], time_ns, cdr)


def evaluate(bag, family, out, *options):
    return main(["evaluate", str(bag), "--family", str(family), "--out", str(out), *options])


def result(out):
    return json.loads((out / "evaluation.json").read_text(encoding="utf-8"))


def test_a_bag_is_evaluated_with_the_targets_that_it_holds(tmp_path, family):
    assert evaluate(record(tmp_path / "bag"), family, tmp_path / "out") == 0
    figures = result(tmp_path / "out")
    assert figures["frames_released"] == figures["frames_inferred"] == 40
    assert 0.0 <= figures["mean_accuracy"] <= 1.0
    assert figures["latency_ms"]["p95"] > 0.0
    assert figures["events"][0]["label"] == "front: 500.0 ms"
    assert not figures["emulated_clocks"]
    assert figures["facts"]["Machine"]
    assert "<html" in (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8")


def test_an_sqlite3_bag_gives_what_the_same_bag_in_mcap_gives(tmp_path, family):
    mcap = record(tmp_path / "mcap", frames=10)
    copy_as_sqlite3(mcap, tmp_path / "sqlite3")
    assert list((tmp_path / "sqlite3").glob("*.db3"))
    found = []
    for name in ("mcap", "sqlite3"):
        assert evaluate(tmp_path / name, family, tmp_path / f"out_{name}", "--target-ms", "60000") == 0
        figures = result(tmp_path / f"out_{name}")
        found.append([figures[key] for key in ("frames_released", "frames_inferred", "mean_accuracy")])
    assert found[0] == found[1]
    assert found[0][0] == 10


def test_a_target_given_by_hand_wins_and_a_simulated_board_is_labelled(tmp_path, family):
    bag = record(tmp_path / "bag")
    board = ("--board", "simulated:jetson_orin_nano_super")
    assert (
        evaluate(bag, family, tmp_path / "out", "--target-ms", "800", "--objective", "min_energy", *board)
        == 0
    )
    figures = result(tmp_path / "out")
    assert figures["events"][0]["label"] == "front: 800.0 ms"
    assert figures["simulated_board"]
    assert figures["emulated_clocks"]
    assert figures["energy_j"] > 0.0
    assert "emulated clocks" in (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8")


def test_what_is_decided_about_accuracy_does_not_depend_on_the_run(tmp_path, family):
    bag = record(tmp_path / "bag")
    accuracies = []
    for name in ("a", "b"):
        assert evaluate(bag, family, tmp_path / name, "--target-ms", "60000") == 0
        accuracies.append((result(tmp_path / name)["mean_accuracy"], result(tmp_path / name)["subnets_used"]))
    assert accuracies[0] == accuracies[1]


def test_raw_images_are_evaluated_and_broken_ones_counted_by_reason(tmp_path, family):
    with BagWriter(tmp_path / "bag") as bag:
        recorder = Recorder(bag)
        for index in range(10):
            recorder.frame("/front/image", index, compressed=False, truncate=index == 4)
    assert evaluate(tmp_path / "bag", family, tmp_path / "out") == 0
    account = result(tmp_path / "out")["accounting"]["front"]
    assert account["inferred"] == 9
    assert sum(account["dropped"].values()) == 1
    assert account["complete"]


def test_several_cameras_have_to_be_named(tmp_path, family, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        recorder = Recorder(bag)
        for index in range(3):
            recorder.frame("/front/image", index)
            recorder.frame("/rear/image", index, application="rear")
    assert evaluate(tmp_path / "bag", family, tmp_path / "out") == 2
    assert "/front/image, /rear/image" in capsys.readouterr().err
    assert evaluate(tmp_path / "bag", family, tmp_path / "out", "--topic", "/rear/image") == 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--topic", "/nothing"), "'/nothing'"),
        (("--target-ms", "-3"), "latency_ms = -3.0"),
        (("--percentile", "2", "--target-ms", "10"), "percentile = 2.0"),
        (("--board", "nonsense"), "nonsense"),
    ],
)
def test_wrong_options_are_refused_with_the_value(tmp_path, family, capsys, options, complaint):
    assert evaluate(record(tmp_path / "bag", frames=2), family, tmp_path / "out", *options) == 2
    assert complaint in capsys.readouterr().err


def test_a_missing_bag_is_one_line(tmp_path, family, capsys):
    assert evaluate(tmp_path / "none", family, tmp_path / "out") == 2
    assert capsys.readouterr().err.count("\n") == 1
