"""Subscribes to the camera with the QoS its publisher offers, and tells the user when no image comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.qos import QoSPolicyKind
from sensor_msgs.msg import CompressedImage, Image

from dynofa_ros.nodes.handover import Handover
from dynofa_ros.nodes.image_offer import (
    AUTO,
    RELIABILITIES,
    Offer,
    image_qos,
    matching_reliability,
    offers_of,
    silent,
    unmatched,
)

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["RELIABILITIES", "TRANSPORTS", "ImageInput"]

TRANSPORTS = ("raw", "compressed")
_UNMATCHED_POLL_S = 0.2
_MATCHED_POLL_S = 1.0
_REMIND_S = 10.0
_TYPES = {Image: "sensor_msgs/msg/Image", CompressedImage: "sensor_msgs/msg/CompressedImage"}


class ImageInput:
    """One subscription to `image` or `image/compressed`, made anew when the publishers' QoS asks for it.

    The one before it goes on until the new one hears, so that no image is lost in between.
    """

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
        self._offers: tuple[Offer, ...] = ()
        self._policies: set[str] = set()
        self.lost_total = 0
        self._heard_s = time.monotonic()
        self._requested = matching_reliability((), reliability)
        self._subscription: Any = None
        self._former: Any = None
        self._handover: Handover | None = None
        self._number = 0
        self._subscribe()
        self._looked_s = self._told_s = -float("inf")
        self._timer = node.every(_UNMATCHED_POLL_S, self._look)

    @property
    def topic(self) -> str:
        """Resolved topic name."""
        return str(self._node.resolve_topic_name(self._name))

    @property
    def trouble(self) -> str:
        """Why no image comes, for people; "" while images come or nobody publishes any."""
        reason = self._unmatched()
        if reason:
            return reason
        silent_s = time.monotonic() - self._heard_s
        if not self._offers or silent_s < self._warn_after_s:
            return ""
        return silent(self._offers, self.topic, silent_s)

    def summary(self) -> str:
        """Topic, QoS and publishers in words."""
        source = ", ".join(map(str, self._offers)) or "nobody yet"
        lost = f"; {self.lost_total} images lost on the way" if self.lost_total else ""
        return f"{self.topic} ({self._requested}) from {source}{lost}"

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        self._end_handover()
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _unmatched(self) -> str:
        policies = ", ".join(sorted(self._policies))
        return unmatched(self._offers, self.topic, _TYPES[self._type], self._requested, policies)

    def _subscribe(self) -> None:
        self._end_handover()
        if self._subscription is not None:
            self._former, self._handover = self._subscription, Handover(time.monotonic())
        self._number += 1
        self._policies.clear()
        guard = self._node.guard
        events = SubscriptionEventCallbacks(
            incompatible_qos=guard(self._on_incompatible), message_lost=guard(self._on_lost)
        )
        self._subscription = self._node.create_subscription(
            self._type,
            self._name,
            guard(partial(self._receive, self._number)),
            image_qos(self._requested),
            event_callbacks=events,
        )

    def _end_handover(self) -> None:
        if self._former is not None:
            self._node.destroy_subscription(self._former)
        self._former = self._handover = None

    def _receive(self, subscription: int, message: Any) -> None:
        self._heard_s = time.monotonic()
        if self._handover is None or not self._handover.repeats(message, subscription == self._number):
            self._on_image(message)

    def _on_incompatible(self, event: Any) -> None:
        """The middleware found a publisher that cannot serve the request: say which policy, at once."""
        kind = event.last_policy_kind
        try:
            self._policies.add(QoSPolicyKind(kind).name)
        except ValueError:
            self._policies.add(str(kind))
        self._looked_s = -float("inf")
        self._look()

    def _on_lost(self, event: Any) -> None:
        """The middleware noticed gaps in a publisher's sequence numbers."""
        self.lost_total += event.total_count_change
        self._node.guard.warn(
            "lost",
            f"{event.total_count_change} images of {self.topic} lost on the way, {self.lost_total} in all",
        )

    def _look(self) -> None:
        now_s = time.monotonic()
        if self._handover is not None and self._handover.over(now_s):
            self._end_handover()
        if self._offers and now_s - self._looked_s < _MATCHED_POLL_S:
            return
        self._looked_s = now_s
        offers = offers_of(self._node, self.topic)
        if offers != self._offers:
            self._on_offers(offers)
        self._tell(now_s)

    def _tell(self, now_s: float) -> None:
        """Log trouble when it begins and now and then; /diagnostics shows it all the time."""
        trouble = self.trouble
        if not trouble:
            self._told_s = -float("inf")
        elif now_s - self._told_s >= _REMIND_S:
            self._told_s = now_s
            self._node.guard.warn("no image", trouble)

    def _on_offers(self, offers: tuple[Offer, ...]) -> None:
        if not self._offers:
            self._heard_s = time.monotonic()
        self._offers = offers
        self._policies.clear()
        requested = matching_reliability(offers, self._wanted)
        if offers and requested != self._requested:
            self._requested = requested
            self._subscribe()
        how = "as set" if self._wanted != AUTO else "follows the publisher"
        self._node.get_logger().info(f"images: {self.summary()}; reliability {how}")
