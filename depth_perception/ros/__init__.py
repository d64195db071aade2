"""The ROS 2 side: nodes, codecs, quality of service. Nothing else in the package imports rclpy."""
