"""A recorded camera through the nodes, with `ros2 bag play`.

ros2 launch dynofa_ros replay.launch.py bag:=PATH image:=/front/image

For a run that is the same every time, use `dynofa evaluate`: it reads the bag in lock step, without ROS.
"""

from __future__ import annotations

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration

from dynofa_ros.nodes.launching import ARGUMENTS, board, dds_profile, manager, perception
from launch import LaunchContext, LaunchDescription

REPLAY_ARGUMENTS = (
    ("bag", None, "rosbag2 folder or file to play"),
    ("image", "image", "image topic in the bag, without /compressed"),
    ("image_transport", "compressed", "raw or compressed, as in the bag"),
    ("application", "front", "name of the application"),
    ("rate", "1.0", "speed of the playback"),
    ("delay", "5.0", "seconds to wait for the nodes before the playback starts"),
)


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    names = [name for name, _, _ in (*ARGUMENTS, *REPLAY_ARGUMENTS)]
    value = {name: LaunchConfiguration(name).perform(context) for name in names}
    value["use_sim_time"] = "true"
    topic = value["image"] + ("/compressed" if value["image_transport"] == "compressed" else "")
    command = [
        "ros2",
        "bag",
        "play",
        value["bag"],
        "--clock",
        "--rate",
        value["rate"],
        "--delay",
        value["delay"],
    ]
    play = ExecuteProcess(cmd=[*command, "--topics", topic], output="screen")
    end = RegisterEventHandler(OnProcessExit(target_action=play, on_exit=[EmitEvent(event=Shutdown())]))
    nodes = [
        board(value),
        manager(value),
        perception(value, "perception", value["application"], value["image"]),
    ]
    return [*dds_profile(value), *nodes, end, play]


def generate_launch_description() -> LaunchDescription:
    """Read by `ros2 launch`."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in (*REPLAY_ARGUMENTS, *ARGUMENTS)
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])
