"""Frames that the nodes derive from the frame of the camera."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, TransformStamped
from torch import Tensor

_OPTICAL_SUFFIXES = ("_optical_frame", "_optical", "_frame")


def derived_frame(camera_frame: str, name: str) -> str:
    """``head_optical_frame`` and "scan" make ``head_scan_frame``."""
    for suffix in _OPTICAL_SUFFIXES:
        if camera_frame.endswith(suffix) and camera_frame != suffix:
            return f"{camera_frame[: -len(suffix)]}_{name}_frame"
    return f"{camera_frame}_{name}_frame" if camera_frame else f"{name}_frame"


def body_from_optical() -> Quaternion:
    """Orientation of a frame with x forward, y left, z up in the optical frame (REP-103)."""
    return Quaternion(x=0.5, y=-0.5, z=0.5, w=0.5)


def quaternion(rotation: Tensor) -> Quaternion:
    """Unit quaternion of a (3, 3) rotation matrix, by its largest component (Shepperd 1978)."""
    m = rotation.double().tolist()
    trace = m[0][0] + m[1][1] + m[2][2]
    squares = [1 + 2 * m[k][k] - trace for k in range(3)] + [1 + trace]
    largest = max(range(4), key=squares.__getitem__)
    scale = 0.5 / squares[largest] ** 0.5
    if largest == 3:
        xyz = [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]]
        return Quaternion(x=xyz[0] * scale, y=xyz[1] * scale, z=xyz[2] * scale, w=0.25 / scale)
    i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
    parts = [0.0, 0.0, 0.0]
    parts[i] = 0.25 / scale
    parts[j] = (m[j][i] + m[i][j]) * scale
    parts[k] = (m[k][i] + m[i][k]) * scale
    return Quaternion(x=parts[0], y=parts[1], z=parts[2], w=(m[k][j] - m[j][k]) * scale)


def static_transform(parent: str, child: str, orientation: Quaternion) -> TransformStamped:
    """A rotation without translation from ``child`` to ``parent``."""
    transform = TransformStamped(child_frame_id=child)
    transform.header.frame_id = parent
    transform.header.stamp = Time()
    transform.transform.rotation = orientation
    return transform
