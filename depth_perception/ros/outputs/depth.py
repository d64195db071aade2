"""Topics with depth, one class for each group. Only topics with subscribers are computed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2
from std_msgs.msg import Header
from torch import Tensor

from depth_perception.msg import DepthScale

from ...geometry import DepthKind, Equirectangular, Panel, Pinhole, edge_mask
from ...prediction import Prediction
from ...scale import ScaleReport
from ..messages.buffers import PayloadBuffer
from ..messages.clouds import CloudPacker
from ..messages.depth_scale import scale_message
from ..messages.frames import (
    derived_frame,
    derived_optical_frame,
    equirectangular_info,
    pinhole_info,
)
from ..messages.images import colours_on_grid, depth_message, image_message
from ..messages.scans import scan_message, scan_ranges
from ..parameters.common import CloudSettings, ScanSettings

MakePublisher = Callable[[type[Any], str], Publisher]


@dataclass(frozen=True)
class Frame:
    """One image with its prediction.

    Attributes:
        header: of the image; every output carries its stamp.
        image: (H, W, 3) uint8 RGB.
        prediction: on a grid of its own.
        report: how it became metric, if a source of scale was used.
    """

    header: Header
    image: Tensor
    prediction: Prediction
    report: ScaleReport | None = None

    @cached_property
    def range_m(self) -> Tensor:
        """(h, w) float32 distance of every pixel along its ray; for metric depth only."""
        prediction = self.prediction
        return prediction.camera.convert(prediction.depth, prediction.kind, DepthKind.RANGE)

    def colours(self) -> Tensor:
        """(h, w, 3) uint8 RGB on the grid and the device of the prediction."""
        grid = self.prediction.values
        return colours_on_grid(self.image.to(grid.device), *grid.shape)


class Output:
    """A group of topics, with these publishers."""

    def __init__(self, *publishers: Publisher) -> None:
        self.publishers = publishers

    def is_wanted(self) -> bool:
        """Whether it has subscribers."""
        return any(map(has_listener, self.publishers))

    def publish(self, frame: Frame) -> None:
        """Publish the topics that have subscribers."""


class RateLimit:
    """Limits the rate of events, by the monotonic clock."""

    def __init__(self) -> None:
        self._last_s = -math.inf

    def allows(self, rate_hz: float) -> bool:
        """Whether an event may happen now, which is then counted. Rate 0 allows all.

        The rate of this call counts, not that of earlier ones.
        """
        now = time.monotonic()
        if rate_hz <= 0:
            self._last_s = now
            return True
        period_s = 1.0 / rate_hz
        if now < self._last_s + period_s:
            return False
        # Keep the phase unless it was lost, so that a limit near the input rate is reached.
        self._last_s = max(self._last_s + period_s, now - 0.5 * period_s)
        return True


class DepthOutput(Output):
    """``depth/image`` (or ``depth/relative``), ``depth/camera_info`` and ``depth/scale``."""

    def __init__(self, make: MakePublisher) -> None:
        self._image = make(Image, "depth/image")
        self._relative = make(Image, "depth/relative")
        self._info = make(CameraInfo, "depth/camera_info")
        self._scale = make(DepthScale, "depth/scale")
        self._buffer = PayloadBuffer()
        super().__init__(self._image, self._relative, self._info, self._scale)

    def publish(self, frame: Frame) -> None:
        prediction = frame.prediction
        publisher = self._image if prediction.is_metric else self._relative
        if has_listener(publisher):
            values = prediction.depth if prediction.is_metric else prediction.values
            publisher.publish(depth_message(frame.header, values, prediction.valid, self._buffer))
        if has_listener(self._info):
            self._info.publish(info_message(frame.header, prediction.camera))
        if has_listener(self._scale):
            self._scale.publish(scale_message(frame.header, prediction, frame.report))


class CloudOutput(Output):
    """``depth/points``, for metric depth only."""

    def __init__(self, make: MakePublisher, settings: Callable[[], CloudSettings]) -> None:
        super().__init__(make(PointCloud2, "depth/points"))
        self._settings = settings
        self._limit = RateLimit()
        self._packer = CloudPacker()

    def is_wanted(self) -> bool:
        return self._settings().enabled and super().is_wanted()

    def publish(self, frame: Frame) -> None:
        settings = self._settings()
        is_wanted = self.is_wanted() and frame.prediction.is_metric
        if not (is_wanted and self._limit.allows(settings.max_rate_hz)):
            return
        labels = self.labels(frame.prediction)
        self.publishers[0].publish(cloud_message(self._packer, frame, settings, labels))

    def labels(self, prediction: Prediction) -> Tensor | None:
        """(H, W, 2) int32 class and instance of every pixel; None for clouds without labels."""
        return None


class PanelOutput(Output):
    """``panels/NAME/{image,depth,camera_info}``: pinhole views of a panorama."""

    def __init__(self, make: MakePublisher, panel: Panel) -> None:
        self.panel = panel
        self._image = make(Image, f"panels/{panel.name}/image")
        self._depth = make(Image, f"panels/{panel.name}/depth")
        self._info = make(CameraInfo, f"panels/{panel.name}/camera_info")
        self._image_buffer, self._depth_buffer = PayloadBuffer(), PayloadBuffer()
        super().__init__(self._image, self._depth, self._info)

    def publish(self, frame: Frame) -> None:
        prediction, header = frame.prediction, self.header(frame.header)
        if has_listener(self._image):
            height, width = frame.image.shape[:2]
            planes = frame.image.to(prediction.values.device).permute(2, 0, 1)
            view = self.panel.cut_image(planes, prediction.camera.resize(height, width))
            message = image_message(header, view.permute(1, 2, 0), "rgb8", self._image_buffer)
            self._image.publish(message)
        if has_listener(self._depth) and prediction.is_metric:
            distance = torch.where(prediction.valid, prediction.depth, torch.nan)
            z = self.panel.cut_depth(distance, prediction.camera, prediction.kind, "bilinear")
            self._depth.publish(depth_message(header, z, torch.isfinite(z), self._depth_buffer))
        if has_listener(self._info):
            self._info.publish(pinhole_info(header, self.panel.camera))

    def header(self, source: Header) -> Header:
        """Header of the panel: its own optical frame, the stamp of the image."""
        frame = derived_optical_frame(source.frame_id, self.panel.name)
        return Header(stamp=source.stamp, frame_id=frame)


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


def has_listener(publisher: Publisher) -> bool:
    """Whether it has a matched subscription."""
    return publisher.get_subscription_count() > 0


def info_message(header: Header, camera: Equirectangular | Pinhole) -> CameraInfo:
    """The CameraInfo of either camera."""
    if isinstance(camera, Pinhole):
        return pinhole_info(header, camera)
    return equirectangular_info(header, camera)


def cloud_message(
    packer: CloudPacker, frame: Frame, settings: CloudSettings, labels: Tensor | None = None
) -> PointCloud2:
    """The cloud of a frame with metric depth, in memory of the packer, valid until its next one."""
    rays = frame.prediction.camera.rays(device=frame.range_m.device)
    keep = kept_points(frame, settings.edge_threshold)
    colours = frame.colours() if settings.colour else None
    return packer.message(frame.header, rays, frame.range_m, keep, colours, settings, labels)


def kept_points(frame: Frame, edge_threshold: float) -> Tensor:
    """(h, w) bool: valid and, for a positive threshold, not at a depth discontinuity."""
    prediction = frame.prediction
    if edge_threshold <= 0:
        return prediction.valid
    camera = prediction.camera
    wraps = isinstance(camera, Equirectangular) and camera.is_full_turn
    edges = edge_mask(frame.range_m, edge_threshold, prediction.valid, wraps=wraps)
    if edges.device.type != "cpu":
        return prediction.valid & ~edges
    return torch.from_numpy(np.greater(prediction.valid.numpy(), edges.numpy()))  # no threads
