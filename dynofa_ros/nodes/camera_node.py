"""A camera to try things with: frames at a steady rate, stamped at release, with their true class."""

from __future__ import annotations

import itertools
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from dynofa_ros.msg import GroundTruth
from dynofa_ros.nodes.conversions import image_message
from dynofa_ros.nodes.diagnostics import OK, WARN, Diagnostics, Health
from dynofa_ros.nodes.frame_source import SOURCES, Frame, open_source
from dynofa_ros.nodes.guard import Guard
from dynofa_ros.nodes.image_offer import BEST_EFFORT, RELIABLE, image_qos
from dynofa_ros.nodes.parameters import Declared, Parameters
from dynofa_ros.nodes.runtime import run

PARAMETERS = (
    Declared("source", "digits", "Where frames come from.", words=SOURCES),
    Declared("path", "", "Image folder or video file, for these sources."),
    Declared("split", "test", "Part of the digits to draw from.", words=("train", "validation", "test")),
    Declared("seed", 1, "Seed of the rendered frames and of the jitter.", 0, 2**31 - 1),
    Declared("width", 640, "Image width [px]; 0 with height 0: as in the file.", 0, 16384),
    Declared("height", 480, "Image height [px].", 0, 16384),
    Declared("rate_hz", 30.0, "Frames released per second [Hz].", 0.1, 1000.0),
    Declared("jitter_ms", 0.0, "Release times vary uniformly by plus or minus this [ms].", 0.0, 1000.0),
    Declared("application", "", "Application that the labels are meant for; informative."),
    Declared("output", "raw", "What to publish.", words=("raw", "compressed", "both")),
    Declared("encoding", "rgb8", "Encoding of the raw image.", words=("rgb8", "bgr8", "mono8")),
    Declared("jpeg_quality", 90, "Quality of the compressed image.", 1, 100),
    Declared("frame_id", "camera", "header.frame_id of every image."),
    Declared("reliability", RELIABLE, "QoS reliability of the images.", words=(RELIABLE, BEST_EFFORT)),
    Declared("loop", True, "Start a folder or video again after its last frame."),
    Declared("max_frames", 0, "End after so many frames; 0: never.", 0, 2**31 - 1),
    Declared(
        "wait_for_subscribers", 0, "Release the first frame once so many subscribe to the images.", 0, 100
    ),
    Declared(
        "prerender", 0, "Digits rendered before the start and repeated; 0: each frame is new.", 0, 100000
    ),
    Declared("streaming", True, "False: ready, but no frame is released until it is set.", at_run_time=True),
)

_HOLD_S = 0.01  # how soon a camera that holds its frames sees that it may stream


@dataclass
class _Release:
    """Messages of one frame, ready but for the stamp."""

    header: Header
    publications: list[tuple[Any, Any]]


class CameraNode(Node):
    """Its own thread prepares each frame ahead and releases it on time; the executor serves parameters."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__("camera")
        self.guard = Guard(self)
        self.stopping = stopping
        self.parameters = Parameters(self, PARAMETERS)
        self._frames = self._open()
        qos = image_qos(self.parameters["reliability"])
        output = self.parameters["output"]
        self._raw = self.create_publisher(Image, "image", qos) if output != "compressed" else None
        self._jpeg = (
            self.create_publisher(CompressedImage, "image/compressed", qos) if output != "raw" else None
        )
        self._labels = self.create_publisher(GroundTruth, "labels", QoSProfile(depth=50))
        self._released = 0
        self._late = 0
        self._ended = ""
        self.diagnostics = Diagnostics(self, self._health, self.guard)
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def _open(self) -> Iterator[Frame]:
        value = self.parameters
        frames = open_source(
            value["source"],
            value["path"],
            size=(value["width"], value["height"]),
            split=value["split"],
            seed=value["seed"],
            loop=value["loop"],
            prerender=value["prerender"],
        ).frames()
        return itertools.islice(frames, value["max_frames"]) if value["max_frames"] else frames

    def _run(self) -> None:
        try:
            self._release_all()
            self._ended = self._ended or "the source has ended"
        except Exception as error:  # noqa: BLE001 - a thread's end must not go unnoticed
            self.guard.failed("camera", error)
            self._ended = self.guard.last_error
        self.get_logger().info(f"{self._ended} after {self._released} frames")

    def _release_all(self) -> None:
        rng = np.random.default_rng([self.parameters["seed"], 1])
        self._wait_for_subscribers()
        period_s = 1.0 / self.parameters["rate_hz"]
        jitter_s = self.parameters["jitter_ms"] / 1e3
        due_s = time.monotonic() + period_s
        for frame in self._frames:
            release = self._prepare(frame)
            while not self.parameters["streaming"] and not self.stopping.wait(_HOLD_S):
                due_s = time.monotonic()
            if self.stopping.wait(max(0.0, due_s + rng.uniform(-jitter_s, jitter_s) - time.monotonic())):
                self._ended = "stopped"
                return
            self._publish(release)
            due_s += period_s
            if time.monotonic() > due_s + period_s:
                self._late += 1
                due_s = time.monotonic()

    def _wait_for_subscribers(self) -> None:
        wanted = self.parameters["wait_for_subscribers"]
        images = [publisher for publisher in (self._raw, self._jpeg) if publisher is not None]
        while sum(p.get_subscription_count() for p in images) < wanted and not self.stopping.wait(0.02):
            pass

    def _prepare(self, frame: Frame) -> _Release:
        rgb, label = frame
        header = Header(frame_id=self.parameters["frame_id"])
        publications: list[tuple[Any, Any]] = []
        if label:
            truth = GroundTruth(header=header, application=self.parameters["application"], label=label)
            publications.append((self._labels, truth))
        if self._raw is not None:
            publications.append((self._raw, self._raw_message(rgb, header)))
        if self._jpeg is not None:
            publications.append((self._jpeg, self._jpeg_message(rgb, header)))
        return _Release(header, publications)

    def _raw_message(self, rgb: Any, header: Header) -> Image:
        encoding = self.parameters["encoding"]
        if encoding == "bgr8":
            rgb = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        elif encoding == "mono8":
            rgb = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[:, :, np.newaxis]
        return image_message(rgb, encoding, header)

    def _jpeg_message(self, rgb: Any, header: Header) -> CompressedImage:
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        _done, encoded = cv2.imencode(
            ".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self.parameters["jpeg_quality"]]
        )
        data = array("B")
        data.frombytes(encoded.tobytes())
        return CompressedImage(header=header, format="rgb8; jpeg compressed bgr8", data=data)

    def _publish(self, release: _Release) -> None:
        release.header.stamp = self.get_clock().now().to_msg()
        for publisher, message in release.publications:
            publisher.publish(message)
        self._released += 1

    def _health(self) -> Health:
        values: dict[str, object] = {"frames": self._released, "late_frames": self._late}
        if self._ended:
            return Health(WARN, self._ended, values)
        return Health(OK, "releasing frames", values)

    def close(self) -> None:
        """Stop releasing frames."""
        self.stopping.set()
        self._thread.join(timeout=2.0)


def main(argv: Sequence[str] | None = None) -> int:
    """Process entry."""
    return run(CameraNode, argv)


if __name__ == "__main__":
    raise SystemExit(main())
