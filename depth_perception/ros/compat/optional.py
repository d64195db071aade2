"""Names that not every installation has.

Messages of ``vision_msgs``, which is not on PyPI, are None where it is not installed. Callbacks for
events of publishers and subscriptions are in ``qos_event`` on Humble, which was renamed later.
"""

# ruff: noqa: F401
from __future__ import annotations

try:
    from vision_msgs.msg import (
        BoundingBox3D,
        Detection3D,
        Detection3DArray,
        ObjectHypothesisWithPose,
    )
except ImportError:
    BoundingBox3D = Detection3D = Detection3DArray = ObjectHypothesisWithPose = None
try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks
