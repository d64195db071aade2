"""Start ``panoramic_depth``; on request with a bag to play and with RViz.

ros2 launch depth_perception panoramic.launch.py image:=/camera/image_raw
ros2 launch depth_perception panoramic.launch.py bag:=my_bag rviz:=true
"""

from launch import LaunchDescription

from depth_perception.ros.launching import depth_launch


def generate_launch_description() -> LaunchDescription:
    return depth_launch(
        executable="panoramic_depth",
        stem="panoramic",
        inputs={"image": "Topic of the panorama, equirectangular."},
    )
