"""Perception for one camera, with manager and board.

ros2 launch dynofa_ros dynofa.launch.py image:=/camera/image_raw
"""

from __future__ import annotations

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration

from dynofa_ros.nodes.launching import ARGUMENTS, board, camera, dds_profile, manager, perception, rviz
from launch import LaunchContext, LaunchDescription

CAMERA_ARGUMENTS = (
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


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    value = {
        name: LaunchConfiguration(name).perform(context) for name, _, _ in (*ARGUMENTS, *CAMERA_ARGUMENTS)
    }
    actions = [*dds_profile(value), board(value), manager(value)]
    actions.append(perception(value, "perception", value["application"], value["image"]))
    if value["camera"] == "true":
        actions.append(camera(value, "camera", value["application"], value["image"], seed=1))
    if value["rviz"] == "true":
        actions.append(rviz(value))
    return actions


def generate_launch_description() -> LaunchDescription:
    """Read by `ros2 launch`."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in (*CAMERA_ARGUMENTS, *ARGUMENTS)
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])
