"""Points of PointCloud2 and LaserScan messages, and transforms, from rclpy or from a bag."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..geometry.rotations import from_quaternion, rigid

_AXES = ("x", "y", "z")
_REAL_TYPES = {7: "f4", 8: "f8"}  # FLOAT32 and FLOAT64 of sensor_msgs/PointField
_LARGEST_TURN = 4 * math.pi


class RangeMessageError(ValueError):
    """A message is inconsistent or incomplete; the text names the invalid value."""


def cloud_points(message: Any) -> np.ndarray:
    """Points (N, 3) float32 of a sensor_msgs/PointCloud2, without those that are not finite.

    The fields x, y and z may lie at any offset, as float32 or float64 of either byte order, in
    rows with padding.

    Raises:
        RangeMessageError: a field is missing, duplicate, outside of a point or not a float, or the
            size of the data is wrong.
    """
    step, width, height = message.point_step, message.width, message.height
    types = _field_types(message)
    for name, (kind, offset) in types.items():
        if offset + np.dtype(kind).itemsize > step:
            raise RangeMessageError(
                f"field {name} at offset {offset} leaves the point of {step} bytes"
            )
    if width * height == 0:
        return np.empty((0, 3), np.float32)
    if message.row_step < width * step:
        raise RangeMessageError(
            f"row_step is {message.row_step}, less than {width} points of {step} bytes"
        )
    data = np.frombuffer(message.data, np.uint8)
    needed = (height - 1) * message.row_step + width * step
    if data.size < needed:
        raise RangeMessageError(
            f"data holds {data.size} bytes, but {height} rows of {width} points take {needed}"
        )
    points = np.empty((height, width, 3), np.float32)
    for axis, name in enumerate(_AXES):
        kind, offset = types[name]
        values = np.ndarray((height, width), kind, data, offset, (message.row_step, step))
        with np.errstate(over="ignore", invalid="ignore"):  # a float64 too large becomes infinite
            points[..., axis] = values
    points = points.reshape(-1, 3)
    return points[np.isfinite(points).all(1)]


def scan_points(message: Any) -> np.ndarray:
    """Points (N, 3) float32 of a sensor_msgs/LaserScan in its plane z = 0.

    Ranges outside of ``range_min`` to ``range_max`` and those that are not finite are left out.

    Raises:
        RangeMessageError: angles or limits are not finite or inconsistent, or the increment
            exceeds two turns.
    """
    start, increment = message.angle_min, message.angle_increment
    low, high = message.range_min, message.range_max
    ranges = np.asarray(message.ranges, np.float32)
    if not (math.isfinite(start) and math.isfinite(increment)):
        raise RangeMessageError(
            f"angle_min and angle_increment must be finite, got {start} and {increment}"
        )
    if not 0 <= low < high:
        raise RangeMessageError(
            f"range_min must not be negative and less than range_max, got {low} and {high}"
        )
    if ranges.size > 1 and (increment == 0 or abs(increment) * ranges.size > _LARGEST_TURN):
        raise RangeMessageError(
            f"angle_increment {increment} rad does not fit {ranges.size} ranges of one turn"
        )
    usable = np.isfinite(ranges) & (ranges >= low) & (ranges <= high)
    angles = start + increment * np.flatnonzero(usable)
    seen = ranges[usable].astype(np.float64)
    points = np.stack((seen * np.cos(angles), seen * np.sin(angles), np.zeros_like(seen)), -1)
    return points.astype(np.float32)


def transform_matrix(transform: Any) -> Tensor:
    """(4, 4) float64 of a geometry_msgs/Transform.

    Raises:
        ValueError: its quaternion is not a rotation.
    """
    moved, turned = transform.translation, transform.rotation
    quaternion = torch.tensor((turned.x, turned.y, turned.z, turned.w), dtype=torch.float64)
    return rigid((moved.x, moved.y, moved.z), from_quaternion(quaternion))


def _field_types(message: Any) -> dict[str, tuple[str, int]]:
    """NumPy type and offset of x, y and z."""
    order = ">" if message.is_bigendian else "<"
    found: dict[str, tuple[str, int]] = {}
    for field in message.fields:
        if field.name not in _AXES:
            continue
        if field.name in found:
            raise RangeMessageError(f"field {field.name} occurs twice")
        if field.datatype not in _REAL_TYPES or field.count not in (0, 1):
            raise RangeMessageError(
                f"field {field.name} must be one FLOAT32 or FLOAT64, got datatype "
                f"{field.datatype} with count {field.count}"
            )
        found[field.name] = order + _REAL_TYPES[field.datatype], field.offset
    missing = [name for name in _AXES if name not in found]
    if missing:
        names = ", ".join(field.name for field in message.fields) or "none at all"
        raise RangeMessageError(f"no field {' nor '.join(missing)}; the fields are: {names}")
    return found
