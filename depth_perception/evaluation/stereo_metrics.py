"""Scores of disparity on KITTI pairs, as in monodepth (Godard et al., CVPR 2017, sec. 4).

A disparity map is a share of the image width and may have any size: it is resized to the ground
truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..data.stereo import StereoFrame
from .loop import Predict, Sample, Values
from .metrics import Metrics, photo_metrics
from .nyu_kitti import Crop, PhotoProtocol, box_mask, crop_box

KITTI_2015_BASELINE_M = 0.54
KITTI_FOCAL_PX = {1242: 721.5377, 1241: 718.856, 1238: 718.3351, 1224: 707.0493}
"""Focal length of the images of KITTI 2015 by their width."""


@dataclass(frozen=True)
class EigenProtocol(PhotoProtocol):
    """Depth against the lidar of KITTI raw: clamped predictions, crops of any image size."""

    max_depth_m: float = 80.0
    crop: Crop = "garg"
    clamp: bool = True

    def sample(self, frame: StereoFrame) -> Sample:
        mask = self.mask(frame.depth_m)
        return Sample(frame.left, frame.depth_m, mask, frame.camera, frame)

    def _crop_mask(self, height: int, width: int) -> Tensor:
        return box_mask(crop_box(self.crop, height, width), height, width)


def predict_pairs(disparity: Callable[[Sample], Tensor]) -> Predict:
    """Depth of stereo frames from the disparity (h, w) of the left image, a share of the width."""

    def predict(sample: Sample) -> Values:
        frame: Any = sample.frame
        resized = resize_disparity(disparity(sample).cpu(), *frame.depth_m.shape)
        return Values(depth_of_disparity(resized, frame.camera.fx, frame.baseline_m))

    return predict


def metrics_2015(
    disparity: Tensor,
    ground_truth_px: Tensor,
    *,
    min_depth_m: float = 1e-3,
    max_depth_m: float = 80.0,
) -> Metrics:
    """The ten metrics and ``d1_all`` (percent) on KITTI 2015 of a disparity (h, w), a share of
    the width, with ground truth (H, W) in pixels, 0 where unknown.

    Raises ValueError: the image has no width of KITTI 2015, or no ground truth.
    """
    height, width = ground_truth_px.shape
    if width not in KITTI_FOCAL_PX:
        raise ValueError(f"no focal length for a width of {width}; KITTI has {[*KITTI_FOCAL_PX]}")
    known = ground_truth_px > 0
    if not known.any():
        raise ValueError("the image has no ground truth")
    pixels = resize_disparity(disparity, height, width) * width
    constant = KITTI_FOCAL_PX[width] * KITTI_2015_BASELINE_M
    depth = (constant / pixels).clamp(min_depth_m, max_depth_m)
    metrics = photo_metrics(depth[known], constant / ground_truth_px[known])
    return {**metrics, "d1_all": d1_all(pixels[known], ground_truth_px[known])}


def d1_all(disparity_px: Tensor, ground_truth_px: Tensor) -> float:
    """Percentage of pixels that are wrong by 3 pixels and by 5 percent of the ground truth."""
    error = (disparity_px - ground_truth_px).abs()
    return 100 * float(((error >= 3) & (error / ground_truth_px >= 0.05)).double().mean())


def resize_disparity(disparity: Tensor, height: int, width: int) -> Tensor:
    """A map (h, w) bilinearly at another size."""
    resized = interpolate(disparity[None, None], size=(height, width), mode="bilinear")
    return resized[0, 0]


def depth_of_disparity(disparity: Tensor, focal_px: float, baseline_m: float) -> Tensor:
    """z-depth (H, W) in metres of a share of the width; 0 where the disparity is 0."""
    depth = focal_px * baseline_m / (disparity * disparity.shape[-1])
    return torch.where(torch.isfinite(depth), depth, 0)
