"""Recording and playing of bags without rosbag2."""
