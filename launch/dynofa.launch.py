"""Perception for one camera, with manager and board.

ros2 launch dynofa_ros dynofa.launch.py image:=/camera/image_raw
"""

from __future__ import annotations

from launch.launch_description_entity import LaunchDescriptionEntity

from dynofa_ros.nodes.launching import board, camera, description, manager, perception, rviz
from launch import LaunchDescription

ARGUMENTS = (
    ("image", "image", "topic of the camera's images"),
    (
        "image_transport",
        "",
        "raw or compressed (then IMAGE/compressed is subscribed); empty: as in params_file",
    ),
    ("application", "front", "name of this application, for targets and decisions"),
    ("camera", "false", "true: also start a camera that renders digits, to try it without one"),
    ("rviz", "false", "true: also start rviz2 with the shipped configuration"),
)


def _start(value: dict[str, str]) -> list[LaunchDescriptionEntity]:
    nodes = [board(value), manager(value)]
    nodes.append(perception(value, "perception", value["application"], value["image"]))
    if value["camera"] == "true":
        nodes.append(camera(value, "camera", value["application"], value["image"], seed=1))
    if value["rviz"] == "true":
        nodes.append(rviz(value))
    return nodes


def generate_launch_description() -> LaunchDescription:
    """Read by `ros2 launch`."""
    return description(ARGUMENTS, _start)
