"""Start ``panoptic_depth``; on request with a bag to play and with RViz.

ros2 launch depth_perception panoptic.launch.py image:=/camera/image_raw
ros2 launch depth_perception panoptic.launch.py model:=panopticdepth-r50 bag:=my_bag rviz:=true
"""

from launch import LaunchDescription

from depth_perception.ros.launching import depth_launch


def generate_launch_description() -> LaunchDescription:
    return depth_launch(
        executable="panoptic_depth",
        stem="panoptic",
        inputs={
            "image": "Topic of the image, raw or rectified.",
            "camera_info": "Topic of its CameraInfo; empty: camera_info beside the image.",
        },
    )
