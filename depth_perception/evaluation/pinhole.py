"""Pinhole benchmarks: the part of a frame that each of them scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import cv2
import torch
import torch.nn.functional as F

from ..data.frames import PinholeFrame
from ..data.photos import KITTI_CROP, bottom_centre_box
from .loop import Sample
from .nyu_kitti import crop_mask

ETH3D_SIZE = (1360, 2048)


def within(frame: PinholeFrame, low_m: float, high_m: float) -> Sample:
    """The whole frame; ground truth between the limits is scored."""
    mask = (frame.depth_m > low_m) & (frame.depth_m < high_m)
    return Sample(frame.rgb, frame.depth_m, mask, frame.camera, frame)


def kitti_crop(frame: PinholeFrame) -> Sample:
    """The lowest 352 rows and the middle 1216 columns, all in the mask; ValueError if there are
    fewer."""
    top, bottom, left, right = bottom_centre_box(*frame.depth_m.shape, KITTI_CROP)
    camera = frame.camera and frame.camera.crop(top, left, *KITTI_CROP)
    rgb, depth_m = frame.rgb[:, top:bottom, left:right], frame.depth_m[top:bottom, left:right]
    return Sample(rgb, depth_m, torch.ones_like(depth_m, dtype=torch.bool), camera, frame)


def kitti_part(frame: PinholeFrame) -> Sample:
    """See :func:`kitti_crop`; 0.1 to 80 m within the box of Eigen et al. is scored."""
    part = kitti_crop(frame)
    depth_m = part.ground_truth
    mask = crop_mask("eigen", *KITTI_CROP) & (depth_m > 0.1) & (depth_m < 80)
    return Sample(part.rgb, depth_m, mask, part.camera, frame)


def eth3d_part(frame: PinholeFrame) -> Sample:
    """The frame shrunk to 2048 x 1360, the image by area, the depth to the nearest pixel.

    Smaller frames are not resized. Ground truth beyond 1 cm is scored.
    """
    rgb, depth_m, camera = frame.rgb, frame.depth_m, frame.camera
    if depth_m.shape[0] > ETH3D_SIZE[0] and depth_m.shape[1] > ETH3D_SIZE[1]:
        depth_m = F.interpolate(depth_m[None, None], ETH3D_SIZE, mode="nearest")[0, 0]
        pixels, size = rgb.permute(1, 2, 0).numpy(), ETH3D_SIZE[::-1]
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        rgb = torch.from_numpy(pixels).permute(2, 0, 1)
        camera = camera and camera.resize(*ETH3D_SIZE)
    return Sample(rgb, depth_m, (depth_m > 0.01) & depth_m.isfinite(), camera, frame)


BENCHMARK_PARTS: Mapping[str, Callable[[PinholeFrame], Sample]] = {
    "nyu": lambda frame: within(frame, 0.1, 10),
    "kitti": kitti_part,
    "eth3d": eth3d_part,
    "scannet": lambda frame: within(frame, 0.01, 10),
    "diode": lambda frame: within(frame, 0, math.inf),  # the reader applies the published mask
}
"""The part that is scored in each benchmark of Pixel-Perfect Depth."""
