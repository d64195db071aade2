"""Frames derived from the frame of the camera, and CameraInfo of the published images."""

from __future__ import annotations

from geometry_msgs.msg import Quaternion, Transform, TransformStamped
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from torch import Tensor

from ...geometry import Equirectangular, Pinhole
from ...geometry.rotations import to_quaternion

_OPTICAL_SUFFIXES = ("_optical_frame", "_optical", "_frame")

# Orientation of a frame with x forward, y left, z up in the optical frame (REP-103).
UPRIGHT = Quaternion(x=0.5, y=-0.5, z=0.5, w=0.5)
_IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


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
    header, transform = Header(frame_id=parent), Transform(rotation=orientation)
    return TransformStamped(header=header, child_frame_id=child, transform=transform)


def info_message(header: Header, camera: Equirectangular | Pinhole) -> CameraInfo:
    """The CameraInfo of a camera. A pinhole is ideal: ``plumb_bob`` without distortion.

    A panorama has ``distortion_model`` "equirectangular" and K = 0, as ROS has no standard for it:
    K[0] = 0 means "uncalibrated", so that nodes for pinhole cameras do not misinterpret the image.
    ``d`` holds the borders of the view in radians: left and right longitude (0 forward, growing to
    the right), top and bottom latitude (0 on the horizon, growing downward).
    """
    facts = {"header": header, "height": camera.height, "width": camera.width, "r": _IDENTITY}
    if isinstance(camera, Pinhole):
        k = camera.to_k()
        p = [*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0]
        return CameraInfo(**facts, distortion_model="plumb_bob", d=[0.0] * 5, k=k, p=p)
    borders = [camera.longitude_min, camera.longitude_max, camera.latitude_min, camera.latitude_max]
    return CameraInfo(**facts, distortion_model="equirectangular", d=borders)
