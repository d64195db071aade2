"""CameraInfo messages of the published images."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from ...geometry import Equirectangular, Pinhole

_IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


def equirectangular_info(header: Header, camera: Equirectangular) -> CameraInfo:
    """A panorama: ``distortion_model`` "equirectangular" and K = 0.

    ROS has no standard for panoramas. K[0] = 0 means "uncalibrated", so that nodes for pinhole
    cameras do not misinterpret the image. ``d`` holds the borders of the view in radians:
    left and right longitude (0 forward, growing to the right), top and bottom latitude (0 on the
    horizon, growing downward).
    """
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="equirectangular",
        d=[camera.longitude_min, camera.longitude_max, camera.latitude_min, camera.latitude_max],
        r=_IDENTITY,
    )


def pinhole_info(header: Header, camera: Pinhole) -> CameraInfo:
    """An ideal pinhole: ``plumb_bob`` without distortion."""
    k = camera.to_k()
    projection = [*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0]
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k,
        r=_IDENTITY,
        p=projection,
    )
