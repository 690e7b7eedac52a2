"""A recorded camera through the nodes, with `ros2 bag play`.

ros2 launch dynofa_ros replay.launch.py bag:=PATH image:=/front/image

For a run that is the same every time, use `dynofa evaluate`: it reads the bag in lock step, without ROS.
"""

from __future__ import annotations

from launch.actions import EmitEvent, ExecuteProcess, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_entity import LaunchDescriptionEntity

from dynofa_ros.nodes.launching import board, description, manager, perception
from launch import LaunchDescription

ARGUMENTS = (
    ("bag", None, "rosbag2 folder or file to play"),
    ("image", "image", "image topic in the bag, without /compressed"),
    ("image_transport", "compressed", "raw or compressed, as in the bag"),
    ("application", "front", "name of the application"),
    ("rate", "1.0", "speed of the playback"),
    ("delay", "5.0", "seconds to wait for the nodes before the playback starts"),
)


def _play(value: dict[str, str]) -> ExecuteProcess:
    topic = value["image"] + ("/compressed" if value["image_transport"] == "compressed" else "")
    options = ["--clock", "--rate", value["rate"], "--delay", value["delay"], "--topics", topic]
    return ExecuteProcess(cmd=["ros2", "bag", "play", value["bag"], *options], output="screen")


def _start(value: dict[str, str]) -> list[LaunchDescriptionEntity]:
    value["use_sim_time"] = "true"
    play = _play(value)
    end = RegisterEventHandler(OnProcessExit(target_action=play, on_exit=[EmitEvent(event=Shutdown())]))
    node = perception(value, "perception", value["application"], value["image"])
    return [board(value), manager(value), node, end, play]


def generate_launch_description() -> LaunchDescription:
    """Read by `ros2 launch`."""
    return description(ARGUMENTS, _start)
