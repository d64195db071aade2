"""Frames derived from the frame of the camera."""

from __future__ import annotations

from geometry_msgs.msg import Quaternion, TransformStamped
from torch import Tensor

from ...geometry.rotations import to_quaternion

_OPTICAL_SUFFIXES = ("_optical_frame", "_optical", "_frame")

# Orientation of a frame with x forward, y left, z up in the optical frame (REP-103).
UPRIGHT = Quaternion(x=0.5, y=-0.5, z=0.5, w=0.5)


def derived_frame(camera_frame: str, name: str) -> str:
    """``head_optical_frame`` and "scan" make ``head_scan_frame``."""
    for suffix in _OPTICAL_SUFFIXES:
        if camera_frame.endswith(suffix) and camera_frame != suffix:
            return f"{camera_frame[: -len(suffix)]}_{name}_frame"
    return f"{camera_frame}_{name}_frame" if camera_frame else f"{name}_frame"


def derived_optical_frame(camera_frame: str, name: str) -> str:
    """``head_optical_frame`` and "front" make ``head_front_optical_frame``."""
    return derived_frame(camera_frame, f"{name}_optical")


def rotation_message(rotation: Tensor) -> Quaternion:
    """A (3, 3) rotation matrix as a quaternion."""
    x, y, z, w = to_quaternion(rotation.double()).tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


def static_transform(parent: str, child: str, orientation: Quaternion) -> TransformStamped:
    """A transform to ``child``, with the origin of ``parent`` and this orientation in it."""
    transform = TransformStamped(child_frame_id=child)
    transform.header.frame_id = parent
    transform.transform.rotation = orientation
    return transform
