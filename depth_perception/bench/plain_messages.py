"""Messages as common programs make them: NumPy and OpenCV, new arrays for every image.

What programs around cv_bridge and sensor_msgs_py.point_cloud2 do, written from their behaviour:
every conversion copies, rays are computed for each frame in float64, records are structured
arrays. Bytes in, bytes out, so that it needs no ROS.
"""

from __future__ import annotations

import struct
from array import array

import cv2
import numpy as np
from numpy.lib.recfunctions import unstructured_to_structured

from ..geometry import Equirectangular, edge_reach

_RECORD = np.dtype([(name, np.float32) for name in ("x", "y", "z", "rgb")])


def plain_pixels(height: int, width: int, data: array) -> np.ndarray:
    """RGB (H, W, 3) of an ``rgb8`` message: to BGR, as is usually asked for, and back."""
    pixels = np.ndarray((height, width, 3), np.uint8, bytes(data))
    return cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), cv2.COLOR_BGR2RGB)


def plain_depth(depth_m: np.ndarray, valid: np.ndarray) -> array:
    """The data of a 32FC1 message of depth (H, W)."""
    data = array("B")
    data.frombytes(np.where(valid, depth_m, np.nan).astype(np.float32).tobytes())
    return data


def plain_points(depth_m: np.ndarray) -> np.ndarray:
    """Points (H, W, 3) float32 of the ranges of a full panorama, x right, y down, z forward."""
    height, width = depth_m.shape
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    longitude = (u / width - 0.5) * 2 * np.pi
    latitude = (v / height - 0.5) * np.pi
    x = depth_m * np.cos(latitude) * np.sin(longitude)
    y = depth_m * np.sin(latitude)
    z = depth_m * np.cos(latitude) * np.cos(longitude)
    return np.stack((x, y, z), axis=-1).astype(np.float32)


def plain_edges(depth_m: np.ndarray, threshold: float) -> np.ndarray:
    """Pixels (H, W) at a jump of the depth of a full panorama, see
    :func:`~depth_perception.geometry.edge_mask`: whole arrays, one step after the other."""
    reach = edge_reach(Equirectangular(*depth_m.shape))
    around = cv2.copyMakeBorder(depth_m, 0, 0, reach, reach, cv2.BORDER_WRAP)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    inner = slice(reach, -reach)
    farthest = cv2.dilate(around, kernel)[:, inner]
    nearest = cv2.erode(around, kernel)[:, inner]
    ratio = 1 + threshold
    jump = (farthest > ratio * depth_m) | (depth_m > ratio * nearest)
    inverse = 1 / depth_m
    around = cv2.copyMakeBorder(inverse, 0, 0, reach, reach, cv2.BORDER_WRAP)
    around = cv2.copyMakeBorder(around, reach, reach, 0, 0, cv2.BORDER_REPLICATE)
    bent = np.zeros_like(jump)
    height, width = depth_m.shape
    for down, right in ((0, reach), (reach, 0), (reach, reach), (reach, -reach)):
        one, other = (
            around[reach + v : reach + v + height, reach + u : reach + u + width]
            for v, u in ((down, right), (-down, -right))
        )
        largest = np.maximum(np.maximum(one, other), inverse)
        bent |= np.abs(one + other - 2 * inverse) > (1 - 1 / ratio) * largest
    bent = cv2.copyMakeBorder((bent & jump).astype(np.uint8), 0, 0, reach, reach, cv2.BORDER_WRAP)
    return jump & (cv2.dilate(bent, kernel)[:, inner] > 0)


def plain_cloud(
    pixels: np.ndarray,
    depth_m: np.ndarray,
    valid: np.ndarray,
    edge_threshold: float,
    limits_m: tuple[float, float],
    *,
    by_point: bool = False,
) -> array:
    """The data of a dense cloud with colours.

    Args:
        pixels: (H, W, 3) uint8 RGB, resized to the depth.
        depth_m: (h, w) float32 along the rays of a full panorama.
        valid: (h, w) bool.
        edge_threshold: relative jump at which points are left out.
        limits_m: least and largest distance.
        by_point: pack point by point with :mod:`struct`, as older programs do.
    """
    height, width = depth_m.shape
    colours = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    points = plain_points(depth_m)
    distance = np.linalg.norm(points, axis=-1)
    keep = valid & np.isfinite(distance) & ~plain_edges(depth_m, edge_threshold)
    keep &= (distance >= limits_m[0]) & (distance <= limits_m[1])
    red, green, blue = (colours[..., k].astype(np.uint32) for k in range(3))
    packed = ((red << 16) | (green << 8) | blue)[keep]
    data = array("B")
    if by_point:
        for (x, y, z), rgb in zip(points[keep].tolist(), packed.tolist(), strict=True):
            data.frombytes(struct.pack("fffI", x, y, z, rgb))
        return data
    table = np.column_stack((points[keep], packed.view(np.float32)))
    records = unstructured_to_structured(table, _RECORD)
    data.frombytes(memoryview(records).cast("B"))
    return data
