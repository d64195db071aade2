"""Start ``pinhole_depth``; on request with a bag to play and with RViz.

ros2 launch depth_perception pinhole.launch.py image:=/camera/image_raw
ros2 launch depth_perception pinhole.launch.py model:=ppd-large-moge bag:=my_bag rviz:=true
"""

from launch import LaunchDescription

from depth_perception.ros.launching import depth_launch


def generate_launch_description() -> LaunchDescription:
    return depth_launch(
        executable="pinhole_depth",
        stem="pinhole",
        inputs={
            "image": "Topic of the image, raw or rectified.",
            "camera_info": "Topic of its CameraInfo; empty: camera_info beside the image.",
        },
    )
