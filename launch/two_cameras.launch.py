"""Two cameras, two applications, one manager and one board.

ros2 launch dynofa_ros two_cameras.launch.py
"""

from __future__ import annotations

from launch.launch_description_entity import LaunchDescriptionEntity

from dynofa_ros.nodes.launching import board, camera, description, manager, perception
from launch import LaunchDescription

ARGUMENTS = (
    ("image_front", "front/image", "topic of the front camera's images"),
    ("image_rear", "rear/image", "topic of the rear camera's images"),
    ("image_transport", "", "raw or compressed; empty: as in params_file"),
    ("camera", "true", "true: also start two cameras that render digits"),
)


def _start(value: dict[str, str]) -> list[LaunchDescriptionEntity]:
    nodes = [board(value), manager(value)]
    for seed, application in enumerate(("front", "rear"), start=1):
        image = value[f"image_{application}"]
        nodes.append(perception(value, f"perception_{application}", application, image))
        if value["camera"] == "true":
            nodes.append(camera(value, f"camera_{application}", application, image, seed))
    return nodes


def generate_launch_description() -> LaunchDescription:
    """Read by `ros2 launch`."""
    return description(ARGUMENTS, _start)
