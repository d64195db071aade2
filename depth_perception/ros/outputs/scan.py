"""A planar laser scan from a panorama."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from sensor_msgs.msg import LaserScan
from std_msgs.msg import Header
from torch import Tensor

from ...geometry import Equirectangular
from ..messages.frames import derived_frame
from ..parameters.outputs import ScanSettings
from .output import Frame, MakePublisher, Output


class ScanOutput(Output):
    """``scan``: ranges of a planar laser scanner at the position of the camera."""

    def __init__(self, make: MakePublisher, settings: Callable[[], ScanSettings]) -> None:
        super().__init__(make(LaserScan, "scan"))
        self._settings = settings

    def is_wanted(self) -> bool:
        return self._settings().enabled and super().is_wanted()

    def publish(self, frame: Frame) -> None:
        settings, prediction = self._settings(), frame.prediction
        if not (self.is_wanted() and prediction.is_metric):
            return
        ranges = scan_ranges(prediction.depth, prediction.valid, prediction.camera, settings)
        header = Header(stamp=frame.header.stamp, frame_id=self.frame_id(frame.header.frame_id))
        self.publishers[0].publish(scan_message(header, ranges, prediction.camera, settings))

    def frame_id(self, camera_frame: str) -> str:
        """The upright frame of the scan."""
        return self._settings().frame_id or derived_frame(camera_frame, "scan")


def scan_ranges(
    range_m: Tensor, valid: Tensor, camera: Equirectangular, options: ScanSettings
) -> Tensor:
    """Horizontal distance to the nearest surface of each column, (W,) float32, leftmost last.

    Angles about the upward axis increase. NaN: unknown; +inf and -inf: above and below the limits
    (REP-117).

    Raises:
        ValueError: the band contains no row of the image.
    """
    rows = torch.arange(camera.height, device=range_m.device, dtype=torch.float32) + 0.5
    latitude = camera.latitude_min + rows / camera.height * camera.vertical_fov
    half_row = camera.vertical_fov / camera.height / 2
    in_band = latitude.abs() <= max(math.radians(options.band_deg) / 2, half_row * 1.001)
    if not bool(in_band.any()):
        raise ValueError(
            f"the scan band of {options.band_deg:.1f} degrees around the horizon "
            "lies outside the image"
        )
    flat = range_m[in_band] * torch.cos(latitude[in_band])[:, None]
    nearest = torch.where(valid[in_band], flat, math.inf).amin(0)
    known = valid[in_band].any(0)
    nearest = torch.where(nearest > options.max_range_m, math.inf, nearest)
    nearest = torch.where(nearest < options.min_range_m, -math.inf, nearest)
    return torch.where(known, nearest, math.nan).flip(0)


def scan_message(
    header: Header, ranges: Tensor, camera: Equirectangular, options: ScanSettings
) -> LaserScan:
    """A scan in a frame with z up and x forward (REP-103): angles increase to the left."""
    increment = camera.horizontal_fov / camera.width
    return LaserScan(
        header=header,
        angle_min=-camera.longitude_max + increment / 2,
        angle_max=-camera.longitude_min - increment / 2,
        angle_increment=increment,
        time_increment=0.0,
        scan_time=0.0,
        range_min=options.min_range_m,
        range_max=options.max_range_m,
        ranges=ranges.cpu().tolist(),
    )
