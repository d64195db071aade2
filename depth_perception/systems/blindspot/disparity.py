"""From the disparity of the blind-spot VGG to depth.

The network returns the disparity ``d`` as a fraction of the width of a training image. Whatever
the formula, depth is a factor divided by ``d``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .options import RangeFormula


def range_factor(
    formula: RangeFormula,
    *,
    baseline_m: float,
    network_turn_px: float,
    image_turn_px: float,
    training_width: int = 512,
    training_fov_rad: float = math.radians(82.5),
) -> float:
    """The metres that, divided by a disparity, are the range.

    ``training``: r = B / (d fov), the geometry of the training images; right for images that are
    sampled as these were. ``consistent``: the same, for a panorama in which things look smaller by
    the ratio of the columns per radian, r = B w / (2 pi w_training d). ``authors``: r = B w / (d W)
    (issue 4 of their repository); it is ``consistent`` times 2 pi w_training / W, which is 1.57 at
    W = 2048.

    Args:
        formula: one of the three.
        baseline_m: distance of the two cameras of the training.
        network_turn_px: columns ``w`` that a full turn has in the input of the network.
        image_turn_px: columns ``W`` that a full turn has in the image.
        training_width, training_fov_rad: columns and field of view of the training images.

    Raises:
        ValueError: another formula.
    """
    if formula == "authors":
        return baseline_m * network_turn_px / image_turn_px
    if formula == "consistent":
        return baseline_m * network_turn_px / (2 * math.pi * training_width)
    if formula == "training":
        return baseline_m / training_fov_rad
    raise ValueError(f"formula must be authors, consistent or training, got {formula!r}")


def merge_ramps(plain: Tensor, mirrored: Tensor) -> Tensor:
    """Disparities (..., w) of an image and, mirrored back, of its mirror image in one.

    A left image shows what the right one lacks at its left border, so that the outer twentieths
    come from one run alone (monodepth, arXiv 1609.03677, section 4.2).
    """
    width = plain.shape[-1]
    position = torch.linspace(0, 1, width, device=plain.device, dtype=plain.dtype)
    left = 1 - (20 * (position - 0.05)).clamp(0, 1)
    right = left.flip(-1)
    return right * plain + left * mirrored + (1 - left - right) * (plain + mirrored) / 2
