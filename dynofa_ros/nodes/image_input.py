"""Subscribes to the camera with the QoS its publisher offers, and tells the user when no image comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

RELIABLE = "reliable"
BEST_EFFORT = "best_effort"
RELIABILITIES = ("auto", RELIABLE, BEST_EFFORT)
TRANSPORTS = ("raw", "compressed")
_UNMATCHED_POLL_S = 0.2
_MATCHED_POLL_S = 1.0


def image_qos(reliability: str, depth: int) -> QoSProfile:
    """Volatile, keep-last profile. Never with a deadline: publishers that offer none would stop matching."""
    policy = QoSReliabilityPolicy.RELIABLE if reliability == RELIABLE else QoSReliabilityPolicy.BEST_EFFORT
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=policy,
        durability=QoSDurabilityPolicy.VOLATILE,
    )


def matching_reliability(offered: list[QoSReliabilityPolicy], wanted: str) -> str:
    """What to request: `wanted`, or for "auto" reliable where every publisher offers it, else best effort."""
    if wanted != "auto":
        return wanted
    reliable = bool(offered) and all(policy == QoSReliabilityPolicy.RELIABLE for policy in offered)
    return RELIABLE if reliable else BEST_EFFORT


@dataclass
class _Arrivals:
    count: int = 0
    last_s: float = 0.0


class ImageInput:
    """One subscription to `image` or `image/compressed`, made anew when the publishers' QoS asks for it."""

    def __init__(
        self,
        node: Any,
        on_image: Callable[[Any], None],
        *,
        transport: str,
        reliability: str,
        warn_after_s: float,
    ) -> None:
        self._node = node
        self._on_image = on_image
        self._type = CompressedImage if transport == "compressed" else Image
        self._name = "image/compressed" if transport == "compressed" else "image"
        self._wanted = reliability
        self._warn_after_s = warn_after_s
        self._arrivals = _Arrivals()
        self._publishers: list[str] = []
        self._silent_since_s = time.monotonic()
        self._requested = matching_reliability([], reliability)
        self._subscription: Any = None
        self._subscribe()
        self._looked_s = -float("inf")
        self._timer = node.every(_UNMATCHED_POLL_S, self._look)

    @property
    def topic(self) -> str:
        """Resolved topic name."""
        return str(self._node.resolve_topic_name(self._name))

    @property
    def trouble(self) -> str:
        """Why no image comes, for people; "" while images come or nobody publishes any."""
        if not self._publishers or self._silent_s() < self._warn_after_s:
            return ""
        return (
            f"{', '.join(self._publishers)} publishes {self.topic}, but no image has arrived for "
            f"{self._silent_s():.0f} s: large images need the Fast DDS profile config/dds/fastdds.xml "
            "(FASTRTPS_DEFAULT_PROFILES_FILE) in the camera's process too; or set image_reliability, or use "
            "image_transport:=compressed"
        )

    def summary(self) -> str:
        """Topic, QoS and publishers in words."""
        source = ", ".join(self._publishers) or "nobody yet"
        return f"{self.topic} ({self._requested}) from {source}"

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _subscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        qos = image_qos(self._requested, depth=5)
        self._subscription = self._node.create_subscription(
            self._type, self._name, self._node.guard(self._receive), qos
        )

    def _receive(self, message: Any) -> None:
        self._arrivals.count += 1
        self._arrivals.last_s = time.monotonic()
        self._on_image(message)

    def _silent_s(self) -> float:
        return time.monotonic() - max(self._arrivals.last_s, self._silent_since_s)

    def _look(self) -> None:
        now_s = time.monotonic()
        if self._publishers and now_s - self._looked_s < _MATCHED_POLL_S:
            return
        self._looked_s = now_s
        infos = self._node.get_publishers_info_by_topic(self.topic)
        names = sorted(f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos)
        if names != self._publishers:
            self._on_publishers(names, [info.qos_profile.reliability for info in infos])
        if self.trouble:
            self._node.guard.warn("no image", self.trouble)

    def _on_publishers(self, names: list[str], offered: list[QoSReliabilityPolicy]) -> None:
        if not self._publishers:
            self._silent_since_s = time.monotonic()
        self._publishers = names
        requested = matching_reliability(offered, self._wanted)
        if names and requested != self._requested:
            self._requested = requested
            self._subscribe()
        how = "as set" if self._wanted != "auto" else "follows the publisher"
        self._node.get_logger().info(f"images: {self.summary()}; reliability {how}")
        if self._wanted == RELIABLE and QoSReliabilityPolicy.BEST_EFFORT in offered:
            self._node.get_logger().warning(
                f"image_reliability is reliable, but a publisher of {self.topic} offers best effort: "
                "its images will not arrive; set image_reliability to auto"
            )
