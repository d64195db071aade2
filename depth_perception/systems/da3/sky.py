"""Sky in the maps of Depth Anything 3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

THRESHOLD = 0.3  # of the sky map: from here on a pixel is sky
_QUANTILE = 0.99
_LEAST_PIXELS = 10  # of ground and of sky; with so few or fewer nothing is filled


def is_sky(sky: Tensor) -> Tensor:
    """Bool of the same shape, true where the sky map (...) says sky."""
    return sky >= THRESHOLD


def filled(depth: Tensor, sky: Tensor) -> Tensor:
    """Depth (H, W) whose sky has the 99 % quantile of the depth of the ground.

    The quantile is that of all pixels of the ground of this image, so the result is the same each
    time. The authors draw 100 000 of them at random where there are more, and pool all images of
    a call.

    Args:
        depth, sky: (H, W) maps of the network, before any change.
    """
    beyond = is_sky(sky)
    ground = depth[~beyond]
    if min(len(ground), depth.numel() - len(ground)) <= _LEAST_PIXELS:
        return depth
    position = _QUANTILE * (len(ground) - 1)
    below = int(position)
    last = ground.topk(len(ground) - below).values[-2:].flip(0)  # the two around the quantile
    return torch.where(beyond, torch.lerp(last[0], last[-1], position - below), depth)


def resized(depth: Tensor, beyond: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Depth (H, W) and the mask of its sky at another size.

    The mask takes the nearest pixels; depth is interpolated bilinearly within the sky and within
    the ground, so that no surface appears between the two.
    """
    mask = F.interpolate(beyond[None, None].float(), size, mode="nearest-exact") > 0
    sides = torch.stack((~beyond, beyond)).to(depth.dtype)
    maps = torch.cat((sides * depth, sides))[None]
    maps = F.interpolate(maps, size, mode="bilinear", align_corners=False)[0]
    means = maps[:2] / maps[2:].clamp_min(1e-6)
    return torch.where(mask[0, 0], means[1], means[0]), mask[0, 0]
