"""The point cloud of the depth image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sensor_msgs.msg import PointCloud2
from torch import Tensor

from ...geometry import Equirectangular, edge_mask, edge_reach
from ...prediction import Prediction
from ..messages.clouds import CloudPacker
from ..parameters.outputs import CloudSettings
from .output import Frame, MakePublisher, Output, RateLimit


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
    found = {"wraps": wraps, "reach": edge_reach(camera)}
    edges = edge_mask(frame.range_m, edge_threshold, prediction.valid, **found)
    if edges.device.type != "cpu":
        return prediction.valid & ~edges
    return torch.from_numpy(np.greater(prediction.valid.numpy(), edges.numpy()))  # no threads
