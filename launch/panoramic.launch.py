"""Start ``panoramic_depth``; on request with a bag to play and with RViz.

ros2 launch depth_perception panoramic.launch.py image:=/camera/image_raw
ros2 launch depth_perception panoramic.launch.py bag:=my_bag rviz:=true
"""

import os
import shutil

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

PACKAGE = "depth_perception"
# Given on the command line, these replace the value of the parameter file; empty leaves it.
OVERRIDES = ("model", "checkpoint", "device", "image_transport")
BOOLEANS = ("true", "false")


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *declare_arguments(),
            *tune_middleware(),
            OpaqueFunction(function=start_node),
            OpaqueFunction(function=play_bag),
            Node(
                condition=IfCondition(LaunchConfiguration("rviz")),
                package="rviz2",
                executable="rviz2",
                arguments=["-d", share("rviz", "panoramic.rviz")],
                parameters=[{"use_sim_time": flag("use_sim_time")}],
                namespace=LaunchConfiguration("namespace"),
                output="screen",
            ),
        ]
    )


def declare_arguments() -> list[DeclareLaunchArgument]:
    def argument(name: str, default: object, description: str, **options: object):
        return DeclareLaunchArgument(
            name, default_value=default, description=description, **options
        )

    return [
        argument("image", "image", "Topic of the panorama, equirectangular."),
        argument("image_transport", "", "raw or compressed; empty: from params_file."),
        argument("model", "", "Model, see `depth-perception models`; empty: from params_file."),
        argument("checkpoint", "", "File with the weights; empty: from params_file."),
        argument("device", "", "auto, cpu, cuda, cuda:1 ...; empty: from params_file."),
        argument("namespace", "", "Namespace of the node and of all its topics."),
        argument("params_file", share("config", "panoramic.yaml"), "Parameters of the node."),
        argument("autostart", "true", "Configure and activate at once.", choices=BOOLEANS),
        argument("use_sim_time", "false", "Take the time from /clock.", choices=BOOLEANS),
        argument("log_level", "info", "debug, info, warn, error or fatal."),
        argument("respawn", "false", "Start the node again when it ends.", choices=BOOLEANS),
        argument("bag", "", "Folder of a bag to play; empty: none."),
        argument("rviz", "false", "Start RViz.", choices=BOOLEANS),
        argument(
            "tune_dds",
            "true",
            "Settings of Fast DDS and of the allocator for messages of many megabytes, and threads"
            " that sleep while they wait.",
            choices=BOOLEANS,
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
        "OMP_WAIT_POLICY": "PASSIVE",  # beside other processes on few cores up to 20 times faster
    }
    return [
        SetEnvironmentVariable(name, value, condition=wanted)
        for name, value in variables.items()
        if name not in os.environ  # what the user has set stays
    ]


def start_node(context) -> list[Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
    overrides = {
        name: ParameterValue(value, value_type=str) for name, value in given.items() if value
    }
    return [
        Node(
            package=PACKAGE,
            executable="panoramic_depth",
            name="panoramic_depth",
            namespace=LaunchConfiguration("namespace"),
            parameters=[
                LaunchConfiguration("params_file"),
                {
                    "autostart": flag("autostart"),
                    "use_sim_time": flag("use_sim_time"),
                    **overrides,
                },
            ],
            remappings=[("image", LaunchConfiguration("image"))],
            ros_arguments=["--log-level", LaunchConfiguration("log_level")],
            respawn=LaunchConfiguration("respawn").perform(context) == "true",
            respawn_delay=2.0,
            output="screen",
        )
    ]


def play_bag(context) -> list[ExecuteProcess | Node]:
    """With rosbag2 where it is installed, else with the player of this package."""
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
    try:
        get_package_prefix("ros2bag")
    except PackageNotFoundError:
        return False
    return shutil.which("ros2") is not None


def share(*parts: str) -> PathJoinSubstitution:
    return PathJoinSubstitution([FindPackageShare(PACKAGE), *parts])


def flag(name: str) -> ParameterValue:
    return ParameterValue(LaunchConfiguration(name), value_type=bool)
