"""Warps by range and occlusion of panorama pairs, to check disparities with."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from depth_perception.geometry.stereo import SphericalStereo, Warped


def warp_range(pair: SphericalStereo, other: Tensor, range_m: Tensor, baseline_m: float) -> Warped:
    """``pair.warp`` from a range in metres.

    An infinite range (the sky) does not move; pixels at 0, below, or NaN are invalid.
    """
    known = range_m > 0
    parallax = torch.where(known, baseline_m / torch.where(known, range_m, 1), 0)
    warped = pair.warp(other, parallax / pair.camera.horizontal_fov)
    return replace(warped, valid=warped.valid & known)


def occluded(
    pair: SphericalStereo, disparity: Tensor, other_disparity: Tensor, tolerance: float = 0.1
) -> Tensor:
    """(B, 1, H, W) bool: the other camera sees a nearer surface in front of this pixel.

    Args:
        disparity: of this view. other_disparity: of the other view, both known.
        tolerance: relative difference of the disparities of one surface.
    """
    seen = pair.warp(other_disparity, disparity)
    return seen.valid & (seen.image > (1 + tolerance) * seen.disparity)
