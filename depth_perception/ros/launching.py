"""What the launch files of the nodes share. Imports no model."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Callable, Mapping

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from .compat.large_messages import TUNE

PACKAGE = "depth_perception"
# Arguments that replace values of the parameter file, unless empty.
OVERRIDES = ("model", "checkpoint", "device", "image_transport")


def depth_launch(executable: str, stem: str, inputs: Mapping[str, str]) -> LaunchDescription:
    """Start a depth node, optionally with a bag to play and with RViz.

    Args:
        executable: of the node, which is also its name.
        stem: name of its files ``config/STEM.yaml`` and ``rviz/STEM.rviz``.
        inputs: topics that get an argument of their name, with its description. ``camera_info``
            is in the namespace of ``image`` if it is not given.
    """
    return LaunchDescription(
        [
            *declare_arguments(stem, inputs),
            *tune_middleware(),
            OpaqueFunction(function=start_node(executable, inputs)),
            OpaqueFunction(function=play_bag),
            Node(
                condition=IfCondition(LaunchConfiguration("rviz")),
                package="rviz2",
                executable="rviz2",
                arguments=["-d", share("rviz", f"{stem}.rviz")],
                parameters=[{"use_sim_time": flag("use_sim_time")}],
                namespace=LaunchConfiguration("namespace"),
                output="screen",
            ),
        ]
    )


def declare_arguments(stem: str, inputs: Mapping[str, str]) -> list[DeclareLaunchArgument]:
    """The arguments of ``ros2 launch``."""

    def argument(name: str, default: object, text: str, **options: object):
        return DeclareLaunchArgument(name, default_value=default, description=text, **options)

    switch = {"choices": ("true", "false")}
    return [
        *(argument(name, "image" * (name == "image"), text) for name, text in inputs.items()),
        argument("image_transport", "", "raw or compressed; empty: from params_file."),
        argument("model", "", "Model, see `depth-perception models`; empty: from params_file."),
        argument("checkpoint", "", "File with the weights; empty: from params_file."),
        argument("device", "", "auto, cpu, cuda, cuda:1 ...; empty: from params_file."),
        argument("namespace", "", "Namespace of the node and of all its topics."),
        argument("params_file", share("config", f"{stem}.yaml"), "Parameters of the node."),
        argument("autostart", "true", "Configure and activate the node at start.", **switch),
        argument("use_sim_time", "false", "Use the time of /clock.", **switch),
        argument("log_level", "info", "debug, info, warn, error or fatal."),
        argument("respawn", "false", "Restart the node when it ends.", **switch),
        argument("bag", "", "Folder of a bag to play; empty: none."),
        argument("rviz", "false", "Start RViz.", **switch),
        argument(
            "tune_dds",
            "true",
            "Settings of Fast DDS and of the allocator for messages of many megabytes, and idle "
            "threads that sleep.",
            **switch,
        ),
    ]


def tune_middleware() -> list[SetEnvironmentVariable]:
    """Shared memory for large messages, buffers that stay mapped, idle threads that do not spin."""
    wanted = IfCondition(LaunchConfiguration("tune_dds"))
    profiles = "FASTDDS_DEFAULT_PROFILES_FILE"
    if os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy"):
        profiles = "FASTRTPS_DEFAULT_PROFILES_FILE"
    variables = {
        profiles: share("config", "fastdds_large_data.xml"),
        "MALLOC_MMAP_THRESHOLD_": "4000000000",
        "MALLOC_TRIM_THRESHOLD_": "4000000000",
        "OMP_WAIT_POLICY": "PASSIVE",  # up to 20 times faster beside other processes on few cores
    }
    set_here = [
        SetEnvironmentVariable(name, value, condition=wanted)
        for name, value in variables.items()
        if name not in os.environ  # settings of the user stay
    ]
    unwanted = UnlessCondition(LaunchConfiguration("tune_dds"))  # the nodes do it themselves too
    return [*set_here, SetEnvironmentVariable(TUNE, "0", condition=unwanted)]


def start_node(executable: str, inputs: Mapping[str, str]) -> Callable[[LaunchContext], list[Node]]:
    """The node, with the given arguments."""

    def start(context: LaunchContext) -> list[Node]:
        given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
        given = {k: ParameterValue(value, value_type=str) for k, value in given.items() if value}
        flags = {name: flag(name) for name in ("autostart", "use_sim_time")}
        topics = {name: LaunchConfiguration(name).perform(context) for name in inputs}
        if not topics.get("camera_info", "given"):
            folder = posixpath.dirname(topics["image"])
            topics["camera_info"] = posixpath.join(folder, "camera_info")
        return [
            Node(
                package=PACKAGE,
                executable=executable,
                name=executable,
                namespace=LaunchConfiguration("namespace"),
                parameters=[LaunchConfiguration("params_file"), {**flags, **given}],
                remappings=list(topics.items()),
                ros_arguments=["--log-level", LaunchConfiguration("log_level")],
                respawn=LaunchConfiguration("respawn").perform(context) == "true",
                respawn_delay=2.0,
                output="screen",
            )
        ]

    return start


def play_bag(context: LaunchContext) -> list[ExecuteProcess | Node]:
    """Play a bag with rosbag2 if it is installed, else with the player of this package."""
    bag = LaunchConfiguration("bag").perform(context)
    if not bag:
        return []
    is_simulated = LaunchConfiguration("use_sim_time").perform(context) == "true"
    clock = ["--clock"] if is_simulated else []
    if has_rosbag2():
        command = ["ros2", "bag", "play", bag, *clock]
        return [ExecuteProcess(cmd=command, name="bag_player", output="screen")]
    return [
        Node(
            package=PACKAGE,
            executable="bag_player",
            arguments=[bag, *clock, "--wait", "60", "--wait-for", LaunchConfiguration("image")],
            output="screen",
        )
    ]


def has_rosbag2() -> bool:
    """Whether `ros2 bag` can be run."""
    try:
        get_package_prefix("ros2bag")
    except PackageNotFoundError:
        return False
    return shutil.which("ros2") is not None


def share(*parts: str) -> PathJoinSubstitution:
    """A path in the share folder of this package."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), *parts])


def flag(name: str) -> ParameterValue:
    """A true or false argument as a parameter."""
    return ParameterValue(LaunchConfiguration(name), value_type=bool)
