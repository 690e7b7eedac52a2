"""Publishers of one perception node; pictures and text only while someone listens."""

from __future__ import annotations

from typing import Any

from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

import dynofa_ros.msg as messages
from dynofa_ros.engine.pipeline import FrameResult
from dynofa_ros.nodes.annotate import draw, markers, pixels_of
from dynofa_ros.nodes.conversions import fill, image_message

try:
    from vision_msgs.msg import Classification as VisionClassification
    from vision_msgs.msg import LabelInfo, ObjectHypothesis, VisionClass
except ImportError:
    VisionClassification = None

LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


class PerceptionOutput:
    """Creates the result publishers of `node` and sends each result where it is wanted."""

    def __init__(self, node: Any, labels: tuple[str, ...]) -> None:
        self._node = node
        self._own = node.create_publisher(messages.Classification, "~/classification", 10)
        self._annotated = node.create_publisher(Image, "~/annotated_image", 2)
        self._markers = node.create_publisher(MarkerArray, "~/markers", 2)
        self._vision = self._label_info = None
        if VisionClassification is not None:
            self._vision = node.create_publisher(VisionClassification, "~/vision/classification", 10)
            self._label_info = node.create_publisher(LabelInfo, "~/vision/label_info", LATCHED)
            classes = [VisionClass(class_id=i, class_name=label) for i, label in enumerate(labels)]
            self._label_info.publish(LabelInfo(class_map=classes))

    @property
    def watched(self) -> bool:
        """Whether anybody subscribes to any result."""
        return any(publisher.get_subscription_count() > 0 for publisher in self._publishers())

    def publish(self, result: FrameResult, image: Any) -> None:
        """Send one result; `image` is the message it came from, whose header every output carries.

        Raises:
            InvalidImage: the image cannot be drawn on (the result itself has been sent).
        """
        self._own.publish(fill(messages.Classification(), result, header=image.header))
        if self._vision is not None and self._vision.get_subscription_count() > 0:
            self._vision.publish(self._vision_message(result, image.header))
        if self._markers.get_subscription_count() > 0:
            self._markers.publish(markers(result, image.header))
        if self._annotated.get_subscription_count() > 0:
            self._annotated.publish(image_message(draw(pixels_of(image), result), "rgb8", image.header))

    @staticmethod
    def _vision_message(result: FrameResult, header: Any) -> Any:
        scores = [ObjectHypothesis(class_id=item.id, score=float(item.score)) for item in result.results]
        return VisionClassification(header=header, results=scores)

    def _publishers(self) -> list[Any]:
        return [p for p in (self._own, self._annotated, self._markers, self._vision) if p is not None]

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (*self._publishers(), self._label_info):
            if publisher is not None:
                self._node.destroy_publisher(publisher)
