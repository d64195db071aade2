"""How disparity of KITTI pairs is judged, as monodepth does it (Godard et al., CVPR 2017, sec. 4).

A disparity map is a share of the image width and may have any size: it is resized to the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..data.kitti_raw import KittiRaw
from ..data.stereo import StereoFrame
from .nyu_kitti import CROP_SHARES, PhotoMetrics, PhotoProtocol, photo_metrics
from .photos import PhotoEvaluation, evaluate_photos

KITTI_2015_BASELINE_M = 0.54
KITTI_FOCAL_PX = {1242: 721.5377, 1241: 718.856, 1238: 718.3351, 1224: 707.0493}
"""Focal length of the pictures of KITTI 2015 by their width."""


@dataclass(frozen=True)
class Stereo2015:
    """The numbers of one picture of KITTI 2015; ``d1_all`` is in percent."""

    metrics: PhotoMetrics
    d1_all: float


@dataclass(frozen=True)
class EigenProtocol:
    """How depth from the lidar of KITTI raw is compared.

    Attributes:
        min_depth_m, max_depth_m: truth at or beyond these does not count, predictions are clamped.
        crop: part of the picture that counts: ``garg``, ``eigen`` or ``none``.
        median: scale each prediction by the medians of the pixels that count.
    """

    min_depth_m: float = 1e-3
    max_depth_m: float = 80.0
    crop: str = "garg"
    median: bool = False

    def __post_init__(self) -> None:
        if self.crop != "none" and self.crop not in CROP_SHARES:
            raise ValueError(f"crop must be none or one of {sorted(CROP_SHARES)}, not {self.crop}")

    def judge(self, depth_m: Tensor, truth_m: Tensor) -> PhotoMetrics | None:
        """Compare maps (H, W) in metres, the truth 0 where unknown; None where nothing counts."""
        truth = truth_m
        if self.crop != "none":
            top, bottom, left, right = crop_box(self.crop, *truth_m.shape)
            truth = torch.zeros_like(truth_m)
            truth[top:bottom, left:right] = truth_m[top:bottom, left:right]
        if self.median:
            counts = (truth > self.min_depth_m) & (truth < self.max_depth_m)
            if not counts.any():
                return None
            depth_m = depth_m * (truth[counts].median() / depth_m[counts].median())
        protocol = PhotoProtocol(self.min_depth_m, self.max_depth_m, clamp=True)
        judged = protocol.judge(depth_m, truth)
        return None if judged is None else judged[0]


def evaluate_kitti(
    disparity: Callable[[Tensor], Tensor],
    reader: KittiRaw,
    protocol: EigenProtocol | None = None,
) -> PhotoEvaluation:
    """Judge a network on pairs with lidar.

    Args:
        disparity: (3, H, W) uint8 left picture to its disparity (h, w) as a share of the width.
        reader: made with ``truth=True``.

    Raises:
        ValueError: the reader gives no truth, or no picture has any that counts.
    """
    if not reader.truth:
        raise ValueError("the reader must be made with truth=True")
    protocol = protocol or EigenProtocol()

    def depth_of(frame: StereoFrame) -> Tensor:
        return depth_of_pair(disparity(frame.left), frame)

    def judge(depth_m: Tensor, frame: StereoFrame) -> PhotoMetrics | None:
        return protocol.judge(depth_m, frame.depth_m)

    return evaluate_photos("disparity", depth_of, judge, reader)


def depth_of_pair(disparity: Tensor, frame: StereoFrame) -> Tensor:
    """z-depth (H, W) in metres of a disparity (h, w) of the left picture of a pinhole pair."""
    resized = resize_disparity(disparity.cpu(), *frame.depth_m.shape)
    return depth_of_disparity(resized, frame.camera.fx, frame.baseline_m)


def judge_2015(
    disparity: Tensor,
    truth_px: Tensor,
    *,
    min_depth_m: float = 1e-3,
    max_depth_m: float = 80.0,
) -> Stereo2015:
    """Compare a disparity (h, w) with that of KITTI 2015 (H, W) in pixels, 0 where unknown.

    Raises:
        ValueError: the picture has no width of KITTI 2015, or no truth.
    """
    height, width = truth_px.shape
    if width not in KITTI_FOCAL_PX:
        raise ValueError(f"no focal length for a width of {width}; KITTI has {[*KITTI_FOCAL_PX]}")
    known = truth_px > 0
    if not known.any():
        raise ValueError("the picture has no truth")
    pixels = resize_disparity(disparity, height, width) * width
    constant = KITTI_FOCAL_PX[width] * KITTI_2015_BASELINE_M
    depth = (constant / pixels).clamp(min_depth_m, max_depth_m)
    metrics = photo_metrics(depth[known], constant / truth_px[known])
    return Stereo2015(metrics, d1_all(pixels[known], truth_px[known]))


def d1_all(disparity_px: Tensor, truth_px: Tensor) -> float:
    """Percentage of pixels that are wrong by 3 pixels and by 5 percent of the truth."""
    error = (disparity_px - truth_px).abs()
    return 100 * float(((error >= 3) & (error / truth_px >= 0.05)).double().mean())


def resize_disparity(disparity: Tensor, height: int, width: int) -> Tensor:
    """A map (h, w) bilinearly at another size."""
    resized = interpolate(disparity[None, None], size=(height, width), mode="bilinear")
    return resized[0, 0]


def depth_of_disparity(disparity: Tensor, focal_px: float, baseline_m: float) -> Tensor:
    """z-depth (H, W) in metres of a share of the width; 0 where the disparity is 0."""
    depth = focal_px * baseline_m / (disparity * disparity.shape[-1])
    return torch.where(torch.isfinite(depth), depth, 0)


def crop_box(crop: str, height: int, width: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the part of a picture of any size that counts."""
    top, bottom, left, right = CROP_SHARES[crop]
    return int(top * height), int(bottom * height), int(left * width), int(right * width)
