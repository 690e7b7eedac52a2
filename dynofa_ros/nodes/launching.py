"""What the launch files of this package share: arguments, and one function per node."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from dynofa_ros.dds_profile import profile_variables, shipped_profile
from dynofa_ros.paths import share_dir
from launch import LaunchContext, LaunchDescription

Argument = tuple[str, str | None, str]
"""Name, default (None: must be given) and description."""

SHARE = share_dir()
ARGUMENTS: tuple[Argument, ...] = (
    ("family", "", "family of sub-networks: a shipped one's name or a YAML file; empty: as in params_file"),
    ("random_weights", "", "true: run a family without its weights; empty: as in params_file"),
    ("board", "", "auto, linux, simulated:NAME or simulated:FILE; empty: as in params_file"),
    ("dry_run", "", "true: the manager only proposes, on proposed/...; empty: as in params_file"),
    ("params_file", str(SHARE / "config" / "dynofa.yaml"), "parameters of all nodes"),
    ("namespace", "", "namespace of all nodes and topics"),
    ("autostart", "true", "false: leave configure and activate to a lifecycle manager of your own"),
    (
        "dds_profile",
        str(shipped_profile()),
        "Fast DDS profile, where the environment names none; none: leave DDS as it is",
    ),
    ("use_sim_time", "false", "true: image stamps are compared with /clock"),
    ("log_level", "info", "debug, info, warn, error"),
)


def description(
    arguments: tuple[Argument, ...], start: Callable[[dict[str, str]], list[LaunchDescriptionEntity]]
) -> LaunchDescription:
    """What a launch file returns: its own arguments and the common ones, and what `start` makes of them.

    Everything that is started gets room for large images in shared memory, see `dds_profile`.
    """
    declared = (*arguments, *ARGUMENTS)

    def begin(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        value = {name: LaunchConfiguration(name).perform(context) for name, _, _ in declared}
        return [*dds_profile(value["dds_profile"]), *start(value)]

    actions = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, default, text in declared
    ]
    return LaunchDescription([*actions, OpaqueFunction(function=begin)])


def dds_profile(profile: str) -> list[SetEnvironmentVariable]:
    """Sets the Fast DDS profile, unless the user's environment names one.

    Raises:
        ConfigError: there is no such file.
    """
    return [
        SetEnvironmentVariable(name, file) for name, file in profile_variables(profile, os.environ).items()
    ]


def _node(value: dict[str, str], executable: str, name: str, overrides: dict[str, Any], **more: Any) -> Node:
    typed = {"use_sim_time": value["use_sim_time"] == "true", **overrides}
    return Node(
        package="dynofa_ros",
        executable=executable,
        name=name,
        namespace=value["namespace"],
        parameters=[value["params_file"], typed],
        arguments=["--ros-args", "--log-level", f"{name}:={value['log_level']}"],
        output="screen",
        emulate_tty=True,
        **more,
    )


def _given(value: dict[str, str], **kinds: type) -> dict[str, Any]:
    """Overrides for those arguments that are not empty."""
    given = {name: kind for name, kind in kinds.items() if value.get(name)}
    return {
        name: value[name] == "true" if kind is bool else _text(value[name]) for name, kind in given.items()
    }


def _text(value: str) -> ParameterValue:
    """A string parameter: launch would otherwise read "1" as a number."""
    return ParameterValue(value, value_type=str)


def perception(value: dict[str, str], name: str, application: str, image: str) -> Node:
    """One perception node on topic `image`."""
    overrides = _given(value, family=str, random_weights=bool, image_transport=str, autostart=bool)
    topics = [("image", image), ("image/compressed", f"{image}/compressed")]
    return _node(
        value, "perception_node", name, {"application": _text(application), **overrides}, remappings=topics
    )


def manager(value: dict[str, str]) -> Node:
    """The manager; it takes its models from the same board file as a simulated board."""
    overrides = _given(value, autostart=bool, dry_run=bool)
    if value["board"].startswith("simulated:"):
        overrides["board_model"] = _text(value["board"])
    return _node(value, "manager_node", "manager", overrides)


def board(value: dict[str, str]) -> Node:
    """The board."""
    return _node(value, "board_node", "board", _given(value, board=str))


def camera(value: dict[str, str], name: str, application: str, image: str, seed: int) -> Node:
    """A camera that renders digits."""
    overrides: dict[str, Any] = {"application": _text(application), "seed": seed}
    if value.get("image_transport") == "compressed":
        overrides["output"] = _text("compressed")
    topics = [("image", image), ("image/compressed", f"{image}/compressed"), ("labels", f"{name}/labels")]
    return _node(value, "camera_node", name, overrides, remappings=topics)


def rviz(value: dict[str, str]) -> Node:
    """rviz2 with the shipped displays."""
    configuration = str(SHARE / "config" / "rviz" / "dynofa.rviz")
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz2",
        namespace=value["namespace"],
        arguments=["-d", configuration],
        remappings=[("image", value["image"])],
        output="screen",
    )
