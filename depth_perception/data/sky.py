"""Depth of synthetic data sets with a sky, as Pixel-Perfect Depth is trained on it."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_DEPTH_M = 0.1
MOST_DEPTH_M = 80.0
SKY_BEYOND_M = 200.0
SKY_DEPTH_M = MOST_DEPTH_M + 1


def with_sky(depth_m: Tensor) -> tuple[Tensor, Tensor]:
    """Depth (...) within 0.1 to 80 m, the sky at 81 m, and where it is valid, bool.

    Sky is what is farther than 200 m; what lies between 80 and 200 m is not valid. The rule of
    UrbanSyn, UnrealStereo4K, Virtual KITTI and TartanAir.

    Args:
        depth_m: as published, NaN where unknown; it takes the largest depth that is valid.
    """
    sky = depth_m > SKY_BEYOND_M
    near = (depth_m > LEAST_DEPTH_M) & (depth_m < MOST_DEPTH_M)
    farthest = depth_m[near].max() if near.any() else depth_m.new_tensor(MOST_DEPTH_M)
    depth = torch.where(depth_m.isnan(), farthest, depth_m).clamp(LEAST_DEPTH_M, MOST_DEPTH_M)
    return torch.where(sky, SKY_DEPTH_M, depth), near | sky
