"""Two cameras, two applications, one manager and one board.

ros2 launch dynofa_ros two_cameras.launch.py
"""

from __future__ import annotations

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration

from dynofa_ros.nodes.launching import ARGUMENTS, board, camera, dds_profile, manager, perception
from launch import LaunchContext, LaunchDescription

CAMERA_ARGUMENTS = (
    ("image_front", "front/image", "topic of the front camera's images"),
    ("image_rear", "rear/image", "topic of the rear camera's images"),
    ("image_transport", "", "raw or compressed; empty: as in params_file"),
    ("camera", "true", "true: also start two cameras that render digits"),
)


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    value = {
        name: LaunchConfiguration(name).perform(context) for name, _, _ in (*ARGUMENTS, *CAMERA_ARGUMENTS)
    }
    actions = [*dds_profile(value), board(value), manager(value)]
    for seed, application in enumerate(("front", "rear"), start=1):
        image = value[f"image_{application}"]
        actions.append(perception(value, f"perception_{application}", application, image))
        if value["camera"] == "true":
            actions.append(camera(value, f"camera_{application}", application, image, seed))
    return actions


def generate_launch_description() -> LaunchDescription:
    """Read by `ros2 launch`."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in (*CAMERA_ARGUMENTS, *ARGUMENTS)
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])
