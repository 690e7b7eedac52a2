"""What publishers of an image topic offer, what to request from them, and what to say when nothing comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy

AUTO = "auto"
RELIABLE = "reliable"
BEST_EFFORT = "best_effort"
RELIABILITIES = (AUTO, RELIABLE, BEST_EFFORT)
DEPTH = 5
"""Images that may wait in the middleware while the executor is busy with something else."""
_NAMELESS = "_NODE_NAME_UNKNOWN_"


@dataclass(frozen=True, order=True)
class Offer:
    """One publisher: full node name, message type, and whether it sends again what was lost."""

    node: str
    type_name: str
    reliable: bool

    def __str__(self) -> str:
        return f"{self.node} ({RELIABLE if self.reliable else BEST_EFFORT})"


def image_qos(reliability: str, depth: int = DEPTH) -> QoSProfile:
    """Volatile, keep-last profile. Never with a deadline: publishers that offer none would stop matching.

    Volatile matches every durability that is offered; of a transient-local publisher only new images come.
    """
    policy = QoSReliabilityPolicy.RELIABLE if reliability == RELIABLE else QoSReliabilityPolicy.BEST_EFFORT
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=policy,
        durability=QoSDurabilityPolicy.VOLATILE,
    )


def offers_of(node: Any, topic: str) -> tuple[Offer, ...]:
    """All publishers of `topic` that `node` knows now, in a fixed order."""
    return tuple(
        sorted(
            Offer(
                _full_name(info),
                info.topic_type,
                info.qos_profile.reliability == QoSReliabilityPolicy.RELIABLE,
            )
            for info in node.get_publishers_info_by_topic(topic)
        )
    )


def _full_name(info: Any) -> str:
    """Full node name; discovery may learn of a publisher before it learns its node's name."""
    if info.node_name == _NAMELESS:
        return "a node without a name yet"
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def matching_reliability(offers: Sequence[Offer], wanted: str) -> str:
    """What to request: `wanted`, or for "auto" reliable where every publisher offers it, else best effort."""
    if wanted != AUTO:
        return wanted
    return RELIABLE if offers and all(offer.reliable for offer in offers) else BEST_EFFORT


def unmatched(offers: Sequence[Offer], topic: str, type_name: str, requested: str, policies: str) -> str:
    """Why publishers of `topic` are not even heard; "" where nothing speaks against it.

    `policies`: names of the QoS policies that the middleware reported as incompatible, "" if none.
    """
    for offer in offers:
        if offer.type_name != type_name:
            return (
                f"{offer.node} publishes {offer.type_name} on {topic}, {type_name} is expected: "
                "set image_transport (raw or compressed) or remap image to another topic"
            )
    strict = requested == RELIABLE and [str(offer) for offer in offers if not offer.reliable]
    if strict or policies:
        who = ", ".join(strict or map(str, offers)) or "a publisher"
        return (
            f"{topic}: the QoS of {who} does not match the {requested} request "
            f"(policy {policies or 'RELIABILITY'}), its images will not arrive: "
            "set image_reliability to auto or best_effort"
        )
    return ""


def silent(offers: Sequence[Offer], topic: str, silent_s: float) -> str:
    """What to do when a matched publisher sends nothing that arrives."""
    return (
        f"{', '.join(map(str, offers))} offers {topic}, but no image has arrived for {silent_s:.0f} s: "
        "it sends none, or they get lost; large images need the DDS profile (Fast DDS: "
        "config/dds/fastdds.xml in FASTRTPS_DEFAULT_PROFILES_FILE) in the camera's process too, "
        "or a reliable or compressed camera topic, see docs/transport.md"
    )
