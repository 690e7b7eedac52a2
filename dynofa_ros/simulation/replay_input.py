"""What a bag holds for a replay: camera frames, their labels, and recorded targets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dynofa_ros.engine.compressed import CompressedFrame
from dynofa_ros.engine.image import ImageFrame
from dynofa_ros.engine.preprocess import Frame
from dynofa_ros.errors import ConfigError
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.simulation.bag import BagReader
from dynofa_ros.simulation.extract import stamp_ns

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
TRUTH = "dynofa_ros/msg/GroundTruth"
TARGET = "dynofa_ros/msg/QosTarget"


@dataclass(frozen=True)
class CameraFrame:
    """One recorded image, with its stamp (of recording where the header has none)."""

    stamp_ns: int
    frame: Frame


@dataclass
class BagContents:
    """What was found in the bag beside the images."""

    topic: str
    application: str  # of the labels on this camera; "" if none say so
    labels: dict[int, str] = field(default_factory=dict)  # by image stamp [ns]
    targets: list[tuple[int, QosTarget]] = field(default_factory=list)  # by rising time [ns]


def choose_topic(reader: BagReader, wanted: str | None) -> str:
    """Return the camera topic to replay: the wanted one, or the only one there is.

    Raises:
        ConfigError: there is none, or several and none was named; the message lists them.
    """
    cameras = [topic for topic, kind in reader.topics.items() if kind in (IMAGE, COMPRESSED)]
    listed = ", ".join(cameras) or "none"
    if wanted is not None:
        if wanted not in cameras:
            raise ConfigError(
                reader.path, "--topic", f"{wanted!r} is no camera topic of this bag; it has: {listed}"
            )
        return wanted
    if len(cameras) != 1:
        raise ConfigError(reader.path, "--topic", f"name one camera topic of this bag; it has: {listed}")
    return cameras[0]


def survey(reader: BagReader, topic: str, labels_topic: str | None) -> BagContents:
    """Read labels (of the named topic, else of any that labels this camera's stamps) and targets."""
    kinds = reader.topics
    if labels_topic is not None and kinds.get(labels_topic) != TRUTH:
        raise ConfigError(
            reader.path, "--labels", f"{labels_topic!r} is not a topic of type {TRUTH} in this bag"
        )
    stamps = frozenset(image_stamps(reader, topic))
    truths = [labels_topic] if labels_topic else [name for name, kind in kinds.items() if kind == TRUTH]
    contents = BagContents(topic, "")
    for item in reader.messages(truths):
        stamp = stamp_ns(item.message.header.stamp)
        if stamp in stamps:
            contents.labels[stamp] = item.message.label
            contents.application = contents.application or item.message.application
    for item in reader.messages([name for name, kind in kinds.items() if kind == TARGET]):
        contents.targets.append((_stamp_or(item.message.stamp, item.time_ns), _target(item.message)))
    contents.targets.sort(key=lambda pair: pair[0])
    return contents


def image_stamps(reader: BagReader, topic: str) -> list[int]:
    """Return the stamps of a camera topic's images [ns]."""
    return [_stamp_or(item.message.header.stamp, item.time_ns) for item in reader.messages([topic])]


def frames(reader: BagReader, topic: str) -> Iterator[CameraFrame]:
    """Yield the images of a topic by rising time of recording."""
    for item in reader.messages([topic]):
        message = item.message
        frame = _compressed(message) if item.type_name == COMPRESSED else _raw(message)
        yield CameraFrame(_stamp_or(message.header.stamp, item.time_ns), frame)


def _stamp_or(stamp: Any, otherwise_ns: int) -> int:
    return stamp_ns(stamp) or otherwise_ns


def _raw(message: Any) -> ImageFrame:
    return ImageFrame(
        width=int(message.width),
        height=int(message.height),
        encoding=str(message.encoding),
        step=int(message.step),
        is_bigendian=bool(message.is_bigendian),
        data=message.data,
    )


def _compressed(message: Any) -> CompressedFrame:
    return CompressedFrame(format=str(message.format), data=message.data)


def _target(message: Any) -> QosTarget:
    return QosTarget(
        application=str(message.application),
        latency_ms=float(message.latency_ms),
        percentile=float(message.percentile),
        min_accuracy=float(message.min_accuracy),
        max_power_w=float(message.max_power_w),
        objective=int(message.objective),
        priority=int(message.priority),
        lifetime_s=float(message.lifetime_s) or math.inf,
    )


def of_application(targets: Sequence[tuple[int, QosTarget]], name: str) -> list[tuple[int, QosTarget]]:
    """Return the targets that are meant for one application."""
    return [pair for pair in targets if pair[1].application == name]
