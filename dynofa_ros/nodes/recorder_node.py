"""Records topics as they are (serialised) into an MCAP bag; raw camera images become JPEG."""

from __future__ import annotations

import importlib
import re
import threading
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from dynofa_ros.engine.image import to_rgb, validate
from dynofa_ros.errors import ConfigError, InvalidImage
from dynofa_ros.nodes.conversions import image_frame
from dynofa_ros.nodes.diagnostics import OK, WARN, Diagnostics, Health
from dynofa_ros.nodes.guard import Guard
from dynofa_ros.nodes.parameters import Declared, Parameters
from dynofa_ros.nodes.runtime import run
from dynofa_ros.simulation.bag import BagWriter

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
DIAGNOSTICS = "/diagnostics"
DISCOVERY_S = 0.5

PARAMETERS = (
    Declared("path", "bag", "Folder of the bag to write; must not exist yet."),
    Declared(
        "topics",
        "",
        'Topics to record from the start, "NAME TYPE, ..."; latched ones as "NAME TYPE latched".',
    ),
    Declared("discover", True, "Also record every other topic that appears and matches `include`."),
    Declared("include", ".*", "Regular expression over full topic names, for discovered topics."),
    Declared("exclude", "/parameter_events|/rosout", "Discovered topics that match this are left out."),
    Declared("jpeg_quality", 85, "Quality of camera images that are only published raw.", 1, 100),
)


def message_class(type_name: str) -> type[Any]:
    """Class of "package/msg/Name".

    Raises:
        ConfigError: the package is not installed or has no such message.
    """
    package, _, name = type_name.partition("/msg/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError("topics", type_name, f"no such message type here: {error}") from error


class RecorderNode(Node):
    """Subscribes serialised messages and writes them with the time of receipt."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__("recorder")
        self.guard = Guard(self)
        self.stopping = stopping
        self.parameters = Parameters(self, PARAMETERS)
        self._include = _pattern("include", self.parameters["include"])
        self._exclude = _pattern("exclude", self.parameters["exclude"])
        self._bag = BagWriter(Path(self.parameters["path"]).expanduser())
        self._known: set[str] = set()
        self._recorded = 0
        self._heard: set[str] = set()
        for name, type_name, latched in self._expected():
            self._record(name, type_name, latched=latched, reliable=type_name not in (IMAGE, COMPRESSED))
        self.diagnostics = Diagnostics(self, self._health, self.guard)
        if self.parameters["discover"]:
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self.create_timer(DISCOVERY_S, self.guard(self._discover), clock=steady)

    def _expected(self) -> list[tuple[str, str, bool]]:
        expected = []
        for entry in filter(None, (part.strip() for part in self.parameters["topics"].split(","))):
            words = entry.split()
            if len(words) not in (2, 3) or words[2:] not in ([], ["latched"]):
                raise ConfigError("recorder", "topics", f"{entry!r} is not NAME TYPE or NAME TYPE latched")
            expected.append((self.resolve_topic_name(words[0]), words[1], len(words) == 3))
        return expected

    def _discover(self) -> None:
        """Subscribe to what has appeared since the last look."""
        found = {name: types[0] for name, types in self.get_topic_names_and_types() if len(types) == 1}
        for name, type_name in sorted(found.items()):
            unwanted = self._exclude.fullmatch(name) or not self._include.fullmatch(name)
            if name in self._known or unwanted:
                continue
            offers = self.get_publishers_info_by_topic(name)
            if not offers:
                continue
            jpeg_name = f"{name}/compressed"
            if type_name == IMAGE and (jpeg_name in found or jpeg_name in self._known):
                self._known.add(name)
                continue
            profiles = [offer.qos_profile for offer in offers]
            reliable = all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles)
            latched = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles)
            self._record(name, type_name, latched=latched, reliable=reliable)

    def _record(self, name: str, type_name: str, *, latched: bool, reliable: bool) -> None:
        self._known.add(name)
        qos = QoSProfile(
            depth=200 if type_name not in (IMAGE, COMPRESSED) else 10,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        try:
            kind = message_class(type_name)
            as_jpeg = type_name == IMAGE
            bag_name = f"{name}/compressed" if as_jpeg else name
            self._bag.add_topic(bag_name, COMPRESSED if as_jpeg else type_name, reliable, latched)
        except ConfigError as error:
            self.get_logger().warning(f"not recorded: {name}: {error}")
            return

        def raw(data: bytes) -> None:
            self._write(bag_name, data)
            if name == DIAGNOSTICS:
                self._heard.update(s.name for s in deserialize_message(data, DiagnosticArray).status)

        def image(message: Image) -> None:
            self._write(bag_name, serialize_message(self._jpeg(message)))

        self.create_subscription(kind, name, self.guard(image if as_jpeg else raw), qos, raw=not as_jpeg)

    def _write(self, name: str, data: bytes) -> None:
        self._bag.write_raw(name, self.get_clock().now().nanoseconds, data)
        self._recorded += 1

    def _jpeg(self, message: Image) -> CompressedImage:
        frame = image_frame(message)
        validate(frame)
        bgr = cv2.cvtColor(to_rgb(frame), cv2.COLOR_RGB2BGR)
        quality = self.parameters["jpeg_quality"]
        done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise InvalidImage("encoding_failed", f"cannot encode {message.width}x{message.height} as JPEG")
        data = array("B")
        data.frombytes(encoded.tobytes())
        return CompressedImage(header=message.header, format="rgb8; jpeg compressed bgr8", data=data)

    def _health(self) -> Health:
        values: dict[str, object] = {
            "topics": len(self._known),
            "messages": self._recorded,
            "heard": ", ".join(sorted(self._heard)),  # nodes whose diagnostics have arrived here
            "errors": self.guard.errors_total,
        }
        if self.guard.errors_total:
            return Health(WARN, self.guard.last_error, values)
        return Health(OK, "recording", values)

    def close(self) -> None:
        """Write the index, so that the bag can be read."""
        self._bag.close()
        self.get_logger().info(f"{self._recorded} messages of {len(self._known)} topics recorded")


def _pattern(field: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError("recorder", field, f"{text!r} is not a regular expression: {error}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Process entry."""
    return run(RecorderNode, argv)


if __name__ == "__main__":
    raise SystemExit(main())
