"""Messages of ``vision_msgs``, which is not on PyPI; None where it is not installed."""

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

__all__ = ["BoundingBox3D", "Detection3D", "Detection3DArray", "ObjectHypothesisWithPose"]
